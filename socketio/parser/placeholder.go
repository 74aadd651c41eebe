package parser

import (
	"bytes"
	"fmt"
	"strconv"
)

// A placeholder is an object of the JSON that stands for a binary value: it has
// a member "_placeholder" that is true, and the number of an attachment.
type placeholder struct {
	start, end int // its place in the JSON
	num        int // -1 if it has no proper number
}

// appendPlaceholder appends the placeholder for an attachment.
func appendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, '}')
}

// bracket is an array or object that findPlaceholders is in.
type bracket struct {
	start  int
	found  int // how many placeholders were found before it
	num    int
	marked bool
}

// findPlaceholders returns the placeholders in the JSON, in order. What is
// inside of a placeholder is no placeholder. The last one of equal keys counts,
// and escape sequences in keys are understood, as in JavaScript. If data is not
// valid JSON, the result is of no use but harmless.
func findPlaceholders(data []byte) (found []placeholder) {
	if !bytes.Contains(data, []byte("_placeholder")) && !bytes.Contains(data, []byte(`\u`)) {
		return nil
	}
	stack := make([]bracket, 0, 16)
	for i := 0; i < len(data); {
		switch data[i] {
		case '{', '[':
			stack = append(stack, bracket{start: i, found: len(found), num: -1})
		case '}', ']':
			if len(stack) == 0 {
				return found
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if top.marked {
				found = append(found[:top.found], placeholder{top.start, i + 1, top.num})
			}
		case '"':
			key := i
			if i = scanString(data, i); i < 0 {
				return found
			}
			value := scanColon(data, i)
			if value < len(data) && value > i && len(stack) > 0 {
				stack[len(stack)-1].note(data[key:i], data[value:])
			}
			continue
		}
		i++
	}
	return found
}

// scanColon returns where the value behind a key that ends at i begins, or i if
// what ends there is no key.
func scanColon(data []byte, i int) int {
	colon := skipSpace(data, i)
	if colon == len(data) || data[colon] != ':' {
		return i
	}
	return skipSpace(data, colon+1)
}

// note looks at a member of the object; value is what the JSON goes on with
// behind the colon.
func (b *bracket) note(key, value []byte) {
	switch string(unquote(key)) {
	case "_placeholder":
		b.marked = value[0] == 't'
	case "num":
		b.num = attachmentNumber(value)
	}
}

// attachmentNumber returns the number that value begins with, -1 if that is
// not an integer in plain digits.
func attachmentNumber(value []byte) int {
	const limit = 1 << 20 // far more than any packet has
	n, i := 0, 0
	for ; i < len(value) && isDigit(value[i]); i++ {
		if n = 10*n + int(value[i]-'0'); n > limit {
			return -1
		}
	}
	if i = skipSpace(value, i); i == 0 || i == len(value) || value[i] != ',' && value[i] != '}' {
		return -1
	}
	return n
}

// inRange checks that each of the placeholders names one of count attachments.
func inRange(found []placeholder, count int) error {
	for _, p := range found {
		if p.num < 0 || p.num >= count {
			return fmt.Errorf("%w at offset %d", ErrPlaceholder, p.start)
		}
	}
	return nil
}

// replacePlaceholders appends data to dst with what replace appends in place of
// each of the placeholders.
func replacePlaceholders(dst, data []byte, found []placeholder, replace func(dst []byte, num int) []byte) []byte {
	last := 0
	for _, p := range found {
		dst = append(dst, data[last:p.start]...)
		dst = replace(dst, p.num)
		last = p.end
	}
	return append(dst, data[last:]...)
}
