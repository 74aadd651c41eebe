package parser

import (
	"fmt"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// MaxDepth is how deep arrays and objects may be nested in a payload.
const MaxDepth = 512

// nesting remembers for each open bracket whether it is that of an object.
type nesting struct {
	bits  [MaxDepth / 64]uint64
	depth int
}

// push notes an opening bracket.
func (n *nesting) push(object bool) bool {
	if n.depth == MaxDepth {
		return false
	}
	word, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if object {
		n.bits[word] |= bit
	} else {
		n.bits[word] &^= bit
	}
	n.depth++
	return true
}

// object reports whether the innermost open bracket is that of an object.
func (n *nesting) object() bool {
	top := n.depth - 1
	return n.bits[top/64]&(1<<(top%64)) != 0
}

// syntaxError says where the JSON went wrong.
func syntaxError(at int) error { return fmt.Errorf("%w at offset %d", ErrSyntax, at) }

// Valid checks that data is exactly one JSON value, possibly with white space
// around it. It returns an error that wraps [ErrSyntax] or [ErrDepth].
func Valid(data []byte) error {
	i, err := scanValue(data, skipSpace(data, 0))
	if err != nil {
		return err
	}
	if i = skipSpace(data, i); i != len(data) {
		return syntaxError(i)
	}
	return nil
}

// scanValue checks the JSON value that starts at i and returns where it ends.
// It takes time linear in the size of the value and does not recurse.
func scanValue(data []byte, i int) (end int, err error) {
	var open nesting
	for {
		// A value starts here.
		if i >= len(data) {
			return i, syntaxError(i)
		}
		switch c := data[i]; c {
		case '{', '[':
			if !open.push(c == '{') {
				return i, ErrDepth
			}
			i = skipSpace(data, i+1)
			if i < len(data) && data[i] == c+2 { // ']' and '}' follow two after '[' and '{'
				break
			}
			if c == '{' {
				if i = scanKey(data, i); i < 0 {
					return 0, syntaxError(^i)
				}
			}
			continue
		default:
			if i = scanScalar(data, i); i < 0 {
				return 0, syntaxError(^i)
			}
		}
		// A value, or an opening bracket before its closing one, has ended here.
		if i, err = scanAfter(data, i, &open); err != nil || open.depth == 0 {
			return i, err
		}
	}
}

// scanAfter takes the closing brackets and the comma behind a value that ends
// at i. It returns where the next value starts, or where the outermost one has
// ended, in which case nothing is open any more.
func scanAfter(data []byte, i int, open *nesting) (int, error) {
	for open.depth > 0 {
		i = skipSpace(data, i)
		if i >= len(data) {
			return i, syntaxError(i)
		}
		object := open.object()
		switch c := data[i]; {
		case c == ',' && object:
			if i = scanKey(data, skipSpace(data, i+1)); i < 0 {
				return 0, syntaxError(^i)
			}
			return i, nil
		case c == ',':
			return skipSpace(data, i+1), nil
		case c == '}' && object, c == ']' && !object:
			i++
			open.depth--
		default:
			return i, syntaxError(i)
		}
	}
	return i, nil
}

// The functions below return the offset behind what they have scanned, or the
// complement of the offset of the error.

// scanKey scans the key of an object's member and its colon, up to the value.
func scanKey(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return ^i
	}
	if i = scanString(data, i); i < 0 {
		return i
	}
	i = skipSpace(data, i)
	if i >= len(data) || data[i] != ':' {
		return ^i
	}
	return skipSpace(data, i+1)
}

// scanScalar scans a string, a number or a literal.
func scanScalar(data []byte, i int) int {
	switch c := data[i]; {
	case c == '"':
		return scanString(data, i)
	case c == '-' || isDigit(c):
		return scanNumber(data, i)
	case c == 't':
		return scanLiteral(data, i, "true")
	case c == 'f':
		return scanLiteral(data, i, "false")
	case c == 'n':
		return scanLiteral(data, i, "null")
	}
	return ^i
}

func scanLiteral(data []byte, i int, literal string) int {
	if len(data)-i < len(literal) || string(data[i:i+len(literal)]) != literal {
		return ^i
	}
	return i + len(literal)
}

// scanString scans the string that starts with the quote at i.
func scanString(data []byte, i int) int {
	i++
	for {
		i = scalar.Skip(data, i)
		if i >= len(data) {
			return ^i
		}
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			if i = scanEscape(data, i); i < 0 {
				return i
			}
		default: // a control character
			return ^i
		}
	}
}

// scanEscape scans the escape sequence that starts with the backslash at i.
func scanEscape(data []byte, i int) int {
	if i+1 >= len(data) {
		return ^len(data)
	}
	switch data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(data) || !isHex(data[j]) {
				return ^j
			}
		}
		return i + 6
	}
	return ^(i + 1)
}

func scanNumber(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else if i = scanDigits(data, i); i < 0 {
		return i
	}
	if i < len(data) && data[i] == '.' {
		if i = scanDigits(data, i+1); i < 0 {
			return i
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return scanDigits(data, i)
	}
	return i
}

// scanDigits scans at least one digit.
func scanDigits(data []byte, i int) int {
	start := i
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
