package redisadapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// The bounds of the requests that wait for a description, for each namespace.
const (
	maxAskers     = 8192
	maxAskerBytes = 4 << 20
	askerBytes    = 256 // of memory for each of them, besides its texts
)

var (
	errTooManyAsk      = errors.New("too many of them wait")
	errAskedTooLongAgo = errors.New("they have waited for as long as a request may take")
)

// describing are the requests of other nodes that want to know what is here. To
// describe thousands of sockets takes tens of milliseconds. That is done on a
// goroutine of its own, which lives as long as there is something to do, so that
// the one that receives goes on with what is to happen in order.
//
// Those that ask for the same thing while it waits share one description. An
// answer is queued when Redis has the one before, so that answers cannot take up
// the publish queue.
type describing struct {
	mu      sync.Mutex
	waiting map[string]*description // by their keys
	order   []*description
	count   int // of the askers, those that are being answered among them
	bytes   int
	running chan struct{} // closed when the goroutine has ended; nil if there is none
	closed  bool
}

// description is what some nodes want to know.
type description struct {
	key    string
	kind   int
	target adapter.Target // of typeSockets and typeFetch
	askers []asker
}

// asker is a request for a description.
type asker struct {
	id    json.RawMessage
	uid   string
	since time.Time
	bytes int
}

// serveDescription queues a request for a description.
func (c *classic) serveDescription(r *remoteRequest) error {
	d := description{kind: r.kind()}
	switch d.kind {
	case typeSockets:
		var rooms selector
		if present(r.Rooms) && json.Unmarshal(r.Rooms, &rooms) != nil {
			return errMalformed
		}
		d.key, d.target.Rooms = "sockets"+string(r.Rooms), rooms
	case typeFetch:
		t, err := r.target()
		if err != nil {
			return err
		}
		d.key, d.target = "fetch"+string(r.Opts), t
	case typeAllRooms:
		d.key = "rooms"
	}
	a := asker{id: r.RequestID, uid: r.uid(), since: time.Now()}
	a.bytes = askerBytes + len(d.key) + len(a.id) + len(a.uid)
	if !c.describing.add(d, a, c.describe) {
		c.unanswered(1, errTooManyAsk)
	}
	return nil
}

// unanswered reports requests that get no answer.
func (c *classic) unanswered(n int, err error) {
	c.link.log.report(troubleUnanswered, n, err, "namespace", c.host.Namespace())
}

// add queues a request, and starts the goroutine that runs answer if there is
// none. It reports false if too many wait.
func (q *describing) add(d description, a asker, answer func(done chan<- struct{})) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true // as it is when the node has gone
	}
	if q.count >= maxAskers || q.bytes+a.bytes > maxAskerBytes {
		return false
	}
	q.count++
	q.bytes += a.bytes
	same := q.waiting[d.key]
	if same == nil {
		if q.waiting == nil {
			q.waiting = make(map[string]*description)
		}
		same = &d
		q.waiting[d.key] = same
		q.order = append(q.order, same)
	}
	same.askers = append(same.askers, a)
	if q.running == nil {
		q.running = make(chan struct{})
		go answer(q.running)
	}
	return true
}

// next takes the description that has waited longest. If there is none it returns
// nil, and the goroutine is to end.
func (q *describing) next() *description {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 || q.closed {
		q.waiting, q.order, q.running = nil, nil, nil
		return nil
	}
	d := q.order[0]
	q.order[0] = nil
	q.order = q.order[1:]
	delete(q.waiting, d.key)
	return d
}

// forget gives up the place of a request.
func (q *describing) forget(a asker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count--
	q.bytes -= a.bytes
}

// close ends the goroutine, and waits for it until ctx ends.
func (q *describing) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	running := q.running
	q.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// describe answers until nobody waits any more.
func (c *classic) describe(done chan<- struct{}) {
	defer close(done)
	for d := c.describing.next(); d != nil; d = c.describing.next() {
		c.answerAll(d)
	}
}

// answerAll makes a description, and sends it to all who have asked for it. One
// that has waited for as long as a request may take has given up.
func (c *classic) answerAll(d *description) {
	members := c.protected(d)
	for _, a := range d.askers {
		switch {
		case members == nil || c.ctx.Err() != nil:
		case time.Since(a.since) > c.link.opts.RequestTimeout:
			c.unanswered(1, errAskedTooLongAgo)
		default:
			c.answer(a, members)
		}
		c.describing.forget(a)
	}
}

// answer sends a description, and waits until Redis has it. It has been counted
// when it cannot be sent.
func (c *classic) answer(a asker, members []byte) {
	b := make([]byte, 0, len(members)+len(a.id)+16)
	b = append(b, '{')
	if a.id != nil {
		b = append(append(append(b, `"requestId":`...), a.id...), ',')
	}
	b = append(append(b, members...), '}')
	m := c.message(c.responses(a.uid), b)
	m.expires = a.since.Add(c.link.opts.RequestTimeout)
	ctx, cancel := context.WithDeadline(c.ctx, m.expires)
	defer cancel()
	m.ctx = ctx
	_ = c.link.publisher.send(ctx, m)
}

// protected returns the members of the answer. There are none if code of the
// user, which may have a part in a description, has panicked.
func (c *classic) protected(d *description) (members []byte) {
	defer func() {
		if r := recover(); r != nil {
			c.link.log.report(troublePanic, 1, fmt.Errorf("panic: %v", r), "namespace", c.host.Namespace(), "stack", string(debug.Stack()))
			members = nil
		}
	}()
	switch d.kind {
	case typeSockets:
		return appendJSON([]byte(`"sockets":`), c.ids(d.target))
	case typeAllRooms:
		return c.appendOwn(appendJSON([]byte(`"rooms":`), c.LocalRooms()))
	}
	return c.appendOwn(c.appendSockets([]byte(`"sockets":`), d.target))
}

// ids returns the ids of local sockets.
func (c *classic) ids(t adapter.Target) []string {
	ids := []string{}
	c.Select(t, func(to []adapter.Peer) {
		for _, p := range to {
			ids = append(ids, p.ID())
		}
	})
	return ids
}

// appendSockets appends the descriptions of local sockets. It gives up when the
// adapter is closed.
func (c *classic) appendSockets(b []byte, t adapter.Target) []byte {
	b = append(b, '[')
	c.Select(t, func(to []adapter.Peer) {
		for i, p := range to {
			if c.ctx.Err() != nil {
				return
			}
			if i == 1 { // the others are about as long
				b = slices.Grow(b, (len(b)+len(b)/8)*len(to))
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSocket(b, c.host.Describe(p))
		}
	})
	return append(b, ']')
}

// appendSocket appends the description of a socket. One that cannot be encoded
// must not keep the others from being told of.
func appendSocket(b []byte, s adapter.RemoteSocket) []byte {
	rooms := s.Rooms
	if rooms == nil {
		rooms = []string{}
	}
	b = appendJSON(append(b, `{"id":`...), s.ID)
	b = append(append(b, `,"handshake":`...), object(s.Handshake)...)
	b = appendJSON(append(b, `,"rooms":`...), rooms)
	return append(append(append(b, `,"data":`...), object(s.Data)...), '}')
}

// appendJSON appends a text or a list of texts, which can always be encoded.
func appendJSON[T string | []string](b []byte, v T) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}

// appendOwn appends the member that tells a Go node who has answered.
func (c *classic) appendOwn(b []byte) []byte { return appendJSON(append(b, `,"uid":`...), c.uid) }

// object returns data if it is JSON, and an empty object if not.
func object(data []byte) []byte {
	if !json.Valid(data) {
		return []byte("{}")
	}
	return data
}
