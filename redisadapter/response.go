package redisadapter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/tinylib/msgp/msgp"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/wire"
)

// maxResponses is how many responses to one request are kept until the operation
// looks at them. It is far more than a cluster can have sockets; beyond it
// responses are dropped.
const maxResponses = 1 << 22

// response is a response of another node, most of it not yet decoded: only the
// operation that waits for it, if there is one, needs more than its id.
type response struct {
	requestID   string
	uid         string // of the node that has answered, if it says so
	kind        int
	clientCount value
	packet      value
	data        value
	sockets     value
	rooms       value
	gone        bool
}

// value is a member of a response in the encoding in which it came. It is absent
// if raw is nil.
type value struct {
	raw     []byte
	msgpack bool
}

// json returns the value as JSON, for those that have no binary in them.
func (v value) json() ([]byte, error) {
	if !v.msgpack || v.raw == nil {
		return v.raw, nil
	}
	data, _, _, err := wire.AppendJSON(nil, v.raw, nil)
	return data, err
}

// undefined tells that there is no value, or that it is what the MessagePack
// library of old writes for undefined.
func (v value) undefined() bool {
	return v.raw == nil || v.msgpack && bytes.HasPrefix(v.raw, []byte{0xd4, 0})
}

// reply returns the value as the one argument of an answer.
func (v value) reply() (adapter.Reply, error) {
	if v.undefined() {
		return adapter.Reply{Data: []byte("[]")}, nil
	}
	if !v.msgpack {
		return adapter.Reply{Data: append(append([]byte{'['}, v.raw...), ']')}, nil
	}
	data, attachments, _, err := wire.AppendJSON([]byte{'['}, v.raw, nil)
	return adapter.Reply{Data: append(data, ']'), Attachments: attachments}, err
}

// int returns the value as a number.
func (v value) int() (int, error) {
	data, err := v.json()
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(data))
	if err != nil || n < 0 {
		return 0, errMalformed
	}
	return n, nil
}

// readResponse reads a response in either encoding.
func readResponse(payload string) (*response, error) {
	b := []byte(payload)
	if len(b) > 0 && b[0] == '{' {
		return readJSONResponse(b)
	}
	r := &response{kind: -1}
	rest, err := readMap(b, func(key, b []byte) ([]byte, error) {
		rest, err := msgp.Skip(b)
		if err != nil {
			return nil, err
		}
		return rest, r.set(string(key), b[:len(b)-len(rest)])
	})
	if err != nil || len(rest) > 0 {
		return nil, errMalformed
	}
	return r, nil
}

// set takes a member of a response in MessagePack.
func (r *response) set(key string, raw []byte) (err error) {
	v := value{raw: raw, msgpack: true}
	switch key {
	case "type":
		r.kind, err = v.int()
	case "requestId":
		r.requestID, _, err = msgp.ReadStringBytes(raw)
	case "uid":
		r.uid, _, _ = msgp.ReadStringBytes(raw) // "" if it is none
	case "clientCount":
		r.clientCount = v
	case "packet":
		r.packet = v
	case "data":
		r.data = v
	case "sockets":
		r.sockets = v
	case "rooms":
		r.rooms = v
	case memberGone:
		r.gone, _, err = msgp.ReadBoolBytes(raw)
	}
	return err
}

func readJSONResponse(b []byte) (*response, error) {
	var m struct {
		RequestID    json.RawMessage `json:"requestId"`
		UID          json.RawMessage `json:"uid"`
		Type         *int            `json:"type"`
		ClientCount  json.RawMessage `json:"clientCount"`
		Packet       json.RawMessage `json:"packet"`
		Data         json.RawMessage `json:"data"`
		Sockets      json.RawMessage `json:"sockets"`
		Rooms        json.RawMessage `json:"rooms"`
		Disconnected json.RawMessage `json:"disconnected"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, errMalformed
	}
	r := &response{
		requestID:   stringOf(m.RequestID),
		uid:         stringOf(m.UID),
		kind:        -1,
		clientCount: value{raw: m.ClientCount},
		packet:      value{raw: m.Packet},
		data:        value{raw: m.Data},
		sockets:     value{raw: m.Sockets},
		rooms:       value{raw: m.Rooms},
		gone:        truthy(m.Disconnected),
	}
	if m.Type != nil {
		r.kind = *m.Type
	}
	return r, nil
}

// receiveResponse hands a response to the operation that waits for it.
func (c *classic) receiveResponse(payload string) {
	if c.pending.none() {
		return
	}
	r, err := readResponse(payload)
	if err != nil {
		c.link.log.report(troubleResponse, 1, err, "namespace", c.host.Namespace())
		return
	}
	if put := c.pending.find(r.requestID); put != nil {
		put(r)
	}
}

// pending are the operations that wait for responses, by the id of their
// request. What they give to be called must not block.
type pending struct {
	mu    sync.Mutex
	calls map[string]func(*response)
}

func (p *pending) add(id string, put func(*response)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = make(map[string]func(*response))
	}
	p.calls[id] = put
}

func (p *pending) remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, id)
}

func (p *pending) none() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls) == 0
}

func (p *pending) find(id string) func(*response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[id]
}

// mailbox takes things from any number of goroutines, without blocking them, and
// hands them to one.
type mailbox[T any] struct {
	wake chan struct{} // holds a token if there is something new

	mu    sync.Mutex
	items []T
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{wake: make(chan struct{}, 1)} }

func (m *mailbox[T]) put(item T) {
	m.mu.Lock()
	if len(m.items) < maxResponses {
		m.items = append(m.items, item)
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns what has come since the last call.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
