package socketio

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tandem-go/tandem/adapter"
)

// Sockets returns the selected sockets of this server. See [Broadcast.FetchSockets] for
// those of all servers.
func (b Broadcast) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		more := true
		b.eachLocal(func(s *Socket) { more = more && yield(s) })
	}
}

// Count returns the number of selected sockets, on all servers. Other servers are asked to
// describe theirs, as by [Broadcast.FetchSockets], so it takes as much memory and time: for
// large rooms keep a number of your own. Without other servers, and after Local, it is
// cheap. If some server does not answer before ctx ends, the number found so far is
// returned with the error.
func (b Broadcast) Count(ctx context.Context) (int, error) {
	if done, err := b.idle(); done {
		return 0, err
	}
	if _, alone := b.nsp.adapter.(*adapter.Memory); !alone && !b.target.Flags.Local {
		found, err := b.nsp.adapter.Fetch(ctx, b.target)
		return len(found), err
	}
	n := 0
	b.eachLocal(func(*Socket) { n++ })
	return n, ctx.Err()
}

// Count returns the number of sockets of the namespace on all servers; see
// [Broadcast.Count]. [Namespace.Len] is that of this server.
func (n *Namespace) Count(ctx context.Context) (int, error) { return n.broadcast().Count(ctx) }

// Rooms returns the rooms that sockets of this server are in, in no particular order. The
// id of each socket is among them.
func (n *Namespace) Rooms() []string {
	if a, ok := n.adapter.(interface{ LocalRooms() []string }); ok {
		return a.LocalRooms()
	}
	seen := make(map[string]struct{})
	var rooms []string
	for s := range n.Sockets() {
		for _, room := range s.Rooms() {
			if _, ok := seen[room]; !ok {
				seen[room] = struct{}{}
				rooms = append(rooms, room)
			}
		}
	}
	return rooms
}

// AllRooms returns the rooms that sockets of any server are in, in no particular order. The
// id of each socket is among them. If some server does not answer before ctx ends, those
// found so far are returned with the error. An adapter that cannot tell gives an error that
// wraps [errors.ErrUnsupported]; see [adapter.RoomLister].
func (n *Namespace) AllRooms(ctx context.Context) ([]string, error) {
	if n.server.closed.Load() {
		return nil, ErrServerClosed
	}
	switch a := n.adapter.(type) {
	case adapter.RoomLister:
		return a.AllRooms(ctx)
	case *adapter.Memory:
		return a.LocalRooms(), ctx.Err()
	}
	return n.Rooms(), fmt.Errorf("socketio: list the rooms of other servers with a %T: %w", n.adapter, errors.ErrUnsupported)
}

// AdapterHealth returns how well the servers of the cluster can be reached, and what was
// lost. It does not wait for anything. ok is false if the adapter has nothing to say of it,
// as that of a single server; see [adapter.HealthReporter].
func (n *Namespace) AdapterHealth() (h adapter.Health, ok bool) {
	if r, ok := n.adapter.(adapter.HealthReporter); ok {
		return r.Health(), true
	}
	return h, false
}
