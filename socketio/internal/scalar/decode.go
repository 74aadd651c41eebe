// Package scalar encodes and decodes the values that need no codec: strings, numbers
// and booleans. Its functions keep nothing of what they are given, so that the
// compiler can leave it on the stack.
package scalar

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// Decode stores the JSON value raw in what v points to, and reports whether it has
// done so. It leaves the rest to a codec: targets of other types, strings with
// escape sequences, numbers that are not short integers, and all that does not fit.
// raw must be valid JSON without space around it.
func Decode(raw []byte, v any) bool {
	switch v := v.(type) {
	case *string:
		if !isPlainString(raw) {
			return false
		}
		*v = string(raw[1 : len(raw)-1])
	case *json.RawMessage:
		*v = append((*v)[:0], raw...)
	case *bool:
		text := string(raw)
		if text != "true" && text != "false" {
			return false
		}
		*v = text == "true"
	default:
		return decodeInt(raw, v)
	}
	return true
}

// decodeInt is Decode for numbers.
func decodeInt(raw []byte, v any) bool {
	switch v := v.(type) {
	case *int:
		n, ok := parseInt(raw)
		if !ok || int64(int(n)) != n {
			return false
		}
		*v = int(n)
	case *int64:
		n, ok := parseInt(raw)
		if !ok {
			return false
		}
		*v = n
	case *float64:
		n, ok := parseInt(raw)
		if !ok {
			return false
		}
		*v = float64(n)
	default:
		return false
	}
	return true
}

// maxDigits is the number of digits up to which every integer has a float64.
const maxDigits = 15

// parseInt reads a short integer. It reports false for anything else, and for
// negative zero.
func parseInt(raw []byte) (n int64, ok bool) {
	digits := raw
	negative := len(raw) > 0 && raw[0] == '-'
	if negative {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' && len(raw) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// isPlainString reports whether raw is a string without escape sequences.
func isPlainString(raw []byte) bool {
	end := len(raw) - 1
	return end >= 1 && raw[0] == '"' && raw[end] == '"' && Skip(raw, 1) == end && utf8.Valid(raw)
}

const (
	everyByte  = 0x0101010101010101
	everyUpper = 0x8080808080808080
)

// Skip skips the characters that stand for themselves in a JSON string, from i on,
// many at a time. It returns the index of the first other one.
func Skip(data []byte, i int) int {
	for len(data)-i >= 32 {
		d := data[i : i+32 : i+32]
		// The four do not depend on each other, so the processor handles them at once.
		if special(word(d))|special(word(d[8:]))|special(word(d[16:]))|special(word(d[24:])) != 0 {
			break
		}
		i += 32
	}
	for len(data)-i >= 8 {
		if s := special(word(data[i:])); s != 0 {
			return i + bits.TrailingZeros64(s)/8
		}
		i += 8
	}
	for i < len(data) && data[i] >= ' ' && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

func word(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// special finds characters that do not stand for themselves: the lowest byte of the
// result with its upper bit set is at the place of a control character, a quote or
// a backslash; borrowing can only set the upper bits of those above.
func special(x uint64) uint64 {
	quote, slash := x^'"'*everyByte, x^'\\'*everyByte
	return ((x-' '*everyByte)&^x | (quote-everyByte)&^quote | (slash-everyByte)&^slash) & everyUpper
}
