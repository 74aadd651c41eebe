package wire

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// str converts the string ahead. One without escapes is copied; any other is
// unescaped in place.
func (m *toMsgpack) str() error {
	m.pos++
	raw, plain, ok := scanString(m.src[m.pos:])
	if !ok {
		return ErrJSON
	}
	m.pos += len(raw) + 1
	if plain || (bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw)) {
		m.dst = msgp.AppendStringFromBytes(m.dst, raw)
		return nil
	}
	return m.unescape(raw)
}

// scanString returns what stands before the closing quote. It is plain if it is
// ASCII without escapes.
func scanString(src []byte) (raw []byte, plain, ok bool) {
	plain = true
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			return src[:i], plain, true
		case c == '\\':
			plain = false
			i++ // whatever follows, it is not the end
		case c < ' ':
			return nil, false, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return nil, false, false
}

// unescape writes the string at its place behind the longest header that it can
// need, and moves it back when the header is shorter.
func (m *toMsgpack) unescape(raw []byte) error {
	const longest = 5
	start := len(m.dst)
	m.dst = append(m.dst, make([]byte, longest)...)
	var ok bool
	if m.dst, ok = appendUnescaped(m.dst, raw); !ok {
		return ErrJSON
	}
	text := m.dst[start+longest:]
	m.dst = msgp.AppendStringFromBytes(m.dst[:start], text)
	return nil
}

func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\\':
			var n int
			if dst, n = appendEscaped(dst, raw[i:]); n == 0 {
				return dst, false
			}
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst, true
}

// appendEscaped writes the character of the escape at the start of raw and
// returns how long the escape is, 0 if it is none.
func appendEscaped(dst, raw []byte) ([]byte, int) {
	if len(raw) < 2 {
		return dst, 0
	}
	switch c := raw[1]; c {
	case '"', '\\', '/':
		return append(dst, c), 2
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	}
	r := codeUnit(raw)
	if r < 0 {
		return dst, 0
	}
	if utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, codeUnit(raw[6:])); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), 12
		}
	}
	return utf8.AppendRune(dst, r), 6 // U+FFFD for half a pair
}

// codeUnit reads the \uXXXX at the start of raw, -1 if there is none.
func codeUnit(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range raw[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
