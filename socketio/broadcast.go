package socketio

import (
	"context"
	"errors"
	"slices"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Broadcast selects sockets of a namespace, on all servers, and does something
// with all of them. It is an immutable value: each method that narrows the
// selection returns a new one, and a Broadcast may be kept and shared.
type Broadcast struct {
	nsp    *Namespace
	target adapter.Target
	chosen bool // To has been called: without rooms nobody is selected
}

// To adds the sockets in any of the rooms to the selection. Without any To, all
// sockets of the namespace are selected; a To that names no room, as one with an empty
// slice, selects nobody.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.chosen = true
	b.target.Rooms = slices.Concat(b.target.Rooms, rooms)
	return b
}

// nobody reports whether no socket can be selected: a To has been called, and no room
// named. An adapter would take that for all sockets.
func (b Broadcast) nobody() bool { return b.chosen && len(b.target.Rooms) == 0 }

// idle reports that there is nothing to ask of the adapter, and why if that is an error.
func (b Broadcast) idle() (done bool, err error) {
	if b.nsp.server.closed.Load() {
		return true, ErrServerClosed
	}
	return b.nobody(), nil
}

// Except takes the sockets in any of the rooms out of the selection.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.target.Except = slices.Concat(b.target.Except, rooms)
	return b
}

// Volatile lets events be dropped for clients that cannot receive them right
// now: those that are slow to read, and those whose long poll is not open; see
// [Socket.Volatile].
func (b Broadcast) Volatile() Broadcast {
	b.target.Flags.Volatile = true
	return b
}

// Local restricts the selection to the sockets of this server.
func (b Broadcast) Local() Broadcast {
	b.target.Flags.Local = true
	return b
}

// Compress tells whether events may be compressed. The default is true, where
// the transport compresses at all.
func (b Broadcast) Compress(on bool) Broadcast {
	b.target.Flags.NoCompress = !on
	return b
}

// Emit emits an event to the selected sockets. It does not wait for any of them.
// It returns an error, and emits nothing, if the arguments cannot be encoded, and
// [ErrServerClosed] after [Server.Shutdown];
// and an error of the adapter, if other servers cannot be reached, after emitting
// to the sockets of this one.
func (b Broadcast) Emit(event string, args ...any) error {
	p, err := b.nsp.packet(event, args)
	if err != nil {
		return err
	}
	if done, err := b.idle(); done {
		return err
	}
	b.nsp.observeOutgoing(event, p)
	return b.nsp.adapter.Broadcast(b.nsp.server.ctx, p, b.target)
}

// EmitWithAck emits an event to the selected sockets and returns their answers
// in the order in which they came; none, at once, if nobody is selected. An answer holds
// the first value that the client gave, if it gave several, as with the Node.js server. A
// socket that disconnects before it has answered is not waited for. If ctx ends first, the
// answers so far are returned with an [*AckTimeoutError]. If ctx has no deadline,
// [Options].AckTimeout is one. Other servers that do not say how many sockets they ask are
// waited for as long as the adapter says: over Redis, for the RequestTimeout of its options.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	p, err := b.nsp.packet(event, args)
	if err != nil {
		return nil, err
	}
	if done, err := b.idle(); done {
		return nil, err
	}
	b.nsp.observeOutgoing(event, p)
	ctx, cancel := b.nsp.ackDeadline(ctx)
	defer cancel()
	return b.nsp.gather(event, b.nsp.adapter.Collect(ctx, p, b.target))
}

// ackDeadline gives ctx the default deadline if it has none.
func (n *Namespace) ackDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, n.server.opts.AckTimeout)
}

// gather reads the answers that an adapter yields.
func (n *Namespace) gather(event string, replies func(func(adapter.Reply, error) bool)) ([]Args, error) {
	var all []Args
	for r, err := range replies {
		if err != nil {
			return all, n.collectError(event, len(all), err)
		}
		a, err := replyArgs(n.server.coder, r)
		if err != nil {
			return all, err
		}
		all = append(all, a)
	}
	return all, nil
}

func (n *Namespace) collectError(event string, answers int, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &AckTimeoutError{Event: event, Answers: answers, Err: err}
	}
	return err
}

// FetchSockets returns the selected sockets. If some server does not answer
// before ctx ends, those found so far are returned with the error.
func (b Broadcast) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	if done, err := b.idle(); done {
		return nil, err
	}
	found, err := b.nsp.adapter.Fetch(ctx, b.target)
	out := make([]RemoteSocket, len(found))
	for i, d := range found {
		out[i] = RemoteSocket{nsp: b.nsp, d: d}
	}
	return out, err
}

// JoinAll makes the selected sockets join the rooms.
func (b Broadcast) JoinAll(ctx context.Context, rooms ...string) error {
	if done, err := b.idle(); done {
		return err
	}
	return b.nsp.adapter.JoinAll(ctx, b.target, rooms...)
}

// LeaveAll makes the selected sockets leave the rooms.
func (b Broadcast) LeaveAll(ctx context.Context, rooms ...string) error {
	if done, err := b.idle(); done {
		return err
	}
	return b.nsp.adapter.LeaveMatching(ctx, b.target, rooms...)
}

// DisconnectSockets disconnects the selected sockets from the namespace, and with
// closeConn closes their connections.
func (b Broadcast) DisconnectSockets(ctx context.Context, closeConn bool) error {
	if done, err := b.idle(); done {
		return err
	}
	return b.nsp.adapter.Disconnect(ctx, b.target, closeConn)
}

// packet encodes an event.
func (n *Namespace) packet(event string, args []any) (*adapter.Packet, error) {
	if err := checkEvent(event); err != nil {
		return nil, err
	}
	data, attachments, err := n.server.coder.AppendEvent(nil, event, args...)
	if err != nil {
		return nil, err
	}
	p := &adapter.Packet{Type: adapter.Event, Namespace: n.name, Data: data, Attachments: attachments}
	if _, ok := n.server.opts.Parser.(*parser.Default); !ok || len(attachments) > 0 {
		_, err = (*host)(n).frames(p) // which may refuse it
	}
	return p, err
}

// observeOutgoing calls the outgoing catch-all functions, if there are any.
func (n *Namespace) observeOutgoing(event string, p *adapter.Packet) {
	fns := n.router.load().outgoing
	if len(fns) == 0 {
		return
	}
	list, err := parser.SplitArgs(p.Data, nil)
	if err != nil || len(list) == 0 {
		return
	}
	a := Args{event: event, coder: n.server.coder, list: list[1:], attachments: p.Attachments}
	for _, fn := range fns {
		fn(event, a)
	}
}
