package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Clients in languages that have doubles only write whole numbers as 5.0 or 1e3, which
// encoding/json does not take for integers. JSON in which it has not liked a number is
// decoded again, with such numbers written as integers.

// unmarshalWhole decodes JSON again that could not be decoded because of a number. It
// returns the error before if nothing can be done.
func unmarshalWhole(data []byte, v any, before error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](before)
	if !ok || !strings.HasPrefix(wrong.Value, "number") {
		return before
	}
	whole, changed := appendWhole(make([]byte, 0, len(data)), data)
	if !changed {
		return before
	}
	return json.Unmarshal(whole, v)
}

// appendWhole appends the JSON with its whole numbers as integers.
func appendWhole(dst, data []byte) (whole []byte, changed bool) {
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			end := scanString(data, i)
			if end < 0 {
				return nil, false // cannot be: it has been decoded once
			}
			dst = append(dst, data[i:end]...)
			i = end
		case c == '-' || isDigit(c):
			end := i + 1
			for end < len(data) && strings.IndexByte("+-.eE0123456789", data[end]) >= 0 {
				end++
			}
			number, ok := wholeNumber(data[i:end])
			dst = append(dst, number...)
			changed = changed || ok
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, changed
}

// maxWhole is the number of digits of the largest integers.
const maxWhole = 20

// wholeNumber returns a number as an integer. It reports false, and returns it as it is,
// if it is one already, or none, or too large.
func wholeNumber(number []byte) (integer []byte, ok bool) {
	mantissa, exponent := number, 0
	if at := bytes.IndexAny(number, "eE"); at >= 0 {
		n, err := strconv.Atoi(string(number[at+1:]))
		if err != nil {
			return number, false
		}
		mantissa, exponent = number[:at], n
	}
	before, fraction, dotted := bytes.Cut(mantissa, []byte("."))
	if !dotted && len(mantissa) == len(number) {
		return number, false
	}
	before, negative := bytes.CutPrefix(before, []byte("-"))
	exponent -= len(fraction)
	digits := bytes.TrimLeft(slices.Concat(before, fraction), "0")
	significant := bytes.TrimRight(digits, "0")
	if len(significant) == 0 {
		return []byte("0"), true
	}
	zeros := len(digits) - len(significant) + exponent
	if zeros < 0 || zeros > maxWhole || len(significant)+zeros > maxWhole {
		return number, false
	}
	if negative {
		integer = append(integer, '-')
	}
	return append(append(integer, significant...), strings.Repeat("0", zeros)...), true
}
