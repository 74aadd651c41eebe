package socketio

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Backlog is what waits for a client that does not take it as fast as it is sent.
type Backlog = engine.Backlog

// Flush waits until the transport has taken everything that was emitted to the socket
// before: until the kernel has it, or the answer to a long poll. That does not mean that
// the client has received it; see [Socket.EmitWithAck] for that. Flush returns
// [ErrDisconnected] if the socket has disconnected or its connection ends first, and the
// context's error if ctx ends first.
//
// A producer that calls Flush every now and then is slowed down to the speed of its
// client. What the socket's namespace and other goroutines emit at the same time may be
// waited for, too.
func (s *Socket) Flush(ctx context.Context) error {
	if s.currentState() == stateClosed {
		return ErrDisconnected
	}
	err := s.conn.session.Flush(ctx)
	if errors.Is(err, engine.ErrSessionClosed) {
		return ErrDisconnected
	}
	return err
}

// Backlog returns what waits for the client: the zero value if the transport has taken
// everything. The client's sockets in other namespaces share its connection, and so the
// backlog. An application may emit less, or nothing, to a client that has much waiting.
func (s *Socket) Backlog() Backlog {
	if s.currentState() == stateClosed {
		return Backlog{}
	}
	return s.conn.session.Backlog()
}

// Backlog returns what waits for the selected socket of this server for which most bytes
// wait: the zero value if nothing waits for any. It takes as long as an emit.
func (b Broadcast) Backlog() (worst Backlog) {
	b.eachLocal(func(s *Socket) {
		if own := s.Backlog(); cmp.Or(cmp.Compare(own.Bytes, worst.Bytes), worst.Since.Compare(own.Since)) > 0 {
			worst = own
		}
	})
	return worst
}

// selector is an adapter that finds sockets of this server, as those do that embed an
// [adapter.Memory].
type selector interface {
	Select(t adapter.Target, use func(to []adapter.Peer))
}

// eachLocal calls use with the selected sockets of this server.
func (b Broadcast) eachLocal(use func(s *Socket)) {
	if b.nobody() {
		return
	}
	if a, ok := b.nsp.adapter.(selector); ok {
		a.Select(b.target, func(to []adapter.Peer) {
			for _, p := range to {
				if s, ok := asSocket(p); ok {
					use(s)
				}
			}
		})
		return
	}
	for s := range b.nsp.Sockets() {
		if b.selects(s) {
			use(s)
		}
	}
}

// selects reports whether a socket of this server is selected.
func (b Broadcast) selects(s *Socket) bool {
	rooms := b.nsp.adapter.Rooms((*peer)(s))
	in := func(room string) bool { return slices.Contains(rooms, room) }
	return rooms != nil && (len(b.target.Rooms) == 0 || slices.ContainsFunc(b.target.Rooms, in)) &&
		!slices.ContainsFunc(b.target.Except, in)
}
