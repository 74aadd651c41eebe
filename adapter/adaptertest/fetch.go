package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// fetchTests test the description of sockets.
var fetchTests = []test{
	{"all", func(t *testing.T, c *cluster) {
		c.checkFetch(t, adapter.Target{}, c.peers...)
	}},
	{"one socket", func(t *testing.T, c *cluster) {
		for _, p := range c.peers {
			c.checkFetch(t, adapter.Target{Rooms: []string{p.ID()}}, p)
		}
	}},
	{"the matching", func(t *testing.T, c *cluster) {
		var want []*Peer
		for _, h := range c.hosts {
			p := h.Connect("a", "b")
			p.SetData([]byte(`{"user":{"name":"<ä>","tags":["x",null,1.5]},"n":0}`))
			want = append(want, p)
			h.Connect("a", "not")
		}
		c.checkFetch(t, adapter.Target{Rooms: []string{"a", "b", "c"}, Except: []string{"not"}}, want...)
	}},
	{"on this node", func(t *testing.T, c *cluster) {
		c.checkFetch(t, adapter.Target{Flags: adapter.Flags{Local: true}}, c.peers[0])
	}},
	{"rooms named with digits", func(t *testing.T, c *cluster) {
		p := c.hosts[c.last()].Connect("42", "007")
		c.checkFetch(t, adapter.Target{Rooms: []string{"42"}}, p)
	}},
	{"nobody", func(t *testing.T, c *cluster) {
		c.checkFetch(t, adapter.Target{Rooms: []string{"nobody"}})
	}},
	{"all rooms", allRooms},
	{"canceled", func(t *testing.T, c *cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		sockets, err := c.first().Fetch(ctx, adapter.Target{})
		if err == nil && len(sockets) != len(c.peers) {
			t.Errorf("%d sockets of %d, but no error", len(sockets), len(c.peers))
		} else if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	}},
}

// allRooms asks an adapter that can tell for the rooms of all nodes.
func allRooms(t *testing.T, c *cluster) {
	lister, ok := c.first().(adapter.RoomLister)
	if !ok {
		t.Skip("the adapter does not list the rooms of all nodes")
	}
	want := []string{"shared", "42"}
	for i, h := range c.hosts {
		own := fmt.Sprint("room", i)
		want = append(want, c.peers[i].ID(), own, h.Connect("shared", own, "42").ID())
	}
	rooms, err := lister.AllRooms(deadline(t))
	slices.Sort(rooms)
	slices.Sort(want)
	if err != nil || !slices.Equal(rooms, want) {
		t.Errorf("got %q (%v), want %q", rooms, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lister.AllRooms(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// checkFetch fetches from the first node and compares with what the nodes
// themselves say.
func (c *cluster) checkFetch(t *testing.T, target adapter.Target, want ...*Peer) {
	t.Helper()
	sockets, err := c.first().Fetch(deadline(t), target)
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	if len(sockets) != len(want) {
		t.Errorf("%d sockets, want %d", len(sockets), len(want))
	}
	for _, p := range want {
		i := slices.IndexFunc(sockets, func(s adapter.RemoteSocket) bool { return s.ID == p.ID() })
		if i < 0 {
			t.Errorf("the socket %s is missing", p.ID())
			continue
		}
		checkDescription(t, sockets[i], p.Host().Describe(p))
	}
}

func checkDescription(t *testing.T, got, want adapter.RemoteSocket) {
	t.Helper()
	slices.Sort(got.Rooms)
	slices.Sort(want.Rooms)
	if !slices.Equal(got.Rooms, want.Rooms) {
		t.Errorf("rooms %q, want %q", got.Rooms, want.Rooms)
	}
	if !sameJSON(got.Handshake, want.Handshake) {
		t.Errorf("handshake %s, want %s", got.Handshake, want.Handshake)
	}
	if !sameJSON(got.Data, want.Data) {
		t.Errorf("data %s, want %s", got.Data, want.Data)
	}
}
