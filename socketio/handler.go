package socketio

import (
	"context"
	"sync/atomic"

	"github.com/tandem-go/tandem/socketio/parser"
)

// Handler handles an event. It is the one form that all handlers take inside the
// server; [On] and [OnWithAck] make one of a typed function.
type Handler interface {
	// ServeEvent handles the event. If the sender asked for an acknowledgement
	// and ServeEvent returns an error without having called [Event.Ack], the
	// sender is told of the error as described at [Error]. Any other error is
	// logged. The event must not be used after ServeEvent has returned; see
	// [Event.AckFunc] and [Args.Clone].
	ServeEvent(ctx context.Context, e *Event) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, e *Event) error

// ServeEvent calls f.
func (f HandlerFunc) ServeEvent(ctx context.Context, e *Event) error { return f(ctx, e) }

// Middleware wraps the handling of events, as func(http.Handler) http.Handler
// wraps the handling of requests. It may look at the event, change its arguments
// ([Event.SetArgs]), refuse it with an error, or call next. It is called once when it is installed, and what it
// returns is called for every event, also for those without a handler, and maybe for
// those that other middlewares are handling just then.
type Middleware func(next Handler) Handler

// Guard decides whether a socket may connect to a namespace. If it returns an
// error the client gets a connect_error and its connection stays open, for other
// namespaces or another try, unless the error has CloseConn set. See [Error] for what the
// client is told, and [Socket.Defer] for giving back what a guard takes. The socket is not
// connected yet: it is in no room, and rooms joined here take effect when it connects.
// ctx ends when the client goes away, or asks for the namespace again without waiting.
type Guard func(ctx context.Context, s *Socket) error

// Registrar is where handlers are registered: a [*Server] for its main
// namespace, a [*Namespace], or a single [*Socket].
type Registrar interface {
	// Handle registers the handler of an event, in place of an earlier one. A nil
	// handler removes it.
	Handle(event string, h Handler)
}

// Event is an event that a client has sent.
type Event struct {
	// Socket is the socket that sent it.
	Socket *Socket
	// Name is the name of the event. A number as name is given as text.
	Name string
	// Args are its arguments.
	Args Args

	id        uint64
	wantsAck  bool
	unhandled bool // no handler is registered for it
	acked     bool
	taken     bool         // it is being handled; see Socket.push
	later     *atomic.Bool // in place of acked once AckFunc has been called

	buf  []byte
	list [][]byte

	// Until the event has been handled; see Socket.push.
	next  *Event // that follows; the first one, for the last one
	size  int    // bytes of memory that it takes
	total int    // of the events up to this one, if it is the last one
	held  int    // of these, counted towards the budget of the server
	set   int    // bytes of memory that SetArgs has put in besides the attachments
}

// SetArgs replaces the arguments by others, encoded as Emit encodes them, for the
// handlers that come after. On an error, that of the encoding, they stay as they are. What
// was taken of the arguments before is still valid until the handler returns. What they take
// in memory counts towards [Options].MaxPendingBytes, and the InputBudget of [Options].Engine,
// until the event has been handled, as if the client had sent it; large ones may end this
// very socket.
// SetArgs must not be called concurrently with other uses of the event.
func (e *Event) SetArgs(args ...any) error {
	data, attachments, err := e.Socket.nsp.server.coder.AppendAck(nil, args...)
	if err != nil {
		return err
	}
	list, err := parser.SplitArgs(data, nil)
	if err != nil {
		return err
	}
	e.Args.list, e.Args.attachments = list, attachments
	e.set = cap(data) + cap(list)*argBytes
	e.Socket.reweigh(e)
	return nil
}

// WantsAck reports whether the sender asked for an acknowledgement and has not
// got it yet.
func (e *Event) WantsAck() bool {
	if e.later != nil {
		return !e.later.Load()
	}
	return e.wantsAck && !e.acked
}

// Ack sends the acknowledgement. Only the first call sends one; later ones, and
// calls for an event that needs none, return [ErrAlreadyAcked]. Ack must not be
// called concurrently for the same event; the function that [Event.AckFunc]
// returns may.
func (e *Event) Ack(args ...any) error {
	if e.later != nil {
		return ackOnce(e.Socket, e.id, e.later, args)
	}
	if !e.WantsAck() {
		return ErrAlreadyAcked
	}
	if err := e.Socket.sendAck(e.id, args); err != nil {
		return err // nothing has been sent: the sender may still be told of an error
	}
	e.acked = true
	return nil
}

// ackScalar is Ack with one argument that needs no codec. It keeps nothing of v,
// which so stays off the heap. It reports false, and does nothing, if v needs one or
// if AckFunc has been called.
func (e *Event) ackScalar(v any) (done bool, err error) {
	if e.later != nil {
		return false, nil
	}
	d := e.Socket.nsp.server.newDraft()
	defer e.Socket.nsp.server.freeDraft(d)
	if !d.scalarAck(e.Socket.nsp, e.id, v) {
		return false, nil
	}
	err = e.Socket.sendAnswer(d)
	e.acked = err == nil
	return true, err
}

// AckFunc returns a function that does what [Event.Ack] does and may be called
// after the handler has returned. It keeps an error that the handler returns from
// being sent as the acknowledgement.
func (e *Event) AckFunc() func(args ...any) error {
	if e.later == nil {
		e.later = new(atomic.Bool)
		e.later.Store(!e.wantsAck || e.acked)
	}
	s, id, done := e.Socket, e.id, e.later
	return func(args ...any) error { return ackOnce(s, id, done, args) }
}

// ackOnce acknowledges an event unless that is done. It is done with the first
// arguments that have been encoded: those that cannot be keep no others from it.
func ackOnce(s *Socket, id uint64, done *atomic.Bool, args []any) error {
	if done.Load() {
		return ErrAlreadyAcked
	}
	d := s.nsp.server.newDraft()
	defer s.nsp.server.freeDraft(d)
	if err := d.ack(s.nsp, id, args); err != nil {
		return err
	}
	if done.Swap(true) {
		return ErrAlreadyAcked
	}
	err := s.sendAnswer(d)
	if err != nil {
		done.Store(false)
	}
	return err
}
