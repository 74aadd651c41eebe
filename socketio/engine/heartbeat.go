package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// timers are the durations that sessions wait for.
type timers struct {
	pingInterval *wheel.Class
	pingTimeout  *wheel.Class
	upgrade      *wheel.Class
	noop         *wheel.Class
	write        *wheel.Class
	pollingGrace *wheel.Class
	departed     *wheel.Class
}

// newTimers returns the classes for the server's options.
func newTimers(w *wheel.Wheel, o *Options) timers {
	return timers{
		pingInterval: w.Class(o.PingInterval),
		pingTimeout:  w.Class(o.PingTimeout),
		upgrade:      w.Class(o.UpgradeTimeout),
		noop:         w.Class(noopInterval),
		write:        w.Class(o.WriteTimeout),
		pollingGrace: w.Class(min(pollingGrace, o.WriteTimeout)),
		departed:     w.Class(departedGrace),
	}
}

// heartbeat is the face of a session that the wheel sees. The one entry is armed
// all the time, for whatever the session waits for: the time of the next ping,
// the answer to the last one, or the end of closing. It belongs to the session
// and not to a transport, so an upgrade does not touch it.
//
// While the receiver is busy the session is not read, so that no answer can be expected:
// pings go on, and none is waited for.
type heartbeat Session

// Expire sends the next ping, or ends a session that has waited long enough.
func (h *heartbeat) Expire(*wheel.Entry) {
	s := (*Session)(h)
	s.mu.Lock() // Whoever arms the timer holds it.
	state, again := s.State(), s.srv.wheel.Armed(&s.heartbeat)
	s.mu.Unlock()
	if again {
		// The wheel had taken it for an earlier time already, and there is a new one.
		return
	}
	switch state {
	case StateClosed:
		s.srv.takeDeparted(s.ID())
	case StateClosing:
		s.end(ending{gone: true})
	case StateOpen:
		switch {
		case !s.awaiting.Load(), s.delivering():
			// Or the answer may be waiting behind the message that the receiver is
			// busy with, and the client waits for the next ping.
			s.ping()
		case s.movedWithin(s.srv.opts.PingTimeout):
			// Or the ping is behind what the client is still taking.
			s.arm(s.srv.timers.pingTimeout)
		default:
			s.end(ending{reason: PingTimeout})
		}
	}
}

// ping sends a ping and waits for the answer, or only until the next ping if the
// receiver is busy.
func (s *Session) ping() {
	next := s.srv.timers.pingTimeout
	busy := s.delivering()
	if busy {
		next = s.srv.timers.pingInterval
	}
	s.mu.Lock()
	if s.State() != StateOpen || s.srv.wheel.Armed(&s.heartbeat) {
		s.mu.Unlock()
		return // There is a new time.
	}
	s.refreshed = false
	s.awaiting.Store(!busy)
	next.ArmNext(&s.heartbeat)
	s.mu.Unlock()
	s.Send(s.srv.frames.ping, 0)
}

// Suspend lets the ping timeout stand still. The receiver calls it in OnMessage before it
// blocks for long: the client's answer to the last ping may be waiting behind the message.
// Pings go on, [Options].PingInterval apart, or the client would miss them; the timeout
// runs again from the next one that is sent while the receiver is not busy.
func (s *Session) Suspend() {
	if !s.awaiting.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.State() == StateOpen && s.awaiting.Swap(false) {
		s.srv.timers.pingInterval.Arm(&s.heartbeat)
	}
}

// timedOut ends a session whose deadline has passed by the time of a request,
// and reports whether it did. The wheel may be a moment behind.
func (s *Session) timedOut() bool {
	if !s.awaiting.Load() || !s.srv.wheel.Overdue(&s.heartbeat) || s.delivering() || s.movedWithin(s.srv.opts.PingTimeout) {
		return false
	}
	s.end(ending{reason: PingTimeout})
	return true
}

// onPong waits for the time of the next ping. An answer that nobody waits for changes
// nothing: it may be the late one to a ping that was sent while the receiver was busy, and
// the client may be waiting for the next one already.
func (s *Session) onPong() {
	if !s.awaiting.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.awaiting.Swap(false) && s.State() == StateOpen {
		s.srv.timers.pingInterval.Arm(&s.heartbeat)
	}
}

// refreshDeadline extends the deadline of the current ping, once: the client has
// sent something else, so it is alive, if slow.
func (s *Session) refreshDeadline() {
	s.mu.Lock()
	first := !s.refreshed
	s.refreshed = true
	s.mu.Unlock()
	if first {
		s.arm(s.srv.timers.pingTimeout)
	}
}

// arm sets the session's timer unless the session is closing.
func (s *Session) arm(c *wheel.Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.State() == StateOpen {
		c.Arm(&s.heartbeat)
	}
}

// delivering reports whether the receiver is running.
func (s *Session) delivering() bool {
	if s.recvMu.TryLock() {
		s.recvMu.Unlock()
		return false
	}
	return true
}
