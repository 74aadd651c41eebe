package socketio

import (
	"encoding/json"
	"slices"
)

// Key names a value of type T that can be attached to a socket: the typed form of
// the reference's socket.data. A Key is a constant of the program: declare it once,
// in a variable or wherever it is used.
//
// What is attached to a socket is part of its description ([RemoteSocket]) and so
// becomes visible on other servers, encoded by the server's codec.
type Key[T any] struct {
	name string
}

// NewKey returns the key of that name. Two keys of the same name stand for the
// same value; keys of different types should have different names.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the name of the key.
func (k Key[T]) Name() string { return k.name }

// Holder is what values are attached to: [*Socket], and [RemoteSocket] for
// reading.
type Holder interface {
	value(name string) (any, bool)
}

// encodedValue is a value as it came from another server.
type encodedValue struct {
	raw   json.RawMessage
	codec interface {
		Unmarshal(data []byte, v any) error
	}
}

// Lookup returns the value attached to h. It reports false if there is none, or
// if it is not of type T.
func (k Key[T]) Lookup(h Holder) (T, bool) {
	v, ok := h.value(k.name)
	if !ok {
		var zero T
		return zero, false
	}
	if e, ok := v.(encodedValue); ok {
		var t T
		err := e.codec.Unmarshal(e.raw, &t)
		return t, err == nil
	}
	t, ok := v.(T)
	return t, ok
}

// Get returns the value attached to h, the zero value if there is none.
func (k Key[T]) Get(h Holder) T {
	v, _ := k.Lookup(h)
	return v
}

// Set attaches a value to a socket. The value must not be changed afterwards,
// since it may be read at any time; Set a new one instead.
func (k Key[T]) Set(s *Socket, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.detail()
	for i := range d.data {
		if d.data[i].name == k.name {
			d.data[i].value = v
			return
		}
	}
	d.data = append(d.data, datum{k.name, v})
}

// Delete removes the value from a socket.
func (k Key[T]) Delete(s *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.look().data
	for i := range data {
		if data[i].name == k.name {
			s.detail().data = slices.Concat(data[:i], data[i+1:])
			return
		}
	}
}

type datum struct {
	name  string
	value any
}

func (s *Socket) value(name string) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.look().data {
		if d.name == name {
			return d.value, true
		}
	}
	return nil, false
}

// dataJSON returns the data of the socket as a JSON object. A value that cannot
// be encoded is left out: whoever asked is still answered.
func (s *Socket) dataJSON() []byte {
	s.mu.Lock()
	data := append([]datum(nil), s.look().data...)
	s.mu.Unlock()
	if len(data) == 0 {
		return []byte("{}")
	}
	object := make(map[string]json.RawMessage, len(data))
	for _, d := range data {
		raw, err := s.nsp.server.marshal(d.value)
		if err != nil {
			s.nsp.server.log.Warn("socketio: encode socket data", "key", d.name, "err", err)
			continue
		}
		object[d.name] = raw
	}
	out, err := json.Marshal(object)
	if err != nil {
		s.nsp.server.log.Warn("socketio: encode socket data", "socket", s.id, "err", err)
		return []byte("{}")
	}
	return out
}
