package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// lifeTests test the end of an adapter, and what many do with it at once.
var lifeTests = []test{
	{"Close", closed},
	{"Close twice", func(t *testing.T, c *cluster) {
		closeAdapter(t, c.hosts[0])
		closeAdapter(t, c.hosts[0])
	}},
	{"Close with a context that has ended", func(t *testing.T, c *cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.first().Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	}},
	{"contexts that have ended", endedContexts},
	{"Close while answers are awaited", func(t *testing.T, c *cluster) {
		if c.last() == 0 {
			t.Skip("there are no other nodes")
		}
		c.hosts[c.last()].OnServerEvent(func(ServerEvent) {
			go func() {
				_ = c.first().Close(context.Background()) // checked by the cleanup, which closes again
			}()
		})
		_, err := collected(c.first().ServerCollect(deadline(t), []byte(`["ask"]`), nil))
		if !errors.Is(err, adapter.ErrClosed) {
			t.Errorf("error %v, want %v", err, adapter.ErrClosed)
		}
	}},
	{"concurrent use", concurrent},
}

// endedContexts calls what may wait with a context that has ended: the caller learns of it.
func endedContexts(t *testing.T, c *cluster) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := c.first()
	_, fetched := a.Fetch(ctx, adapter.Target{})
	_, counted := a.ServerCount(ctx)
	_, collected := collected(a.ServerCollect(ctx, []byte(`["ask"]`), nil))
	for what, err := range map[string]error{
		"Fetch":         fetched,
		"JoinAll":       a.JoinAll(ctx, adapter.Target{}, "room"),
		"LeaveMatching": a.LeaveMatching(ctx, adapter.Target{}, "room"),
		"Disconnect":    a.Disconnect(ctx, adapter.Target{Rooms: []string{"nobody"}}, false),
		"ServerEmit":    a.ServerEmit(ctx, []byte(`["x"]`), nil),
		"ServerCount":   counted,
		"ServerCollect": collected,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want %v", what, err, context.Canceled)
		}
	}
}

// closed closes the last node of the cluster: it goes on locally, and without
// the others.
func closed(t *testing.T, c *cluster) {
	host := c.hosts[c.last()]
	a := host.Adapter()
	closeAdapter(t, host)

	p := host.Connect("room")
	local := adapter.Target{Rooms: []string{"room"}, Flags: adapter.Flags{Local: true}}
	if err := a.Broadcast(deadline(t), event("/", `["local"]`), local); err != nil {
		t.Errorf("local Broadcast: %v", err)
	}
	checkPacket(t, p.Next(t).Packet, event("/", `["local"]`))

	all := adapter.Target{Rooms: []string{"room"}}
	err := a.Broadcast(deadline(t), event("/", `["all"]`), all)
	checkPacket(t, p.Next(t).Packet, event("/", `["all"]`))
	sockets, fetchErr := a.Fetch(deadline(t), all)
	if len(sockets) != 1 || sockets[0].ID != p.ID() {
		t.Errorf("fetched %d sockets, want the local one", len(sockets))
	}
	if c.last() == 0 {
		return
	}
	for what, err := range map[string]error{
		"Broadcast":  err,
		"Fetch":      fetchErr,
		"ServerEmit": a.ServerEmit(deadline(t), []byte(`["x"]`), nil),
	} {
		if !errors.Is(err, adapter.ErrClosed) {
			t.Errorf("%s: error %v, want %v", what, err, adapter.ErrClosed)
		}
	}
	c.leaves(t)
}

// leaves checks that the others do without the last node.
func (c *cluster) leaves(t *testing.T) {
	t.Helper()
	wait(t, "the others to know that one node is gone", func() bool {
		n, err := c.first().ServerCount(deadline(t))
		return err == nil && n == c.last()
	})
	c.hosts, c.peers = c.hosts[:c.last()], c.peers[:c.last()]
	c.checkFetch(t, adapter.Target{}, c.peers...)
	c.quiet(t)
}

// concurrent uses the adapter from many goroutines, under the race detector if
// it is on. In the end every socket is where it should be.
func concurrent(t *testing.T, c *cluster) {
	const workers, rounds = 3, 15
	var wg sync.WaitGroup
	for i, h := range c.hosts {
		for w := range workers {
			wg.Go(func() { churn(t, h, fmt.Sprint(i, "-", w), rounds) })
		}
	}
	wg.Wait()
	for _, p := range c.peers {
		if rooms := p.Host().Adapter().Rooms(p); len(rooms) != 1 {
			t.Errorf("left over in %q", rooms)
		}
		p.Inbox()
	}
	c.checkFetch(t, adapter.Target{}, c.peers...)
}

// churn does a bit of everything.
func churn(t *testing.T, h *Host, name string, rounds int) {
	t.Helper()
	a := h.Adapter()
	for i := range rounds {
		p := h.Connect("room", name)
		data := fmt.Sprintf(`["x",%q,%d]`, name, i)
		if err := a.Broadcast(deadline(t), event("/", data), adapter.Target{Rooms: []string{name}}); err != nil {
			t.Errorf("Broadcast: %v", err)
		}
		if err := a.Broadcast(deadline(t), event("/", data), adapter.Target{Rooms: []string{"room", name}, Except: []string{p.ID()}}); err != nil {
			t.Errorf("Broadcast: %v", err)
		}
		a.Join(p, "more", fmt.Sprint(name, i))
		a.Leave(p, "room")
		if _, err := a.Fetch(deadline(t), adapter.Target{Rooms: []string{"room"}}); err != nil {
			t.Errorf("Fetch: %v", err)
		}
		p.AnswerWith(func(d *Delivery) { d.Answer(adapter.Reply{Data: []byte(`["ok"]`)}) })
		if replies, err := collected(a.Collect(deadline(t), event("/", data), single(p))); err != nil || len(replies) != 1 {
			t.Errorf("Collect: %d answers, %v", len(replies), err)
		}
		p.Disconnect()
	}
}
