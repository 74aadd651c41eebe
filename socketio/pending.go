package socketio

import (
	"errors"
	"math"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// The events of a socket that wait for its handlers are a ring: the socket knows
// the last one, which knows the first one and how much there is in all. A socket
// without any needs no more than a pointer for them.

// push appends an event. s.mu is held.
func (s *Socket) push(e *Event) {
	e.queued, e.bytes = 1, e.size()
	e.next = e
	if last := s.last; last != nil {
		e.queued += last.queued
		e.bytes += last.bytes
		e.next, last.next = last.next, e
	}
	s.last = e
}

// pop takes the first event; there must be one. s.mu is held.
func (s *Socket) pop() *Event {
	last := s.last
	e := last.next
	if e == last {
		s.last = nil
	} else {
		last.next = e.next
		last.queued--
		last.bytes -= e.size()
	}
	e.next = nil
	if d := s.details.Load(); d != nil && d.space != nil {
		queued, bytes := s.backlog()
		maxQueued, maxBytes := s.limits()
		if queued <= maxQueued/2 && bytes <= maxBytes/2 {
			d.signalSpace()
		}
	}
	return e
}

// signalSpace wakes the reader if it waits for room in the queue. Socket.mu is held.
func (d *details) signalSpace() {
	if d.space != nil {
		close(d.space)
		d.space = nil
	}
}

// roomForAcks is how many times as long the queue may be while the socket waits for
// acknowledgements, which are behind the events.
const roomForAcks = 16

// limits returns how many events may wait, and how many bytes their arguments may
// have. s.mu is held.
func (s *Socket) limits() (events, bytes int) {
	opts := &s.nsp.server.opts
	events, bytes = opts.MaxPendingEvents, opts.MaxPendingBytes
	if d := s.details.Load(); d != nil && len(d.acks) > 0 {
		events = roomForAcks * min(events, math.MaxInt/roomForAcks)
		bytes = roomForAcks * min(bytes, math.MaxInt/roomForAcks)
	}
	return events, bytes
}

// backlog returns the number of events that wait, and the bytes of their
// arguments. s.mu is held.
func (s *Socket) backlog() (events, bytes int) {
	if s.last == nil {
		return 0, 0
	}
	return s.last.queued, s.last.bytes
}

// full reports whether there is no room for another event in the queue. s.mu is
// held.
func (s *Socket) full(e *Event) bool {
	events, bytes := s.backlog()
	maxEvents, maxBytes := s.limits()
	return events >= maxEvents || events > 0 && bytes+e.size() > maxBytes
}

// expels reports whether the server, and not the client, ends a socket like that.
// What the client has sent is not handled any more then.
func expels(r Reason) bool { return r == ServerNamespaceDisconnect || r == ServerShutdown }

// expelled reports whether the server has ended the socket.
func (s *Socket) expelled() bool {
	if s.currentState() != stateClosed {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return expels(s.look().reason)
}

// endEvents ends the queue. What the client sent before it left is still handled,
// but not what it sent before the server disconnected it. s.mu is held.
func (s *Socket) endEvents(r Reason) {
	if expels(r) {
		s.last = nil
	}
	if d := s.details.Load(); d != nil {
		d.signalSpace()
	}
}

var errStuck = errors.New("socketio: the handlers of a socket do not catch up with its events")

// awaitSpace waits for room in the queue, of which there may still be too little. It
// gives up when no event has been taken for the time in which a silent client would be
// given up, so that a connection whose client has gone is not held for ever by a
// handler that waits for just that. s.mu is held, and released meanwhile.
func (s *Socket) awaitSpace(m engine.Message, until time.Time) (room bool, err error) {
	d := s.detail()
	if d.space == nil {
		d.space = make(chan struct{})
	}
	space := d.space
	before, _ := s.backlog()
	s.mu.Unlock()
	defer s.mu.Lock()
	m.Yield()
	patience := time.NewTimer(time.Until(until))
	defer patience.Stop()
	select {
	case <-space:
		return true, nil
	case <-s.conn.session.Done(): // the event is too late, which is no fault of the client
		return false, nil
	case <-patience.C:
		s.mu.Lock()
		now, _ := s.backlog()
		s.mu.Unlock()
		if now < before { // it is only a long queue
			return true, nil
		}
		return false, errStuck
	}
}
