package redisadapter

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// maxServing is how long the answers of local sockets to a broadcast of another
// node are waited for at most, whatever that node says.
const maxServing = time.Hour

// serving are the broadcasts of other nodes that local sockets have not all
// answered.
type serving struct {
	mu     sync.Mutex
	asked  map[*asked]struct{}
	closed bool
}

// asked is one of them.
type asked struct {
	c     *classic
	id    json.RawMessage
	uid   string
	timer *time.Timer

	mu       sync.Mutex
	answered int
	count    int // -1 until it is known
	stop     func()
}

// serveBroadcast delivers a broadcast with acknowledgements: it tells the other
// node how many local sockets it goes to, and then passes on what they answer.
func (c *classic) serveBroadcast(r *remoteRequest) error {
	t, err := r.target()
	if err != nil {
		return err
	}
	p, err := r.packet(c.host.Namespace())
	if err != nil || p == nil {
		return err
	}
	patience := t.Flags.Timeout
	if patience == 0 {
		patience = c.link.opts.RequestTimeout
	}
	a := &asked{c: c, id: r.RequestID, uid: r.uid(), count: -1}
	if !c.serving.add(a, patience) {
		return nil
	}
	count, stop := c.DeliverWithAck(p, t, a.answer)
	c.respond(r, struct {
		Type        int             `json:"type"`
		RequestID   json.RawMessage `json:"requestId"`
		ClientCount int             `json:"clientCount"`
		UID         string          `json:"uid"`
	}{typeClientCount, r.RequestID, count, c.uid})
	a.started(count, stop)
	return nil
}

// packet returns the packet of a request, nil if it is for another namespace.
func (r *remoteRequest) packet(namespace string) (*adapter.Packet, error) {
	var p struct {
		Type *int            `json:"type"`
		Data json.RawMessage `json:"data"`
		Nsp  *string         `json:"nsp"`
	}
	if r.RequestID == nil || json.Unmarshal(r.Packet, &p) != nil || p.Type != nil && !isEvent(uint64(*p.Type)) {
		return nil, errMalformed
	}
	if p.Nsp != nil && *p.Nsp != namespace {
		return nil, nil
	}
	return newEvent(namespace, compact(p.Data), r.attachments)
}

// compact removes white space from a JSON text.
func compact(data json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return nil
	}
	return b.Bytes()
}

// add keeps a until it is over, or the other node has no patience any more.
func (s *serving) add(a *asked, patience time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.asked == nil {
		s.asked = make(map[*asked]struct{})
	}
	s.asked[a] = struct{}{}
	a.timer = time.AfterFunc(patience, a.over)
	return true
}

// close ends all.
func (s *serving) close() {
	s.mu.Lock()
	s.closed = true
	all := s.asked
	s.asked = nil
	s.mu.Unlock()
	for a := range all {
		a.over()
	}
}

// over stops to wait for answers, and then forgets a.
func (a *asked) over() {
	a.mu.Lock()
	stop := a.stop
	a.stop = nil
	a.count = 0 // a stop that comes from now on is called at once
	a.mu.Unlock()
	if stop != nil {
		stop()
	}
	s := &a.c.serving
	s.mu.Lock()
	a.timer.Stop()
	delete(s.asked, a)
	s.mu.Unlock()
}

// started notes what DeliverWithAck has returned.
func (a *asked) started(count int, stop func()) {
	a.mu.Lock()
	over := a.count == 0 || a.answered >= count
	if !over {
		a.count, a.stop = count, stop
	}
	a.mu.Unlock()
	if over {
		stop()
		a.over()
	}
}

// answer passes on what a local socket has answered. One that disconnects
// without an answer is told too: a Node.js server takes it for an answer without
// a value, rather than wait for its timeout; a Go server knows the extra member.
func (a *asked) answer(reply adapter.Reply, ok bool) {
	payload, err := encodeAck(a.c.uid, a.id, reply, ok)
	if err != nil {
		a.c.link.log.report(troubleAnswer, 1, err, "namespace", a.c.host.Namespace())
		payload, err = encodeAck(a.c.uid, a.id, adapter.Reply{}, true)
	}
	if err == nil {
		a.c.respondWith(a.uid, payload)
	}
	a.mu.Lock()
	a.answered++
	last := a.count > 0 && a.answered == a.count
	a.mu.Unlock()
	if last {
		a.timer.Reset(0) // not here: the host is in the middle of something
	}
}

// ackResponse holds the answer of a socket. A Node.js server sends it as
// MessagePack always, and reads JSON as well.
type ackResponse struct {
	Type      int             `json:"type"`
	RequestID json.RawMessage `json:"requestId"`
	Packet    json.RawMessage `json:"packet,omitempty"`
	Gone      bool            `json:"disconnected,omitempty"` // see memberGone
	UID       string          `json:"uid,omitempty"`
}

// encodeAck returns the response of the node with that uid.
func encodeAck(uid string, id json.RawMessage, reply adapter.Reply, ok bool) ([]byte, error) {
	r := ackResponse{Type: typeAck, RequestID: id, Gone: !ok, UID: uid}
	if !ok {
		return marshal(r, nil)
	}
	var err error
	if r.Packet, err = firstElement(reply.Data); err != nil {
		return nil, err
	}
	return marshal(r, reply.Attachments)
}

// memberGone marks the response that stands for a socket that has disconnected
// without an answer.
const memberGone = "disconnected"

// firstElement returns the first element of a JSON array, nil if it is empty.
func firstElement(array []byte) (json.RawMessage, error) {
	if len(array) == 0 {
		return nil, nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal(array, &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all[0], nil
}
