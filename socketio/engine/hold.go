package engine

// Hold counts memory in which the receiver keeps what the client has sent, until it
// gives it back with a negative number. It may end sessions, this one included, that
// keep the server above [Options].InputBudget; it never waits. Giving back counts as
// progress of the client. What is held when a session ends has to be given back, too.
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
		if a.Bytes() <= 0 {
			b.Close(a)
		}
	}
	s.mu.Unlock()
	if bytes > 0 {
		b.Relieve()
	}
}

// inputOwner is a session as the budget of the input sees it.
type inputOwner Session

// OverBudget ends the session.
func (o *inputOwner) OverBudget() {
	(*Session)(o).end(ending{reason: Overload, err: ErrInputBudget})
}
