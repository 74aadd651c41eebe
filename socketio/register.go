package socketio

import "context"

// On registers fn as the handler of an event. The event's first argument is decoded into
// T; if T, or a pointer to it, has the method of [ArgsUnmarshaler], it takes all
// arguments. An argument that was not sent is nil for a T that is a pointer, any,
// [json.RawMessage] or [parser.Raw], and an [*ArgError] for others. If the client asks
// for an acknowledgement it gets one without arguments as soon as fn has returned nil.
//
// On replaces an earlier handler of the same event on the same [Registrar]. A
// handler of a [Socket] takes the place of its namespace's for that socket. On
// panics if the event's name is reserved, see [ErrReservedEvent]. For new sockets and for
// those that leave there are [Namespace.OnConnect] and [Namespace.OnDisconnect]; a handler
// of "connection" is warned of.
func On[T any](r Registrar, event string, fn func(ctx context.Context, s *Socket, arg T) error) {
	r.Handle(event, HandlerFunc(func(ctx context.Context, e *Event) error {
		arg, err := bind[T](e.Args)
		if err != nil {
			return err
		}
		if err := fn(ctx, e.Socket, arg); err != nil {
			return err
		}
		return acknowledge(e)
	}))
}

// OnWithAck registers fn as the handler of an event that is acknowledged with
// what fn returns: its result as the single argument, or several arguments if it
// has the method of [ArgsMarshaler]. If fn returns an error the client gets
// the answer described at [Error]. Otherwise it is like [On].
func OnWithAck[Req, Res any](r Registrar, event string, fn func(ctx context.Context, s *Socket, req Req) (Res, error)) {
	r.Handle(event, HandlerFunc(func(ctx context.Context, e *Event) error {
		req, err := bind[Req](e.Args)
		if err != nil {
			return err
		}
		res, err := fn(ctx, e.Socket, req)
		if err != nil {
			return err
		}
		return answer(e, res)
	}))
}

// answer is acknowledge with a result: its single argument, or several ones.
func answer[Res any](e *Event, res Res) error {
	if !e.WantsAck() {
		return nil
	}
	if done, err := e.ackScalar(res); done {
		return e.ackFailure(err)
	}
	return acknowledge(e, res)
}

// acknowledge answers an event whose sender still waits. That the sender has gone
// meanwhile is no error of the handler.
func acknowledge(e *Event, args ...any) error {
	if !e.WantsAck() {
		return nil
	}
	return e.ackFailure(e.Ack(args...))
}

// ackFailure returns the error of an acknowledgement unless it is due to the sender,
// who has gone.
func (e *Event) ackFailure(err error) error {
	if err != nil && e.Socket.Connected() {
		return err
	}
	return nil
}

// EventOf declares an event with an argument of type T once, for the code that
// handles it and the code that emits it:
//
//	const ChatMessage socketio.EventOf[Message] = "chat message"
type EventOf[T any] string

// Handle registers the handler of the event; see [On].
func (e EventOf[T]) Handle(r Registrar, fn func(ctx context.Context, s *Socket, arg T) error) {
	On(r, string(e), fn)
}

// Emit emits the event.
func (e EventOf[T]) Emit(to Emitter, arg T) error {
	return to.Emit(string(e), arg)
}

// CallOf declares an event that is acknowledged, with an argument of type Req and
// an answer of type Res:
//
//	const Save socketio.CallOf[Message, Receipt] = "save"
type CallOf[Req, Res any] string

// Handle registers the handler of the event; see [OnWithAck].
func (c CallOf[Req, Res]) Handle(r Registrar, fn func(ctx context.Context, s *Socket, req Req) (Res, error)) {
	OnWithAck(r, string(c), fn)
}

// Call emits the event to one socket and returns its answer.
func (c CallOf[Req, Res]) Call(ctx context.Context, to Caller, req Req) (Res, error) {
	return As[Res](to.EmitWithAck(ctx, string(c), req))
}

// CallAll emits the event to many sockets and returns their answers. If some are
// missing it returns those that came beside the error.
func (c CallOf[Req, Res]) CallAll(ctx context.Context, to MultiCaller, req Req) ([]Res, error) {
	return AllAs[Res](to.EmitWithAck(ctx, string(c), req))
}

// Emitter is what an event can be emitted to: [*Socket], [Unicast], [*Namespace],
// [*Server], [Broadcast], [RemoteSocket].
type Emitter interface {
	Emit(event string, args ...any) error
}

// Caller is what an event can be emitted to for one answer: [*Socket],
// [RemoteSocket].
type Caller interface {
	EmitWithAck(ctx context.Context, event string, args ...any) (Args, error)
}

// MultiCaller is what an event can be emitted to for many answers: [*Namespace],
// [*Server], [Broadcast].
type MultiCaller interface {
	EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error)
}
