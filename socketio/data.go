package socketio

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Key names a value of type T that travels: it is attached to a socket, and every server
// of the cluster that fetches the socket gets it, and so does whatever may read or publish
// in the broker. Clients do not. It is the typed form of socket.data of the Node.js server,
// a part of the socket's description ([RemoteSocket]), encoded by the server's codec.
//
// What must not leave this server, such as a token, a database handle or anything that
// cannot be encoded, needs a [NewLocalKey].
//
// A Key is a constant of the program: declare it once, in a variable or wherever it is
// used. Its methods panic if a local and a published key of one name meet at a socket.
type Key[T any] struct {
	name  string
	local bool
}

// NewKey returns the key of that name, whose values travel to other servers. Two keys of
// the same name stand for the same value; keys of different types should have different
// names.
func NewKey[T any](name string) Key[T] { return Key[T]{name: name} }

// NewLocalKey returns the key of that name, whose values stay on this server: they are
// not encoded, and missing in a [RemoteSocket] of another server.
func NewLocalKey[T any](name string) Key[T] { return Key[T]{name: name, local: true} }

// Name returns the name of the key.
func (k Key[T]) Name() string { return k.name }

// Holder is what values are attached to: [*Socket], and [RemoteSocket] for reading. That
// of a socket of this server has the socket's own values, as long as it is connected.
type Holder interface {
	value(name string, local bool) (any, bool)
}

// remoteValue is a value as a RemoteSocket has it.
type remoteValue struct {
	live  any             // that of the socket, if it is one of this server
	raw   json.RawMessage // that of the description
	codec interface {
		Unmarshal(data []byte, v any) error
	}
}

// Lookup returns the value attached to h. It reports false if there is none, or
// if it is not of type T.
func (k Key[T]) Lookup(h Holder) (T, bool) {
	v, ok := h.value(k.name, k.local)
	if !ok {
		var zero T
		return zero, false
	}
	r, remote := v.(remoteValue)
	if !remote {
		t, ok := v.(T)
		return t, ok
	}
	if t, ok := r.live.(T); ok || len(r.raw) == 0 {
		return t, ok
	}
	var t T
	err := r.codec.Unmarshal(r.raw, &t)
	return t, err == nil
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
		if d.data[i].is(k.name, k.local) {
			d.data[i].value = v
			return
		}
	}
	d.data = append(d.data, datum{k.name, k.local, v})
}

// Delete removes the value from a socket.
func (k Key[T]) Delete(s *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.look().data
	for i := range data {
		if data[i].is(k.name, k.local) {
			s.detail().data = slices.Concat(data[:i], data[i+1:])
			return
		}
	}
}

type datum struct {
	name  string
	local bool
	value any
}

// is reports whether the datum is that of a key. It panics if it has been attached with a
// key of the other kind.
func (d *datum) is(name string, local bool) bool {
	if d.name == name && d.local != local {
		panic("socketio: a local and a published key are both named " + strconv.Quote(name)) //nolint:forbidigo // a programming error, documented at Key
	}
	return d.name == name
}

func (s *Socket) value(name string, local bool) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.look().data {
		if d.is(name, local) {
			return d.value, true
		}
	}
	return nil, false
}

// dataJSON returns the data of the socket as a JSON object. A value that cannot
// be encoded is left out: whoever asked is still answered.
func (s *Socket) dataJSON() []byte {
	s.mu.Lock()
	data := slices.DeleteFunc(slices.Clone(s.look().data), func(d datum) bool { return d.local })
	s.mu.Unlock()
	if len(data) == 0 {
		return []byte("{}")
	}
	object := make(map[string]json.RawMessage, len(data))
	for _, d := range data {
		raw, err := s.nsp.server.marshal(d.value)
		if err != nil {
			s.nsp.server.warn("socketio: encode socket data", "key", d.name, "err", err)
			continue
		}
		object[d.name] = raw
	}
	out, err := json.Marshal(object)
	if err != nil {
		s.nsp.server.warn("socketio: encode socket data", "socket", s.id, "err", err)
		return []byte("{}")
	}
	return out
}
