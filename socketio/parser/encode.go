package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// errNoJSON is returned when a codec has returned nothing.
var errNoJSON = errors.New("the codec returned no JSON")

// encoder builds the payload of one packet.
type encoder struct {
	coder        *Coder
	data         []byte
	attachments  [][]byte
	placeholders int // how many have been written
}

// append encodes one argument. The basic types are encoded here; the codec and
// reflection are for the others.
func (e *encoder) append(arg any) error {
	switch v := arg.(type) {
	case nil:
		e.data = append(e.data, "null"...)
	case string:
		e.data = appendString(e.data, v)
	case bool:
		e.data = strconv.AppendBool(e.data, v)
	case []byte:
		e.appendBinary(v)
	case json.RawMessage:
		return e.appendRaw(Raw{Data: v})
	case Raw:
		return e.appendRaw(v)
	case *Raw:
		if v == nil {
			v = new(Raw)
		}
		return e.appendRaw(*v)
	default:
		if !e.appendNumber(arg) {
			return e.appendValue(arg)
		}
	}
	return nil
}

// appendNumber encodes the argument if it is a number that JSON can express.
func (e *encoder) appendNumber(arg any) bool {
	switch v := arg.(type) {
	case int:
		e.data = strconv.AppendInt(e.data, int64(v), 10)
	case int64:
		e.data = strconv.AppendInt(e.data, v, 10)
	case int32:
		e.data = strconv.AppendInt(e.data, int64(v), 10)
	case int16:
		e.data = strconv.AppendInt(e.data, int64(v), 10)
	case int8:
		e.data = strconv.AppendInt(e.data, int64(v), 10)
	case uint:
		e.data = strconv.AppendUint(e.data, uint64(v), 10)
	case uint64:
		e.data = strconv.AppendUint(e.data, v, 10)
	case uint32:
		e.data = strconv.AppendUint(e.data, uint64(v), 10)
	case uint16:
		e.data = strconv.AppendUint(e.data, uint64(v), 10)
	case uint8:
		e.data = strconv.AppendUint(e.data, uint64(v), 10)
	case float64:
		return e.appendFloat(v, 64)
	case float32:
		return e.appendFloat(float64(v), 32)
	default:
		return false
	}
	return true
}

// appendFloat leaves what JSON has no number for to the codec, whose error says
// so best.
func (e *encoder) appendFloat(f float64, bits int) bool {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return false
	}
	e.data = appendFloat(e.data, f, bits)
	return true
}

// appendBinary encodes a binary value, a nil one as null.
func (e *encoder) appendBinary(b []byte) {
	if b == nil {
		e.data = append(e.data, "null"...)
		return
	}
	e.data = appendPlaceholder(e.data, len(e.attachments))
	e.attachments = append(e.attachments, b)
	e.placeholders++
}

// appendRaw encodes an argument that is JSON already.
func (e *encoder) appendRaw(r Raw) error {
	if len(r.Data) == 0 {
		e.data = append(e.data, "null"...)
		return nil
	}
	if err := Valid(r.Data); err != nil {
		return err
	}
	data := r.Data
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	if len(r.Attachments) == 0 {
		e.data = append(e.data, data...)
		return nil
	}
	found := findPlaceholders(data)
	if err := inRange(found, len(r.Attachments)); err != nil {
		return err
	}
	first := len(e.attachments)
	e.data = replacePlaceholders(e.data, data, found, func(dst []byte, num int) []byte {
		return appendPlaceholder(dst, first+num)
	})
	e.attachments = append(e.attachments, r.Attachments...)
	e.placeholders += len(found)
	return nil
}

// appendValue encodes an argument of any other type.
func (e *encoder) appendValue(arg any) error {
	x := extractor{types: &e.coder.types}
	arg, err := x.extract(arg)
	if err != nil {
		return err
	}
	if len(x.values) == 0 {
		return e.marshal(arg, func(text []byte) { e.data = append(e.data, text...) })
	}
	return e.marshal(arg, func(text []byte) { e.appendMarked(text, x.marker, x.values) })
}

// appendMarked appends JSON with placeholders in place of the markers. The
// values that the markers stand for become attachments in the order in which
// they appear; one that the codec has left out does not become any.
func (e *encoder) appendMarked(text []byte, m marker, values [][]byte) {
	for {
		at, num := m.find(text)
		if at < 0 {
			e.data = append(e.data, text...)
			return
		}
		e.data = append(e.data, text[:at]...)
		e.appendBinary(values[num])
		text = text[at+quotedMarkerLen:]
	}
}

// jsonBuffer is a buffer with the standard encoder that writes to it.
type jsonBuffer struct {
	bytes.Buffer

	enc *json.Encoder
}

// maxPooledBuffer is the size up to which a buffer is used again.
const maxPooledBuffer = 64 << 10

// marshal hands the JSON of v to use. The default codec gets by without a new
// buffer each time.
func (e *encoder) marshal(v any, use func(text []byte)) error {
	if _, ok := e.coder.codec().(JSON); ok {
		return e.coder.marshalJSON(v, use)
	}
	text, err := e.coder.codec().Marshal(v)
	if err != nil {
		return err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return errNoJSON
	}
	use(text)
	return nil
}

func (c *Coder) marshalJSON(v any, use func(text []byte)) error {
	b, ok := c.buffers.Get().(*jsonBuffer)
	if !ok {
		b = new(jsonBuffer)
		b.enc = json.NewEncoder(b)
		b.enc.SetEscapeHTML(false)
	}
	b.Reset()
	err := b.enc.Encode(v)
	if err == nil {
		use(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
	if b.Cap() <= maxPooledBuffer {
		c.buffers.Put(b)
	}
	return err
}

// close ends the payload that starts at start. It makes sure that a receiver
// finds the placeholders that have been written and no others: an object of the
// caller's that looks like one would stand for a binary value it has nothing to
// do with, or make stock clients close the connection.
func (e *encoder) close(start int) error {
	e.data = append(e.data, ']')
	if len(e.attachments) == 0 {
		return nil
	}
	if n := len(e.attachments); n > e.coder.maxAttachments() {
		return fmt.Errorf("%w: %d", ErrTooManyAttachments, n)
	}
	if len(findPlaceholders(e.data[start:])) != e.placeholders {
		return fmt.Errorf("%w: an argument besides binary values looks like one", ErrPlaceholder)
	}
	return nil
}

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := len(dst)
	dst = append(dst, s...)
	if skipPlain(dst, start) != len(dst) || !utf8.ValidString(s) {
		dst = appendEscaped(dst[:start], s)
	}
	return append(dst, '"')
}

// appendEscaped appends s with escape sequences where a JSON string needs them.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for _, r := range s { // an invalid byte is U+FFFD here
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// appendFloat appends f as JavaScript writes it.
func appendFloat(dst []byte, f float64, bits int) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // 1e-09 becomes 1e-9
		dst = dst[:n-1]
	}
	return dst
}
