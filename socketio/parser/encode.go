package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
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
		data, ok := scalar.Append(e.data, arg)
		if !ok {
			return e.appendValue(arg)
		}
		e.data = data
	}
	return nil
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
	data := validUTF8(r.Data)
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

// validUTF8 replaces what is not UTF-8, which a codec takes over from an embedded
// json.RawMessage or from a MarshalJSON method: clients close the connection on it.
func validUTF8(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	return bytes.ToValidUTF8(data, []byte("\uFFFD"))
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
	use(validUTF8(text))
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
		use(validUTF8(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
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
