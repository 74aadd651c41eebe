package socketio

import (
	"errors"
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
	queued, bytes := s.backlog()
	opts := &s.nsp.server.opts
	if d := s.details.Load(); d != nil && d.space != nil && queued <= opts.MaxPendingEvents/2 && bytes <= opts.MaxPendingBytes/2 {
		close(d.space)
		d.space = nil
	}
	return e
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
	opts := &s.nsp.server.opts
	events, bytes := s.backlog()
	return events >= opts.MaxPendingEvents || events > 0 && bytes+e.size() > opts.MaxPendingBytes
}

// endEvents ends the queue. What the client sent before it left is still handled,
// but not what it sent before the server disconnected it. s.mu is held.
func (s *Socket) endEvents(r Reason) {
	if r == ServerNamespaceDisconnect || r == ServerShutdown {
		s.last = nil
	}
	if d := s.details.Load(); d != nil && d.space != nil {
		close(d.space)
		d.space = nil
	}
}

var errStuck = errors.New("socketio: the handlers of a socket do not catch up with its events")

// awaitSpace waits for room in the queue. It gives up after the time in which a
// silent client would be given up, so that a connection whose client has gone is
// not held for ever by a handler that waits for just that. s.mu is held, and
// released meanwhile.
func (s *Socket) awaitSpace(m engine.Message) (room bool, err error) {
	d := s.detail()
	if d.space == nil {
		d.space = make(chan struct{})
	}
	space := d.space
	s.mu.Unlock()
	defer s.mu.Lock()
	m.Yield()
	patience := time.NewTimer(s.nsp.server.patience)
	defer patience.Stop()
	select {
	case <-space:
		return true, nil
	case <-s.conn.session.Done(): // the event is too late, which is no fault of the client
		return false, nil
	case <-patience.C:
		return false, errStuck
	}
}
