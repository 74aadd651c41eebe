package parser

import (
	"encoding/json"
	"strconv"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// MaxArgs is how many elements the payload of an event or an acknowledgement may
// have. A list of them takes much more memory than the payload itself, in which
// an element can be as small as two bytes.
const MaxArgs = 10_000

// SplitArgs appends the elements of the JSON array to dst, each as the part of
// data that holds it, without white space around it. It allocates nothing if
// dst has room enough. Its errors wrap [ErrSyntax], [ErrDepth], [ErrTooManyArgs]
// or, if data is something else than an array, [ErrPayload].
func SplitArgs(data []byte, dst [][]byte) ([][]byte, error) {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '[' {
		return dst, ErrPayload
	}
	i = skipSpace(data, i+1)
	if i < len(data) && data[i] == ']' {
		return dst, atEnd(data, i+1)
	}
	for limit := len(dst) + MaxArgs; ; {
		end, err := scanValue(data, i)
		if err != nil {
			return dst, err
		}
		if len(dst) == limit {
			return dst, ErrTooManyArgs
		}
		dst = append(dst, data[i:end:end])
		i = skipSpace(data, end)
		switch {
		case i < len(data) && data[i] == ',':
			i = skipSpace(data, i+1)
		case i < len(data) && data[i] == ']':
			return dst, atEnd(data, i+1)
		default:
			return dst, syntaxError(i)
		}
	}
}

// atEnd checks that nothing but white space is left from i on.
func atEnd(data []byte, i int) error {
	if i = skipSpace(data, i); i != len(data) {
		return syntaxError(i)
	}
	return nil
}

// EventName returns the name that the first element of an event stands for: the
// content of a string, or a number as JavaScript writes it. It returns nil for
// anything else. The result aliases elem where possible.
func EventName(elem []byte) []byte {
	if len(elem) == 0 {
		return nil
	}
	if elem[0] == '"' {
		return unquote(elem)
	}
	if elem[0] != '-' && !isDigit(elem[0]) {
		return nil
	}
	f, err := strconv.ParseFloat(string(elem), 64)
	if err != nil {
		return elem // out of range
	}
	return scalar.AppendFloat(nil, f, 64)
}

// unquote returns the content of a JSON string, which aliases it if there is no
// escape sequence in it.
func unquote(quoted []byte) []byte {
	end := scalar.Skip(quoted, 1)
	if end == len(quoted)-1 {
		return quoted[1:end:end]
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil
	}
	return []byte(s)
}

// Reserved reports whether clients and servers keep the name for themselves, so
// that no event may have it: connect, connect_error, disconnect, disconnecting,
// newListener and removeListener.
func Reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
