package parser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// Codec encodes values into JSON and decodes them. It must treat []byte as
// encoding/json does, as a string in base64.
type Codec interface {
	// Marshal returns v as JSON.
	Marshal(v any) ([]byte, error)
	// Unmarshal stores the JSON value in what v points to.
	Unmarshal(data []byte, v any) error
}

// JSON is the default [Codec]: encoding/json, except that <, > and & are
// written as they are, as JavaScript does, and that whole numbers such as 5.0 and 1e3
// fit integers, since clients in other languages write doubles like that.
//
// As encoding/json it takes the members of an object for fields whatever the case of
// their names: NAME for name, which a peer in JavaScript does not.
type JSON struct{}

// Marshal returns v as JSON.
func (JSON) Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Unmarshal stores the JSON value in what v points to.
func (JSON) Unmarshal(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return unmarshalWhole(data, v, err)
	}
	return nil
}

// Coder encodes the arguments of events and acknowledgements, and decodes them.
// The zero value is ready. It must not be copied and may be used concurrently.
//
// A []byte, anywhere in the arguments, becomes an attachment: at the top, in
// structs, maps, slices, arrays, pointers and interfaces. Types with a
// MarshalJSON or MarshalText method of their own are left to that method, and
// nil slices become null. A sole argument that is an [ArgsMarshaler] is replaced by the
// arguments that it stands for; one beside or within another argument is
// [ErrNestedArgs]. What such a method, or a json.RawMessage, holds besides
// UTF-8 is replaced by U+FFFD.
type Coder struct {
	// Codec encodes and decodes the values that are not of a basic type. The
	// default is [JSON].
	Codec Codec
	// MaxAttachments is the largest number of binary values in one packet. Zero
	// means DefaultMaxAttachments.
	MaxAttachments int

	buffers sync.Pool // of *jsonBuffer
	readers sync.Pool // of *jsonReader
	types   typeCache
}

// AppendEvent appends the payload of an event to dst: the JSON array of its name
// and its arguments. attachments are the binary values among them, which are
// not copied. On an error, which tells the argument that caused it, data is dst
// as it was. The name must not be [Reserved].
func (c *Coder) AppendEvent(dst []byte, event string, args ...any) (data []byte, attachments [][]byte, err error) {
	if Reserved(event) {
		return dst, nil, fmt.Errorf("%w %q", ErrReservedEvent, event)
	}
	e := encoder{coder: c, data: scalar.AppendString(append(dst, '['), event)}
	for i, arg := range spread(args) {
		e.data = append(e.data, ',')
		if err := e.append(arg); err != nil {
			return dst, nil, fmt.Errorf("parser: encoding argument %d of event %q: %w", i, event, err)
		}
	}
	if err := e.close(len(dst)); err != nil {
		return dst, nil, fmt.Errorf("parser: encoding event %q: %w", event, err)
	}
	return e.data, e.attachments, nil
}

// AppendAck appends the payload of an acknowledgement to dst: the JSON array of
// its arguments. Apart from the name it is AppendEvent.
func (c *Coder) AppendAck(dst []byte, args ...any) (data []byte, attachments [][]byte, err error) {
	e := encoder{coder: c, data: append(dst, '[')}
	for i, arg := range spread(args) {
		if i > 0 {
			e.data = append(e.data, ',')
		}
		if err := e.append(arg); err != nil {
			return dst, nil, fmt.Errorf("parser: encoding argument %d of an acknowledgement: %w", i, err)
		}
	}
	if err := e.close(len(dst)); err != nil {
		return dst, nil, fmt.Errorf("parser: encoding an acknowledgement: %w", err)
	}
	return e.data, e.attachments, nil
}

// Decode stores one argument in what v points to. raw is its JSON, an element
// of the payload as [SplitArgs] returns it, and attachments are those of the
// whole packet.
//
// Binary values go into []byte and into any; they alias the attachments. In a
// json.RawMessage they are an error that wraps [ErrNotBinary]: a *[Raw] takes the whole
// argument with the attachments that are its own. A type with an UnmarshalJSON method of its
// own may see them as strings in base64. For other targets, such as a string,
// the error wraps [ErrNotBinary]. Without attachments, an object that looks like
// a placeholder is just an object.
func (c *Coder) Decode(raw []byte, attachments [][]byte, v any) error {
	if r, ok := v.(*Raw); ok {
		return r.set(raw, attachments)
	}
	var found []placeholder
	if len(attachments) > 0 {
		found = findPlaceholders(raw)
	}
	if len(found) == 0 {
		if scalar.Decode(raw, v) {
			return nil
		}
		return c.unmarshal(raw, v)
	}
	if err := inRange(found, len(attachments)); err != nil {
		return err
	}
	if _, ok := v.(*json.RawMessage); ok {
		return errRawBinary
	}
	if whole := found[0]; whole.start == 0 && whole.end == len(raw) {
		switch v := v.(type) {
		case *[]byte:
			*v = attachments[whole.num]
			return nil
		case *any:
			if *v == nil {
				*v = attachments[whole.num]
				return nil
			}
		}
	}
	return c.decodeBinary(raw, found, attachments, v)
}

func (c *Coder) codec() Codec {
	if c.Codec != nil {
		return c.Codec
	}
	return JSON{}
}

func (c *Coder) maxAttachments() int {
	if c.MaxAttachments > 0 {
		return c.MaxAttachments
	}
	return DefaultMaxAttachments
}
