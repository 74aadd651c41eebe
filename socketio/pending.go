package socketio

import (
	"bytes"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/scalar"
	"github.com/tandem-go/tandem/socketio/parser"
)

// The events of a socket that have not been handled are a ring: the socket knows the
// last one, which knows the first one and how much memory all of them take. The first
// one may be taken: its handler runs. A socket without any needs no more than a pointer
// for them.
//
// What they take is counted towards the budget of the server, too, but only once it is
// worth it. The count may be behind by less than holdStep.

const (
	eventBytes = 208      // of an Event, as the allocator sees it
	argBytes   = 24       // of an argument in a list
	holdStep   = 16 << 10 // by how much the count may be behind
)

// weight returns about how many bytes of memory the event in a packet is going to take.
// The commas in the payload are taken for those between its arguments.
func weight(p *adapter.Packet) int {
	args := min(bytes.Count(p.Data, comma)+1, parser.MaxArgs)
	return eventBytes + len(p.Data) + nameLen(p.Data) + args*argBytes + attachmentBytes(p.Attachments)
}

var comma = []byte(",")

// nameLen returns how long the name of an event may be.
func nameLen(payload []byte) int {
	start := bytes.IndexByte(payload, '"') + 1
	if end := scalar.Skip(payload, start); end < len(payload) && payload[end] == '"' {
		return end - start
	}
	return len(payload) // there are escape sequences in it
}

func attachmentBytes(list [][]byte) int {
	n := cap(list) * argBytes
	for _, a := range list {
		n += cap(a)
	}
	return n
}

// weigh returns the bytes of memory that the event takes.
func (e *Event) weigh() int {
	return eventBytes + cap(e.buf) + len(e.Name) + cap(e.list)*argBytes + attachmentBytes(e.Args.attachments) + e.set
}

// reweigh counts an event that is being handled with what it takes now.
func (s *Socket) reweigh(e *Event) {
	s.mu.Lock()
	size, held := s.counts(e)
	if size == nil { // it is used after its handler has returned
		s.mu.Unlock()
		return
	}
	now := e.weigh()
	*size += now - e.size
	e.size = now
	due := *size - *held
	if -holdStep < due && due < holdStep {
		due = 0
	}
	*held += due
	s.mu.Unlock()
	if due != 0 {
		s.conn.session.Hold(int64(due))
	}
}

// counts returns where an event that is being handled is counted: with the memory that its
// like take, and what of it is counted towards the server's budget. It returns nil if the
// event has been handled. s.mu is held.
func (s *Socket) counts(e *Event) (size, held *int) {
	if s.first() == e {
		return &s.last.total, &s.last.held
	}
	if a := s.look().aside; a != nil && a.runs(e) {
		return &a.size, &a.held
	}
	return nil, nil
}

// push appends an event, of which held bytes have been counted towards the server's
// budget. s.mu is held.
func (s *Socket) push(e *Event, held int) {
	e.size = e.weigh()
	e.total, e.held, e.next = e.size, held, e
	if last := s.last; last != nil {
		e.total += last.total
		e.held += last.held
		e.next, last.next = last.next, e
	}
	s.last = e
}

// first returns the first event; nil if there is none. s.mu is held.
func (s *Socket) first() *Event {
	if s.last == nil {
		return nil
	}
	return s.last.next
}

// handling returns the name of the event that is being handled, nothing if there is
// none. s.mu is held.
func (s *Socket) handling() string {
	if e := s.first(); e != nil && e.taken {
		return e.Name
	}
	if a := s.look().aside; a != nil && len(a.running) > 0 {
		return a.running[0].e.Name
	}
	return ""
}

// waits reports whether an event waits for the handlers. s.mu is held.
func (s *Socket) waits() bool {
	return s.last != nil && !s.last.taken // a taken one is the first, and so the only one
}

// retire removes the event that has been handled, if there is one, and returns it with
// the bytes that are to be given back. s.mu is held.
func (s *Socket) retire() (done *Event, back int) {
	e := s.first()
	if e == nil || !e.taken {
		return nil, 0
	}
	back = s.detach() // which also shows that there is progress
	if d := s.details.Load(); d != nil {
		s.progress(d)
	}
	return e, back
}

// detach takes the event that is being handled off the queue. It returns how many bytes
// of it are counted towards the server's budget. s.mu is held.
func (s *Socket) detach() (held int) {
	e, last := s.first(), s.last
	if last != e {
		last.next = e.next
		last.total -= e.size
		held = min(e.size, last.held)
		last.held -= held
	} else {
		held = last.held
		s.last = nil
	}
	e.next, e.taken = nil, false
	return held
}

// progress tells a reader that waits for room in the queue that an event has been handled.
// s.mu is held.
func (s *Socket) progress(d *details) {
	if d.wait == nil {
		return
	}
	d.wait.taken = time.Now()
	if s.pending() <= s.nsp.server.opts.MaxPendingBytes/2 {
		d.signalRoom()
	}
}

// pending returns the bytes of memory of the events that have not been handled. s.mu is
// held.
func (s *Socket) pending() (bytes int) {
	if s.last != nil {
		bytes = s.last.total
	}
	if d := s.details.Load(); d != nil && d.aside != nil {
		bytes += d.aside.size
	}
	return bytes
}

// drop removes the events that wait, and returns the bytes that are to be given back.
// s.mu is held.
func (s *Socket) drop() (back int) {
	first := s.first()
	if first == nil {
		return 0
	}
	back = s.last.held
	s.last = nil
	if first.taken { // its handler still runs
		first.total, first.held, first.next = first.size, min(first.size, back), first
		back -= first.held
		s.last = first
	}
	return back
}

// shed drops the events that wait, to keep the budget of the server. It reports whether
// there were any.
func (s *Socket) shed() bool {
	s.mu.Lock()
	waited := s.waits()
	back := s.drop()
	s.mu.Unlock()
	s.conn.giveBack(back)
	return waited
}

// full reports whether there is no room for another event of some size. One that is
// too large by itself waits until it is alone. s.mu is held.
func (s *Socket) full(size int) bool {
	pending := s.pending()
	return pending > 0 && pending+size > s.nsp.server.opts.MaxPendingBytes
}

// uncounted returns how many bytes are to be counted towards the server's budget for
// another event of some size: none as long as it is not worth it. s.mu is held.
func (s *Socket) uncounted(size int) int {
	if s.last != nil {
		size += s.last.total - s.last.held
	}
	if size < holdStep {
		return 0
	}
	return size
}

// giveBack ends the counting of bytes towards the server's budget. No lock is held.
func (c *conn) giveBack(bytes int) {
	if bytes > 0 {
		c.session.Hold(-int64(bytes))
	}
}

// expels reports whether the server, and not the client, ends a socket like that.
// What the client has sent is not handled any more then.
func expels(r Reason) bool {
	return r == ServerNamespaceDisconnect || r == ServerShutdown || r == Overload
}

// expelled reports whether the server has ended the socket.
func (s *Socket) expelled() bool {
	if s.currentState() != stateClosed {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return expels(s.look().end.reason)
}

// endEvents ends the queue, and returns the bytes that are to be given back. What the
// client sent before it left is still handled, but not what it sent before the server
// ended the socket. s.mu is held.
func (s *Socket) endEvents(r Reason) (back int) {
	if expels(r) {
		back = s.drop()
	}
	if d := s.details.Load(); d != nil {
		d.signalRoom()
	}
	return back
}

// roomWait is a reader that waits for room in the queue. Socket.mu guards it.
type roomWait struct {
	room  chan struct{} // closed when there is some
	taken time.Time     // when the last event left the queue, or the wait began
}

// signalRoom wakes the reader if it waits for room in the queue. Socket.mu is held.
func (d *details) signalRoom() {
	if d.wait != nil {
		close(d.wait.room)
		d.wait = nil
	}
}

// awaitRoom waits for room in the queue, of which there may still be too little. It
// reports false if the session ends first, and gives up with a [*StuckError] when no
// event has been taken for as long as Options.HandlerPatience allows. s.mu is held, and
// released meanwhile.
func (s *Socket) awaitRoom(m engine.Message) (ok bool, err error) {
	w := &roomWait{room: make(chan struct{}), taken: time.Now()}
	s.detail().wait = w
	s.mu.Unlock()
	s.conn.session.Suspend()
	m.Yield()
	if m.Binary { // it has been counted while it arrived
		ok, err = s.awaitSignal(w)
	} else {
		s.conn.retain(cap(m.Data)) // what has been read with it is kept, too
		ok, err = s.awaitSignal(w)
		s.conn.retain(0)
	}
	s.mu.Lock()
	s.detail().wait = nil
	return ok, err
}

func (s *Socket) awaitSignal(w *roomWait) (ok bool, err error) {
	patience := s.nsp.server.opts.HandlerPatience
	timer := time.NewTimer(patience)
	defer timer.Stop()
	ended := s.conn.session.Done()
	for {
		select {
		case <-w.room:
			return true, nil
		case <-ended: // the event is too late, which is no fault of the client
			return false, nil
		case <-timer.C:
		}
		s.mu.Lock()
		waited, event := time.Since(w.taken), s.handling()
		s.mu.Unlock()
		if waited >= patience {
			return false, s.stuck(event, waited)
		}
		timer.Reset(patience - waited)
	}
}

// stuck describes a socket whose handler does not return. Before the first event it is
// a function of OnConnect.
func (s *Socket) stuck(event string, waited time.Duration) *StuckError {
	if event == "" {
		event = "connect"
	}
	return &StuckError{Namespace: s.nsp.name, Socket: s.id, Event: event, Waited: waited}
}
