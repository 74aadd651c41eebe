package socketio

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

// serverHandler handles an event from another server; it returns the arguments of
// the answer.
type serverHandler func(ctx context.Context, a Args) ([]any, error)

// ServerRegistrar is where handlers of events between servers are registered:
// a [*Server] for its main namespace, or a [*Namespace].
type ServerRegistrar interface {
	handleServer(event string, h serverHandler)
}

func (n *Namespace) handleServer(event string, h serverHandler) {
	n.router.update(func(r *routes) {
		if r.server == nil {
			r.server = make(map[string]serverHandler)
		}
		r.server[event] = h
	})
}

// OnServer registers fn as the handler of an event that other servers of the
// cluster emit with [Namespace.ServerEmit], in place of an earlier one. A server
// that asks for an answer gets one without a value when fn has returned nil.
// Events of other servers are handled concurrently. ctx ends with the server, or
// when [Server.Shutdown] does not wait for handlers any more.
func OnServer[T any](r ServerRegistrar, event string, fn func(ctx context.Context, arg T) error) {
	r.handleServer(event, func(ctx context.Context, a Args) ([]any, error) {
		arg, err := bind[T](a)
		if err != nil {
			return nil, err
		}
		return nil, fn(ctx, arg)
	})
}

// OnServerWithAck registers fn as the handler of an event that other servers emit
// with [Namespace.ServerEmitWithAck]. What fn returns is the answer. If fn returns
// an error it is logged and the other server gets no answer, as from a server
// without a handler.
func OnServerWithAck[Req, Res any](r ServerRegistrar, event string, fn func(ctx context.Context, req Req) (Res, error)) {
	r.handleServer(event, func(ctx context.Context, a Args) ([]any, error) {
		req, err := bind[Req](a)
		if err != nil {
			return nil, err
		}
		res, err := fn(ctx, req)
		if err != nil {
			return nil, err
		}
		return []any{res}, nil
	})
}

// ServerEmit emits an event to the other servers of the cluster, where
// [OnServer] handles it. On a server of its own it does nothing. Besides the names
// that are reserved among clients, the Node.js server keeps "connection" and
// "new_namespace" for itself: they give [ErrReservedEvent] as well.
func (n *Namespace) ServerEmit(ctx context.Context, event string, args ...any) error {
	data, attachments, err := n.serverEvent(event, args)
	if err != nil {
		return err
	}
	return n.adapter.ServerEmit(ctx, data, attachments)
}

// ServerEmitWithAck emits an event to the other servers and returns one answer
// from each. If ctx ends first, the answers so far are returned with an
// [*AckTimeoutError]. If ctx has no deadline, the adapter has one: over Redis the
// RequestTimeout of its options, not [Options].AckTimeout, which is for clients.
func (n *Namespace) ServerEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	data, attachments, err := n.serverEvent(event, args)
	if err != nil {
		return nil, err
	}
	return n.gather(event, n.adapter.ServerCollect(ctx, data, attachments))
}

// ServerCount returns the number of servers in the cluster, this one included.
func (n *Namespace) ServerCount(ctx context.Context) (int, error) {
	if n.server.closed.Load() {
		return 0, ErrServerClosed
	}
	return n.adapter.ServerCount(ctx)
}

func (n *Namespace) serverEvent(event string, args []any) ([]byte, [][]byte, error) {
	if event == "connection" || event == "new_namespace" {
		return nil, nil, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	if err := checkEvent(event); err != nil {
		return nil, nil, err
	}
	if n.server.closed.Load() {
		return nil, nil, ErrServerClosed
	}
	return n.server.coder.AppendEvent(nil, event, args...)
}

// serverTask is an event from another server that is being handled.
type serverTask struct {
	nsp         *Namespace
	ctx         context.Context //nolint:containedctx // of the task
	data        []byte
	attachments [][]byte
	respond     func(adapter.Reply)
}

func (n *Namespace) serveServerEvent(ctx context.Context, data []byte, attachments [][]byte, respond func(adapter.Reply)) {
	if n.server.draining.Load() {
		return // nobody answers, as if the server had gone already
	}
	select {
	case n.serverEvents <- struct{}{}:
	default:
		n.server.warn("socketio: drop event from another server: too many at a time", "namespace", n.name)
		return
	}
	t := &serverTask{nsp: n, ctx: ctx, data: data, attachments: attachments, respond: respond}
	if !n.server.pool.Go(t) {
		<-n.serverEvents
	}
}

// Run handles the event and answers it.
func (t *serverTask) Run() {
	defer func() { <-t.nsp.serverEvents }()
	event, answer, err := t.handle()
	if err != nil {
		t.nsp.server.failed(logServerHandler, event, err, "namespace", t.nsp.name)
		return
	}
	if t.respond != nil && answer != nil {
		t.respond(*answer)
	}
}

// handle returns no answer if there is no handler.
func (t *serverTask) handle() (event string, answer *adapter.Reply, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	list, err := parser.SplitArgs(t.data, nil)
	if err != nil || len(list) == 0 {
		return "", nil, err
	}
	event = string(parser.EventName(list[0]))
	h, ok := t.nsp.router.load().server[event]
	if !ok {
		return event, nil, nil
	}
	coder := t.nsp.server.coder
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(t.nsp.server.handling, cancel)()
	args, err := h(ctx, Args{event: event, coder: coder, list: list[1:], attachments: t.attachments})
	if err != nil {
		return event, nil, err
	}
	data, attachments, err := coder.AppendAck(nil, args...)
	if err != nil {
		return event, nil, err
	}
	return event, &adapter.Reply{Data: data, Attachments: attachments}, nil
}

// packetEvent returns the name of the event in a packet.
func packetEvent(p *adapter.Packet) string {
	list, err := parser.SplitArgs(p.Data, nil)
	if err != nil || len(list) == 0 {
		return ""
	}
	return string(parser.EventName(list[0]))
}
