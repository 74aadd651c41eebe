package adaptertest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// Patience is how long the functions of this package wait for what must come.
const Patience = 15 * time.Second

// Peer is a socket without a connection: what it is sent stays in its inbox
// until a test looks at it. All methods may be called concurrently.
type Peer struct {
	id         string
	host       *Host
	membership adapter.Membership
	gone       chan struct{}
	news       chan struct{} // holds a token if there may be something in the inbox

	mu             sync.Mutex
	data           []byte
	inbox          []*Delivery
	waiting        []*Delivery // unanswered
	answer         func(*Delivery)
	disconnected   bool
	closeTransport bool
}

var _ adapter.Peer = (*Peer)(nil)

func newPeer(h *Host, id string) *Peer {
	return &Peer{
		id: id, host: h, data: []byte("{}"),
		gone: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// Delivery is a packet as a socket has received it.
type Delivery struct {
	// Packet is the packet, shared by all the sockets that it went to.
	Packet *adapter.Packet
	// Flags are those that the packet was delivered with.
	Flags adapter.Flags
	// Acked tells that an answer is wanted.
	Acked bool

	call     *call
	answered atomic.Bool
}

// Answer answers the packet. Only the first call for a packet counts, and none
// after the socket has disconnected.
func (d *Delivery) Answer(r adapter.Reply) { d.finish(r, true) }

// finish reports that there is an answer, or that none will come.
func (d *Delivery) finish(r adapter.Reply, ok bool) {
	if d.call != nil && d.answered.CompareAndSwap(false, true) {
		d.call.do(r, ok)
	}
}

// call is one call of DeliverWithAck.
type call struct {
	answer  func(r adapter.Reply, ok bool)
	stopped atomic.Bool
}

func (c *call) do(r adapter.Reply, ok bool) {
	if !c.stopped.Load() {
		c.answer(r, ok)
	}
}

func (c *call) stop() { c.stopped.Store(true) }

// ID returns the id of the socket.
func (p *Peer) ID() string { return p.id }

// Membership returns the part that belongs to the adapter.
func (p *Peer) Membership() *adapter.Membership { return &p.membership }

// Host returns the namespace that the socket is in.
func (p *Peer) Host() *Host { return p.host }

// SetData sets the data that is attached to the socket, a JSON object.
func (p *Peer) SetData(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data = data
}

func (p *Peer) currentData() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.data
}

// AnswerWith has the socket pass every packet that wants an answer to f, as
// soon as it comes. Such packets are put into the inbox as well.
func (p *Peer) AnswerWith(f func(*Delivery)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// receive puts a packet into the inbox. A socket that has disconnected gets
// none and will not answer.
func (p *Peer) receive(d *Delivery, c *call) {
	d.call = c
	p.mu.Lock()
	disconnected, answer := p.disconnected, p.answer
	if !disconnected {
		p.inbox = append(p.inbox, d)
		if c != nil {
			p.waiting = append(p.waiting, d)
		}
	}
	p.mu.Unlock()
	switch {
	case disconnected:
		d.finish(adapter.Reply{}, false)
		return
	case c != nil && answer != nil:
		answer(d)
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// Next waits for the next packet in the inbox and takes it out. If none comes,
// the test ends.
func (p *Peer) Next(tb testing.TB) *Delivery {
	tb.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		if len(p.inbox) > 0 {
			d := p.inbox[0]
			p.inbox = p.inbox[1:]
			p.mu.Unlock()
			return d
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-timeout.C:
			tb.Fatalf("the socket %s has received nothing", p.id)
		}
	}
}

// Inbox takes out what is in the inbox, without waiting.
func (p *Peer) Inbox() []*Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	inbox := p.inbox
	p.inbox = nil
	return inbox
}

// Disconnect disconnects the socket, as if its client had.
func (p *Peer) Disconnect() { p.disconnect(false) }

// Gone is closed when the socket has disconnected.
func (p *Peer) Gone() <-chan struct{} { return p.gone }

// ClosedTransport reports whether the socket was disconnected together with its
// connection.
func (p *Peer) ClosedTransport() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closeTransport
}

func (p *Peer) disconnect(closeTransport bool) {
	p.mu.Lock()
	if p.disconnected {
		p.mu.Unlock()
		return
	}
	p.disconnected, p.closeTransport = true, closeTransport
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, d := range waiting {
		d.finish(adapter.Reply{}, false)
	}
	p.host.remove(p)
	p.host.adapter.LeaveAll(p)
	close(p.gone)
}
