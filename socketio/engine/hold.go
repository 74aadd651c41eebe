package engine

// Hold counts memory in which the receiver keeps what the client has sent, until it
// gives it back with a negative number. It may end sessions, this one included, that
// keep the server above [Options].InputBudget; it never waits. Giving back counts as
// progress of the client. What is held when a session ends has to be given back, too;
// see [Shedder].
//
// Each call takes a lock: hold in steps of some kilobytes.
func (s *Session) Hold(bytes int64) {
	b := s.srv.input
	s.mu.Lock()
	a := &s.more().input
	if bytes > 0 {
		b.Open(a, (*inputOwner)(s))
	}
	a.Charge(bytes)
	b.Use(bytes)
	if bytes < 0 {
		a.Progress()
	}
	if a.Bytes() == 0 { // with less, what has been given back has yet to be counted
		b.Close(a)
	}
	s.mu.Unlock()
	if bytes > 0 {
		b.Relieve()
	}
}

// holdStep is the number of bytes in steps of which the input that a connection has half
// received is counted.
const holdStep = 16 << 10

// account counts what the parser keeps. The reader calls it after it has fed the parser.
func (c *wsConn) account() {
	steps := uint32(c.parser.Memory() / holdStep)
	if was := c.held; steps != was {
		c.held = steps
		c.session.Hold((int64(steps) - int64(was)) * holdStep)
	}
}

// Shedder may be implemented by a [Receiver] that holds memory; see [Session.Hold].
type Shedder interface {
	// Shed is called when the server is above [Options].InputBudget and the session has
	// been chosen to make room. It has ended now, or long ago for another reason: what
	// the receiver holds should be given back. Shed may run while OnMessage does, and
	// must not block.
	Shed(s *Session)
}

// inputOwner is a session as the budget of the input sees it.
type inputOwner Session

// OverBudget ends the session, whose receiver gives back what it holds, at once or soon.
func (o *inputOwner) OverBudget() (later int64) {
	s := (*Session)(o)
	s.end(ending{reason: Overload, err: ErrInputBudget})
	// Only a receiver, or its reader, can have opened the account: recv is set.
	if r, ok := s.recv.(Shedder); ok {
		r.Shed(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extra.input.Bytes()
}
