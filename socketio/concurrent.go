package socketio

import (
	"runtime/debug"
	"slices"
)

// Events that may run beside each other leave the queue of their socket when they start,
// for a goroutine of the pool. What they take in memory is counted as long as
// they run, as if they were still in the queue. The queue stands still, without a
// goroutine, while its next event is one too many, and when all that is left is to wait
// for their end: whichever of them ends next goes on with it.

// concurrent is a [Registrar] of such events.
type concurrent struct {
	nsp   *Namespace
	limit int
}

// Concurrent returns where handlers are registered that may run beside each other: up to
// limit at a time for one socket, over all handlers of the same Registrar. The handlers
// must be fit for it: they, and the middlewares around them, run at the same time for one
// socket, in any order but that of their starts.
//
// An event that comes after them is handled as soon as they have started: an ordinary one
// beside them, and one that would be more than limit when the first of them has returned;
// until then all events behind it wait, too. Functions of [Namespace.OnAny] are called
// before, in the order of the events, and those of [Namespace.OnDisconnect] after all
// handlers have returned. [Options].MaxPendingBytes counts the events that run as well.
//
// It panics if limit is less than 1. A handler of a [Socket] of its own, in place of the
// namespace's, is an ordinary one.
func (n *Namespace) Concurrent(limit int) Registrar {
	if limit < 1 {
		panic("socketio: Concurrent with a limit of less than 1") //nolint:forbidigo // a programming error, documented
	}
	return &concurrent{n, limit}
}

// Handle registers the handler of an event.
func (c *concurrent) Handle(event string, h Handler) {
	c.nsp.router.handleIn(c, event, h)
	c.nsp.warnOf(event, h)
}

// aside are the events of a socket that run beside its queue. Socket.mu guards it.
type aside struct {
	running []asideTask
	size    int  // bytes of memory that they take
	held    int  // of these, counted towards the budget of the server
	stalled bool // the queue stands still until the next of them ends
}

// asideTask is an event that runs beside the queue of its socket.
type asideTask struct {
	s  *Socket
	e  *Event
	in *concurrent
}

// group returns where an event's handler has been registered, nil for an ordinary one.
func (s *Socket) group(event string) *concurrent {
	if p := s.nsp.router.load(); !p.concurrent {
		return nil
	}
	if _, ok := s.router().handler(event); ok {
		return nil
	}
	r, _ := s.nsp.router.handler(event)
	return r.in
}

// stalls reports whether the queue has to stand still before an event of the group, or
// before the last task for nil. s.mu is held.
func (s *Socket) stalls(in *concurrent) bool {
	a := s.look().aside
	if a == nil || len(a.running) == 0 {
		return false
	}
	if in != nil {
		n := 0
		for _, t := range a.running {
			if t.in == in {
				n++
			}
		}
		if n < in.limit {
			return false
		}
	}
	a.stalled = true
	return true
}

// serveAside starts an event beside the queue.
func (s *Socket) serveAside(e *Event, in *concurrent) {
	s.serveCatchAll(e)
	t := asideTask{s, e, in}
	s.mu.Lock()
	d := s.detail()
	if d.aside == nil {
		d.aside = new(aside)
	}
	hold := d.aside.add(t, s.detach())
	s.mu.Unlock()
	if hold > 0 {
		s.conn.session.Hold(int64(hold))
	}
	if !s.nsp.server.pool.Go(&t) { // the server has shut down
		t.end()
	}
}

// add adds an event, of which held bytes are counted towards the server's budget. It
// returns how many more are to be counted.
func (a *aside) add(t asideTask, held int) (more int) {
	a.running = append(a.running, t)
	a.size += t.e.size
	a.held += held
	if more = a.size - a.held; more < holdStep {
		return 0
	}
	a.held += more
	return more
}

// runs reports whether an event is among those that run.
func (a *aside) runs(e *Event) bool {
	return slices.ContainsFunc(a.running, func(t asideTask) bool { return t.e == e })
}

// remove removes an event, and returns how many bytes are to be given back.
func (a *aside) remove(e *Event) (back int) {
	a.running = slices.DeleteFunc(a.running, func(t asideTask) bool { return t.e == e })
	a.size -= e.size
	if back = min(e.size, a.held); len(a.running) == 0 {
		back = a.held
	}
	a.held -= back
	return back
}

// Run handles the event.
func (t *asideTask) Run() {
	defer t.end()
	defer func() {
		if v := recover(); v != nil { // handlers are protected: it is a logger or an observer
			t.s.report("", &PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	t.s.handle(t.e)
}

// end takes the event off those that run, and goes on with the queue if it stands still.
func (t *asideTask) end() {
	s := t.s
	s.mu.Lock()
	d := s.detail()
	back := d.aside.remove(t.e)
	s.progress(d)
	stalled := d.aside.stalled
	d.aside.stalled = false
	s.mu.Unlock()
	s.conn.giveBack(back)
	s.nsp.server.freeEvent(t.e)
	if stalled {
		s.submit()
	}
}
