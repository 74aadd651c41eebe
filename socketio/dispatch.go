package socketio

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/parser"
)

// The tasks of a socket run one after another: connecting it, its events, its
// disconnect functions, and those that were deferred. They run on a goroutine that exists only while there is
// something to run.

// dueTask is what is to run when a socket has ended and all else has run.
type dueTask uint8

const (
	dueNothing    dueTask = iota
	dueDisconnect         // the disconnect functions, since it was connected; then dueForget
	dueForget             // the deferred functions, then conn.forget
	dueDone               // nothing more, but for functions that are deferred that late
)

// finish sees to it that the last task runs once those before it have ended. The socket
// has left everything by then: a task that ends at this moment goes on with it.
func (s *Socket) finish(last dueTask) {
	s.mu.Lock()
	s.due = last
	idle := !s.running
	s.running = true
	s.mu.Unlock()
	if idle {
		s.submit()
	}
}

// submitAfter is submit for the reader, which may run the tasks itself once it has
// read what there is.
func (s *Socket) submitAfter(m engine.Message) {
	pool := s.nsp.server.pool
	if pool.Begin() {
		if m.Go((*readerTasks)(s)) {
			return
		}
		pool.End()
	}
	s.submit()
}

// readerTasks is a Socket whose tasks are run by the reader of its connection.
type readerTasks Socket

// Run runs the tasks, which the pool has been told of.
func (t *readerTasks) Run() {
	defer t.nsp.server.pool.End()
	(*socketTasks)(t).Run()
}

func (s *Socket) submit() {
	if !s.nsp.server.pool.Go((*socketTasks)(s)) { // the server has shut down
		s.abandon()
	}
}

// abandon drops what is left to run, since the server has shut down, except for the deferred
// functions of a socket that has ended.
func (s *Socket) abandon() {
	s.mu.Lock()
	s.running = false
	_, back := s.retire()
	back += s.drop()
	s.mu.Unlock()
	s.conn.giveBack(back)
	if s.currentState() == stateClosed {
		s.runAllDeferred()
	}
}

// socketTasks is a Socket as the pool sees it.
type socketTasks Socket

// Run runs the tasks until there are none. Should one of them end the goroutine,
// the rest goes on in another.
func (t *socketTasks) Run() {
	s := (*Socket)(t)
	completed := false
	defer func() {
		if completed {
			return
		}
		if v := recover(); v != nil { // handlers are protected: it is a logger or an adapter
			s.report("", &PanicError{Value: v, Stack: debug.Stack()})
		}
		s.submit()
	}()
	s.runTasks()
	completed = true
}

func (s *Socket) runTasks() {
	for {
		switch t, e, in := s.nextTask(); t {
		case taskConnect:
			s.connect()
		case taskRefuse:
			s.refused(errGuardEnded)
		case taskEvent:
			s.serve(e)
		case taskAside:
			s.serveAside(e, in)
		case taskDisconnect:
			s.runDisconnect()
		case taskDeferred:
			s.runDeferred()
		case taskForget:
			s.conn.forget(s)
		case taskNone:
			return
		}
	}
}

// task is what the goroutine of a socket does next.
type task uint8

const (
	taskNone task = iota
	taskConnect
	taskRefuse
	taskEvent
	taskAside
	taskDisconnect
	taskDeferred
	taskForget
)

// nextTask ends the task before and returns the next one; an event with taskEvent, and
// with taskAside one and where its handler has been registered. With taskNone the socket
// has nothing to run, or what it has waits for an event that runs beside the queue, whose
// end goes on with it.
func (s *Socket) nextTask() (t task, e *Event, in *concurrent) {
	s.mu.Lock()
	done, back := s.retire()
	switch state := s.currentState(); {
	case state == stateConnecting && s.asked:
		t = taskRefuse
	case state == stateConnecting:
		s.asked, t = true, taskConnect
	case s.last != nil:
		e, t = s.first(), taskEvent
		if in = s.group(e.Name); in != nil {
			t = taskAside
		}
		if in != nil && s.stalls(in) {
			t = taskNone
			break
		}
		e.taken = true
	case state == stateClosed && s.due != dueNothing && s.stalls(nil):
	case state == stateClosed && s.due == dueDisconnect:
		s.due, t = dueForget, taskDisconnect
	case state == stateClosed && s.due != dueNothing && s.defers():
		t = taskDeferred
	case state == stateClosed && s.due == dueForget:
		s.due, t = dueDone, taskForget
	default:
		s.running = false
	}
	s.mu.Unlock()
	s.conn.giveBack(back)
	if done != nil {
		s.nsp.server.freeEvent(done)
	}
	return t, e, in
}

// receive queues an event. It is called by the connection's reader, and blocks it
// while the queue is full. Nothing is made of the packet before there is room for it.
func (s *Socket) receive(p *adapter.Packet, m engine.Message) error {
	size := weight(p)
	s.mu.Lock()
	for s.full(size) && s.Connected() {
		if ok, err := s.awaitRoom(m); !ok {
			s.mu.Unlock()
			return err
		}
	}
	held := s.uncounted(size)
	s.mu.Unlock()
	if held > 0 {
		s.conn.session.Hold(int64(held))
	}
	e, err := s.newEvent(p)
	if err != nil {
		s.conn.giveBack(held)
		return err
	}
	s.mu.Lock()
	if !s.Connected() {
		s.mu.Unlock()
		s.conn.giveBack(held)
		return nil
	}
	s.push(e, held)
	idle := !s.running
	s.running = true
	s.mu.Unlock()
	if idle {
		s.submitAfter(m)
	}
	return nil
}

var errGuardEnded = errors.New("socketio: a guard has ended its goroutine")

// newEvent takes an event from the pool and fills it. Everything is copied out of
// the reader's buffer.
func (s *Socket) newEvent(p *adapter.Packet) (*Event, error) {
	e := s.nsp.server.newEvent()
	e.buf = append(e.buf, p.Data...)
	list, err := parser.SplitArgs(e.buf, e.list)
	if err != nil || len(list) == 0 {
		s.nsp.server.freeEvent(e)
		return nil, errors.Join(errors.New("socketio: decode event"), err)
	}
	e.list = list
	e.Socket = s
	e.Name = s.eventName(list[0])
	e.Args = Args{event: e.Name, coder: s.nsp.server.coder, list: list[1:], attachments: p.Attachments}
	e.id, e.wantsAck = p.ID, p.HasID
	return e, nil
}

func (srv *Server) newEvent() *Event {
	if e, ok := srv.events.Get().(*Event); ok {
		return e
	}
	return new(Event)
}

// freeEvent returns an event to the pool, unless its buffer has grown large.
func (srv *Server) freeEvent(e *Event) {
	const keep, keepArgs = 4 << 10, 64 // or small events would take much more than they need
	if cap(e.buf) > keep || cap(e.list) > keepArgs {
		return
	}
	clear(e.list)
	*e = Event{buf: e.buf[:0], list: e.list[:0]}
	srv.events.Put(e)
}

// eventName returns the name of an event for its JSON. It does not allocate if a
// handler is registered under the name.
func (s *Socket) eventName(raw []byte) string {
	name := parser.EventName(raw)
	if r, ok := s.nsp.router.handlerFor(name); ok {
		return r.name
	}
	if r, ok := s.router().handlerFor(name); ok {
		return r.name
	}
	return string(name)
}

// serve handles one event.
func (s *Socket) serve(e *Event) {
	s.serveCatchAll(e)
	s.handle(e)
}

// serveCatchAll calls the functions that get every event.
func (s *Socket) serveCatchAll(e *Event) {
	for _, h := range s.nsp.router.catchAll() {
		s.report(e.Name, s.call(h.ServeEvent, e))
	}
	for _, h := range s.router().catchAll() {
		s.report(e.Name, s.call(h.ServeEvent, e))
	}
}

// handle calls the middlewares and the handler of an event.
func (s *Socket) handle(e *Event) {
	srv := s.nsp.server
	var started time.Time
	if len(srv.observe.handled) > 0 {
		started = time.Now()
	}
	err := s.call(s.nsp.dispatch, e)
	if err != nil {
		s.answerError(e, err)
	}
	if e.unhandled && srv.log.Enabled(context.Background(), slog.LevelDebug) {
		srv.log.Debug("socketio: no handler", "namespace", s.nsp.name, "socket", s.id, "event", logonce.Cut(e.Name))
	}
	if fns := srv.observe.handled; len(fns) > 0 {
		tell(srv, fns, HandledInfo{
			Socket: s, Event: e.Name, Bytes: len(e.buf), Took: time.Since(started), Err: err, Unhandled: e.unhandled,
		})
	}
}

// call calls a handler and makes an error of a panic.
func (s *Socket) call(h func(context.Context, *Event) error, e *Event) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return h(s.Context(), e)
}

// answerError tells the client of an error if it waits for an answer, and the log
// if it does not.
func (s *Socket) answerError(e *Event, err error) {
	if e.later != nil || !e.WantsAck() {
		s.report(e.Name, err)
		return
	}
	answer := clientError(err)
	if answer.Message == internalError || find[ArgError](err) != nil {
		s.report(e.Name, err)
	}
	type failure struct {
		Error *Error `json:"error"`
	}
	if err := s.protect(func(context.Context) error { return e.Ack(failure{answer}) }); err != nil {
		s.report(e.Name, err)
		_ = e.Ack(failure{&Error{Message: internalError}}) // it was the data that could not be encoded
	}
}
