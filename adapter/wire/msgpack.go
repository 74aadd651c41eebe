package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// AppendMsgpack appends to dst the MessagePack form of a JSON text, byte for
// byte what notepack.io makes of the same value: integral numbers in their
// shortest form, all others as float64, the keys of objects in their order.
// Integers beyond 64 bits become float64. Where the text holds the placeholder
// of an attachment the bytes of the attachment follow.
//
// Without attachments an object that looks like a placeholder is an object like
// any other.
//
// On an error, which wraps [ErrJSON], [ErrDepth] or [ErrPlaceholder], dst is
// returned as it came.
func AppendMsgpack(dst, json []byte, attachments [][]byte) ([]byte, error) {
	m := toMsgpack{src: json, dst: dst, atts: attachments}
	if err := m.document(); err != nil {
		return dst, err
	}
	m.dst = m.wide.apply(m.dst)
	return m.dst, nil
}

// toMsgpack is one conversion from JSON text. src[pos:] is what is left of it.
type toMsgpack struct {
	src  []byte
	pos  int
	dst  []byte
	atts [][]byte
	wide widenings
}

func (m *toMsgpack) document() error {
	if err := m.value(0); err != nil {
		return err
	}
	m.space()
	if m.pos < len(m.src) {
		return ErrJSON
	}
	return nil
}

func (m *toMsgpack) value(depth int) error {
	switch c := m.peek(); c {
	case '{':
		if n, size, ok := m.placeholder(); ok {
			return m.attachment(n, size)
		}
		return m.object(depth)
	case '[':
		return m.array(depth)
	case '"':
		return m.str()
	case 't':
		return m.literal("true", leadTrue)
	case 'f':
		return m.literal("false", leadFalse)
	case 'n':
		return m.literal("null", leadNil)
	default:
		return m.number()
	}
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (m *toMsgpack) peek() byte {
	m.space()
	if m.pos < len(m.src) {
		return m.src[m.pos]
	}
	return 0
}

func (m *toMsgpack) space() { m.pos = skipSpace(m.src, m.pos) }

func skipSpace(src []byte, pos int) int {
	for pos < len(src) && (src[pos] == ' ' || src[pos] == '\n' || src[pos] == '\r' || src[pos] == '\t') {
		pos++
	}
	return pos
}

func (m *toMsgpack) literal(text string, lead byte) error {
	if !bytes.HasPrefix(m.src[m.pos:], []byte(text)) {
		return ErrJSON
	}
	m.pos += len(text)
	m.dst = append(m.dst, lead)
	return nil
}

func (m *toMsgpack) array(depth int) error {
	if depth == MaxDepth {
		return ErrDepth
	}
	at, count := m.open(), 0
	if m.peek() == ']' {
		m.pos++
		return nil
	}
	for {
		if err := m.value(depth + 1); err != nil {
			return err
		}
		count++
		switch m.peek() {
		case ',':
			m.pos++
		case ']':
			m.pos++
			m.close(at, count, false)
			return nil
		default:
			return ErrJSON
		}
	}
}

func (m *toMsgpack) object(depth int) error {
	if depth == MaxDepth {
		return ErrDepth
	}
	at, count := m.open(), 0
	m.dst[at] = 0x80
	if m.peek() == '}' {
		m.pos++
		return nil
	}
	for {
		if m.peek() != '"' {
			return ErrJSON
		}
		if err := m.str(); err != nil {
			return err
		}
		if m.peek() != ':' {
			return ErrJSON
		}
		m.pos++
		if err := m.value(depth + 1); err != nil {
			return err
		}
		count++
		switch m.peek() {
		case ',':
			m.pos++
		case '}':
			m.pos++
			m.close(at, count, true)
			return nil
		default:
			return ErrJSON
		}
	}
}

// open consumes a bracket and leaves a byte for the header, which is that of an
// empty array until close sets it.
func (m *toMsgpack) open() (at int) {
	m.pos++
	m.dst = append(m.dst, 0x90)
	return len(m.dst) - 1
}

func (m *toMsgpack) close(at, count int, isMap bool) {
	switch {
	case count > 15:
		m.wide.add(widening{at: at, count: count, isMap: isMap})
	case isMap:
		m.dst[at] = 0x80 | byte(count)
	default:
		m.dst[at] = 0x90 | byte(count)
	}
}

func (m *toMsgpack) attachment(n uint64, size int) error {
	if n >= uint64(len(m.atts)) {
		return ErrPlaceholder
	}
	m.pos += size
	m.dst = msgp.AppendBytes(m.dst, m.atts[n])
	return nil
}

// placeholder tells that the object ahead is a placeholder: it has exactly its
// two members, in either order. It consumes nothing.
func (m *toMsgpack) placeholder() (n uint64, size int, ok bool) {
	if len(m.atts) == 0 {
		return 0, 0, false
	}
	src := m.src[m.pos:]
	pos := 1
	marked, numbered := false, false
	for i := range 2 {
		if i == 1 {
			if pos, ok = skipText(src, pos, ","); !ok {
				return 0, 0, false
			}
		}
		if next, ok := skipText(src, pos, `"_placeholder"`); ok && !marked {
			marked = true
			if pos, ok = skipText(src, next, ":"); !ok {
				return 0, 0, false
			}
			if pos, ok = skipText(src, pos, "true"); !ok {
				return 0, 0, false
			}
			continue
		}
		next, ok := skipText(src, pos, `"num"`)
		if !ok || numbered {
			return 0, 0, false
		}
		numbered = true
		if pos, ok = skipText(src, next, ":"); !ok {
			return 0, 0, false
		}
		if n, pos, ok = skipIndex(src, pos); !ok {
			return 0, 0, false
		}
	}
	size, ok = skipText(src, pos, "}")
	return n, size, ok
}

// skipText skips white space and then the text.
func skipText(src []byte, pos int, text string) (int, bool) {
	pos = skipSpace(src, pos)
	if len(src)-pos < len(text) || string(src[pos:pos+len(text)]) != text {
		return pos, false
	}
	return pos + len(text), true
}

// skipIndex skips white space and then a number of at most nine digits.
func skipIndex(src []byte, pos int) (n uint64, end int, ok bool) {
	pos = skipSpace(src, pos)
	end = pos
	for end < len(src) && end-pos < 9 && src[end] >= '0' && src[end] <= '9' {
		n = 10*n + uint64(src[end]-'0')
		end++
	}
	return n, end, end > pos && (src[pos] != '0' || end == pos+1)
}

// number reads a number by the grammar of https://www.rfc-editor.org/rfc/rfc8259#section-6.
func (m *toMsgpack) number() error {
	start := m.pos
	integral, ok := m.scanNumber()
	if !ok {
		return ErrJSON
	}
	text := m.src[start:m.pos]
	if integral && m.appendInteger(text) {
		return nil
	}
	// Out of range is an infinity, as it is for JSON.parse.
	f, _ := strconv.ParseFloat(string(text), 64)
	m.appendFloat(f)
	return nil
}

func (m *toMsgpack) scanNumber() (integral, ok bool) {
	if m.pos < len(m.src) && m.src[m.pos] == '-' {
		m.pos++
	}
	switch n := m.digits(); {
	case n == 0, n > 1 && m.src[m.pos-n] == '0':
		return false, false
	}
	integral = true
	if m.pos < len(m.src) && m.src[m.pos] == '.' {
		m.pos++
		integral = false
		if m.digits() == 0 {
			return false, false
		}
	}
	if m.pos < len(m.src) && m.src[m.pos]|0x20 == 'e' {
		m.pos++
		integral = false
		if m.pos < len(m.src) && (m.src[m.pos] == '+' || m.src[m.pos] == '-') {
			m.pos++
		}
		if m.digits() == 0 {
			return false, false
		}
	}
	return integral, true
}

func (m *toMsgpack) digits() (n int) {
	for m.pos < len(m.src) && m.src[m.pos] >= '0' && m.src[m.pos] <= '9' {
		m.pos++
		n++
	}
	return n
}

// appendInteger writes an integer of at most 64 bits, exactly.
func (m *toMsgpack) appendInteger(text []byte) bool {
	if text[0] == '-' {
		i, err := strconv.ParseInt(string(text), 10, 64)
		if err == nil {
			m.dst = msgp.AppendInt64(m.dst, i)
		}
		return err == nil
	}
	u, err := strconv.ParseUint(string(text), 10, 64)
	if err == nil {
		m.dst = msgp.AppendUint64(m.dst, u)
	}
	return err == nil
}

// appendFloat writes a number that was not written as an integer, though it may
// be one.
func (m *toMsgpack) appendFloat(f float64) {
	const limit = 1 << 63 // the first float64 that is no int64; twice that for uint64
	switch {
	case f != math.Trunc(f) || f < -limit || f >= 2*limit:
		m.dst = append(m.dst, leadFloat64)
		m.dst = binary.BigEndian.AppendUint64(m.dst, math.Float64bits(f))
	case f < 0:
		m.dst = msgp.AppendInt64(m.dst, int64(f))
	default:
		m.dst = msgp.AppendUint64(m.dst, uint64(f))
	}
}
