package socketio_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
)

// countingAdapter counts what is asked of it for selected sockets.
type countingAdapter struct {
	*adapter.Memory

	calls atomic.Int32
}

func (a *countingAdapter) Broadcast(ctx context.Context, p *adapter.Packet, t adapter.Target) error {
	a.calls.Add(1)
	return a.Memory.Broadcast(ctx, p, t)
}

func (a *countingAdapter) Collect(ctx context.Context, p *adapter.Packet, t adapter.Target) iter.Seq2[adapter.Reply, error] {
	a.calls.Add(1)
	return a.Memory.Collect(ctx, p, t)
}

func (a *countingAdapter) Fetch(ctx context.Context, t adapter.Target) ([]adapter.RemoteSocket, error) {
	a.calls.Add(1)
	return a.Memory.Fetch(ctx, t)
}

func (a *countingAdapter) JoinAll(ctx context.Context, t adapter.Target, rooms ...string) error {
	a.calls.Add(1)
	return a.Memory.JoinAll(ctx, t, rooms...)
}

func (a *countingAdapter) LeaveMatching(ctx context.Context, t adapter.Target, rooms ...string) error {
	a.calls.Add(1)
	return a.Memory.LeaveMatching(ctx, t, rooms...)
}

func (a *countingAdapter) Disconnect(ctx context.Context, t adapter.Target, closeTransport bool) error {
	a.calls.Add(1)
	return a.Memory.Disconnect(ctx, t, closeTransport)
}

// A To that names no room selects nobody, whatever is done with the selection, and asks nothing of other servers.
func TestToWithoutRoomsSelectsNobody(t *testing.T) {
	made := new(countingAdapter)
	s, client, socket := pair(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
		made.Memory = adapter.NewMemory(h)
		return made
	}})
	other, otherSocket := meet(t, s)
	otherSocket.Join("1")
	ctx := deadline(t)
	var rooms []string
	for name, b := range map[string]socketio.Broadcast{
		"namespace":         s.To(rooms...),
		"socket":            socket.To(rooms...),
		"broadcast":         s.Except("x").To(rooms...),
		"twice":             s.To().To(),
		"then an exception": s.To().Except("1").Volatile(),
		"local":             s.Local().To(rooms...),
	} {
		if err := b.Emit("x"); err != nil {
			t.Errorf("%s: Emit: %v", name, err)
		}
		if all, err := b.EmitWithAck(ctx, "x"); len(all) != 0 || err != nil {
			t.Errorf("%s: EmitWithAck: %v, %v", name, all, err)
		}
		if all, err := b.FetchSockets(ctx); len(all) != 0 || err != nil {
			t.Errorf("%s: FetchSockets: %d, %v", name, len(all), err)
		}
		if err := b.JoinAll(ctx, "joined"); err != nil {
			t.Errorf("%s: JoinAll: %v", name, err)
		}
		if err := b.LeaveAll(ctx, "1"); err != nil {
			t.Errorf("%s: LeaveAll: %v", name, err)
		}
		if err := b.DisconnectSockets(ctx, true); err != nil {
			t.Errorf("%s: DisconnectSockets: %v", name, err)
		}
		if err := b.Emit("x", make(chan int)); err == nil {
			t.Errorf("%s: what cannot be encoded is no error", name)
		}
	}
	if n := made.calls.Load(); n != 0 {
		t.Errorf("%d operations have reached the adapter", n)
	}
	receivedAll(t, client, socket)
	receivedAll(t, other, otherSocket)
	if rooms := otherSocket.Rooms(); len(rooms) != 2 {
		t.Errorf("a socket is in the rooms %q", rooms)
	}
	if err := s.To().To("1").Emit("y"); err != nil {
		t.Fatal(err)
	}
	received(t, other, "y")
	receivedAll(t, client, socket)
}
