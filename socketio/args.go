package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/internal/scalar"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Args are the arguments of an event or of an acknowledgement, still encoded.
// The zero value has none. The Args of an [Event] are valid until its handler
// returns; Clone them to keep them.
type Args struct {
	event       string
	coder       *parser.Coder
	list        [][]byte
	attachments [][]byte
}

// NewArgs returns arguments as they would have been received, encoded by the default
// codec as Emit encodes them: for tests that call a [Handler] themselves, and for code
// that brings events from elsewhere.
func NewArgs(args ...any) (Args, error) {
	coder := new(parser.Coder)
	data, attachments, err := coder.AppendAck(nil, args...)
	if err != nil {
		return Args{}, err
	}
	return replyArgs(coder, adapter.Reply{Data: data, Attachments: attachments})
}

// Len returns the number of arguments.
func (a Args) Len() int { return len(a.list) }

// Raw returns the JSON of argument i, nil if there is no such argument. Binary
// stands in it as {"_placeholder":true,"num":N}.
func (a Args) Raw(i int) json.RawMessage {
	if i < 0 || i >= len(a.list) {
		return nil
	}
	return a.list[i]
}

// Attachments returns the binary values that the placeholders in the arguments
// stand for.
func (a Args) Attachments() [][]byte { return a.attachments }

// Decode decodes argument i into the value that v points to, binary included.
// It returns an [*ArgError] if there is no such argument or if it does not fit. One that
// was not sent is nil, and no error, if v points to a pointer, an any, a
// [json.RawMessage] or a [parser.Raw].
func (a Args) Decode(i int, v any) error {
	if i >= len(a.list) && setNil(v) {
		return nil
	}
	if i < 0 || i >= len(a.list) {
		return &ArgError{Event: a.event, Index: i, Err: ErrNoArgument}
	}
	if err := a.coder.Decode(a.list[i], a.attachments, v); err != nil {
		return &ArgError{Event: a.event, Index: i, Err: err}
	}
	return nil
}

// setNil makes the value that v points to nil, if its type stands for an argument that
// may be missing.
func setNil(v any) bool {
	switch v := v.(type) {
	case *json.RawMessage:
		*v = nil
		return true
	case *parser.Raw:
		*v = parser.Raw{}
		return true
	}
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return false
	}
	e := p.Elem()
	if e.Kind() != reflect.Pointer && (e.Kind() != reflect.Interface || e.NumMethod() > 0) {
		return false
	}
	e.SetZero()
	return true
}

// Bind decodes the first arguments into the values that vs point to, one after
// the other.
func (a Args) Bind(vs ...any) error {
	for i, v := range vs {
		if err := a.Decode(i, v); err != nil {
			return err
		}
	}
	return nil
}

// Clone returns a copy that shares nothing with a.
func (a Args) Clone() Args {
	c := a
	c.list = make([][]byte, len(a.list))
	for i, raw := range a.list {
		c.list[i] = bytes.Clone(raw)
	}
	c.attachments = make([][]byte, len(a.attachments))
	for i, b := range a.attachments {
		c.attachments[i] = bytes.Clone(b)
	}
	return c
}

// UnmarshalArgs makes Args a type that handlers can take: all the arguments,
// undecoded, to keep.
func (a *Args) UnmarshalArgs(args Args) error {
	*a = args.Clone()
	return nil
}

// MarshalArgs makes Args a type that can be emitted or returned as the answer to
// an event: each argument as it came.
func (a Args) MarshalArgs() []any {
	out := make([]any, len(a.list))
	for i, raw := range a.list {
		out[i] = a.raw(raw)
	}
	return out
}

// raw returns an argument with the attachments that are its own.
func (a Args) raw(data []byte) parser.Raw {
	if len(a.attachments) == 0 {
		return parser.Raw{Data: data}
	}
	var r parser.Raw
	if err := a.coder.Decode(data, a.attachments, &r); err != nil {
		return parser.Raw{Data: data, Attachments: a.attachments} // encoding it reports the error
	}
	return r
}

// ArgsUnmarshaler is implemented by types that take all the arguments of an event
// or an answer instead of the first one. The Args are valid during the call.
type ArgsUnmarshaler interface {
	UnmarshalArgs(a Args) error
}

// ArgsMarshaler is implemented by types that stand for several arguments, or for
// none, when they are the sole argument of an event or of an acknowledgement, whichever
// method sends it. Beside another argument, or inside one, such a value is an error,
// unless its type has a MarshalJSON method.
type ArgsMarshaler interface {
	MarshalArgs() []any
}

// None stands for no argument.
type None struct{}

// UnmarshalArgs ignores the arguments.
func (*None) UnmarshalArgs(Args) error { return nil }

// MarshalArgs returns nothing.
func (None) MarshalArgs() []any { return nil }

// Args2 stands for two arguments.
type Args2[A, B any] struct {
	A A
	B B
}

// UnmarshalArgs decodes two arguments.
func (t *Args2[A, B]) UnmarshalArgs(a Args) error { return a.Bind(&t.A, &t.B) }

// MarshalArgs returns the two arguments.
func (t Args2[A, B]) MarshalArgs() []any { return []any{t.A, t.B} }

// Args3 stands for three arguments.
type Args3[A, B, C any] struct {
	A A
	B B
	C C
}

// UnmarshalArgs decodes three arguments.
func (t *Args3[A, B, C]) UnmarshalArgs(a Args) error { return a.Bind(&t.A, &t.B, &t.C) }

// MarshalArgs returns the three arguments.
func (t Args3[A, B, C]) MarshalArgs() []any { return []any{t.A, t.B, t.C} }

// As decodes an answer into T: its first argument, or all of them if T, or a pointer
// to it, has the method of [ArgsUnmarshaler]. It takes the results of EmitWithAck as they are
// and passes an error on:
//
//	age, err := socketio.As[int](s.EmitWithAck(ctx, "age?"))
func As[T any](a Args, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return bind[T](a)
}

// AllAs decodes many answers as [As] decodes one. It returns those that could be
// decoded, beside the error of EmitWithAck or those of decoding, joined.
func AllAs[T any](all []Args, err error) ([]T, error) {
	out := make([]T, 0, len(all))
	errs := []error{err}
	for _, a := range all {
		v, err := bind[T](a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, v)
	}
	if len(errs) == 1 {
		return out, err
	}
	return out, errors.Join(errs...)
}

// bind decodes the arguments into a T. A scalar is decoded without a codec, which
// would need it on the heap.
func bind[T any](a Args) (T, error) {
	if len(a.list) > 0 && len(a.attachments) == 0 {
		var v T
		if scalar.Decode(a.list[0], &v) {
			return v, nil
		}
	}
	v := new(T)
	if u, ok := any(v).(ArgsUnmarshaler); ok {
		err := u.UnmarshalArgs(a)
		return *v, err
	}
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		if _, ok := any(*v).(ArgsUnmarshaler); ok {
			return bindPointer[T](a, reflect.New(t.Elem()).Interface())
		}
	}
	err := a.Decode(0, v)
	return *v, err
}

// bindPointer is bind for a T that is a pointer and has the method itself: v is a new
// one.
func bindPointer[T any](a Args, v any) (T, error) {
	if u, ok := v.(ArgsUnmarshaler); ok {
		if err := u.UnmarshalArgs(a); err != nil {
			var zero T
			return zero, err
		}
	}
	t, _ := v.(T)
	return t, nil
}

// replyArgs makes Args of an answer that an adapter has collected.
func replyArgs(coder *parser.Coder, r adapter.Reply) (Args, error) {
	list, err := parser.SplitArgs(r.Data, nil)
	if err != nil {
		return Args{}, err
	}
	return Args{coder: coder, list: list, attachments: r.Attachments}, nil
}
