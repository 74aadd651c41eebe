package adaptertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// membershipTests test what changes the rooms of sockets.
var membershipTests = []test{
	{"rooms of a socket", roomsOfSocket},
	{"rooms of many", roomsOfMany},
	{"leaving for good", leaveAll},
	{"JoinAll of all", func(t *testing.T, c *cluster) {
		c.joinAll(t, adapter.Target{}, "room")
		c.waitRooms(t, []string{"room"}, c.peers...)
	}},
	{"JoinAll of the matching", func(t *testing.T, c *cluster) {
		matching, out := c.hosts[c.last()].Connect("a"), c.hosts[c.last()].Connect("a", "not")
		c.joinAll(t, adapter.Target{Rooms: []string{"a", "b"}, Except: []string{"not"}}, "room", "more")
		c.waitRooms(t, []string{"a", "more", "room"}, matching)
		c.waitRooms(t, []string{"a", "not"}, out)
		c.waitRooms(t, nil, c.peers...)
	}},
	{"JoinAll of one socket", func(t *testing.T, c *cluster) {
		for i, p := range c.peers {
			room := fmt.Sprint("room", i)
			c.joinAll(t, adapter.Target{Rooms: []string{p.ID()}}, room)
			c.waitRooms(t, []string{room}, p)
		}
	}},
	{"JoinAll on this node", func(t *testing.T, c *cluster) {
		c.joinAll(t, adapter.Target{Flags: adapter.Flags{Local: true}}, "room")
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"room"}})
		c.check(t, `["x"]`, c.peers[0])
	}},
	{"LeaveMatching of all", func(t *testing.T, c *cluster) {
		for _, p := range c.peers {
			p.Host().Adapter().Join(p, "room", "stay", "too")
		}
		c.leaveMatching(t, adapter.Target{}, "nobody", "room", "too")
		c.waitRooms(t, []string{"stay"}, c.peers...)
	}},
	{"LeaveMatching of the matching", func(t *testing.T, c *cluster) {
		matching, out := c.hosts[c.last()].Connect("a", "room"), c.hosts[c.last()].Connect("room")
		c.leaveMatching(t, adapter.Target{Rooms: []string{"a"}}, "room")
		c.waitRooms(t, []string{"a"}, matching)
		c.waitRooms(t, []string{"room"}, out)
	}},
	{"LeaveMatching of one socket", func(t *testing.T, c *cluster) {
		p := c.hosts[c.last()].Connect("room")
		c.leaveMatching(t, adapter.Target{Rooms: []string{p.ID()}}, "room")
		c.waitRooms(t, nil, p)
	}},
	{"Disconnect all", func(t *testing.T, c *cluster) {
		c.disconnect(t, adapter.Target{}, false)
		waitGone(t, false, c.peers...)
	}},
	{"Disconnect the matching", func(t *testing.T, c *cluster) {
		a, b := c.hosts[0].Connect("room"), c.hosts[c.last()].Connect("room")
		c.disconnect(t, adapter.Target{Rooms: []string{"room"}}, true)
		waitGone(t, true, a, b)
		c.quiet(t)
		for _, p := range c.peers {
			if p.Host().Adapter().Rooms(p) == nil {
				t.Error("a socket that does not match is gone")
			}
		}
	}},
	{"Disconnect one socket", func(t *testing.T, c *cluster) {
		for i, p := range c.peers {
			c.disconnect(t, adapter.Target{Rooms: []string{p.ID()}}, i%2 == 0)
			waitGone(t, i%2 == 0, p)
		}
	}},
	{"Disconnect on this node", func(t *testing.T, c *cluster) {
		c.disconnect(t, adapter.Target{Flags: adapter.Flags{Local: true}}, false)
		waitGone(t, false, c.peers[0])
		c.quiet(t) // the others are still there
	}},
	{"packet before Disconnect", func(t *testing.T, c *cluster) {
		c.broadcast(t, `["bye"]`, adapter.Target{})
		c.disconnect(t, adapter.Target{}, true)
		waitGone(t, true, c.peers...)
		for _, p := range c.peers {
			checkPacket(t, p.Next(t).Packet, event("/", `["bye"]`))
		}
	}},
}

func (c *cluster) joinAll(t *testing.T, target adapter.Target, rooms ...string) {
	t.Helper()
	if err := c.first().JoinAll(deadline(t), target, rooms...); err != nil {
		t.Errorf("JoinAll: %v", err)
	}
}

func (c *cluster) leaveMatching(t *testing.T, target adapter.Target, rooms ...string) {
	t.Helper()
	if err := c.first().LeaveMatching(deadline(t), target, rooms...); err != nil {
		t.Errorf("LeaveMatching: %v", err)
	}
}

func (c *cluster) disconnect(t *testing.T, target adapter.Target, closeTransport bool) {
	t.Helper()
	if err := c.first().Disconnect(deadline(t), target, closeTransport); err != nil {
		t.Errorf("Disconnect: %v", err)
	}
}

// waitRooms waits until each of the sockets is in exactly these rooms, besides
// the one of its own.
func (c *cluster) waitRooms(t *testing.T, rooms []string, peers ...*Peer) {
	t.Helper()
	for _, p := range peers {
		wait(t, fmt.Sprintf("%s to be in %q", p.ID(), rooms), func() bool {
			got := p.Host().Adapter().Rooms(p)
			if len(got) == 0 || got[0] != p.ID() {
				return false
			}
			slices.Sort(got[1:])
			return slices.Equal(got[1:], rooms)
		})
	}
}

// waitGone waits until the sockets have disconnected.
func waitGone(t *testing.T, closedTransport bool, peers ...*Peer) {
	t.Helper()
	for _, p := range peers {
		wait(t, p.ID()+" to disconnect", func() bool {
			select {
			case <-p.Gone():
				return true
			default:
				return false
			}
		})
		if p.ClosedTransport() != closedTransport {
			t.Errorf("closed the connection: %t, want %t", p.ClosedTransport(), closedTransport)
		}
	}
}

func roomsOfSocket(t *testing.T, c *cluster) {
	a, p := c.first(), c.peers[0]
	for _, step := range []struct {
		do   func()
		want []string
	}{
		{func() {}, nil},
		{func() { a.Join(p, "b", "a") }, []string{"a", "b"}},
		{func() { a.Join(p, "a", "c", p.ID()) }, []string{"a", "b", "c"}},
		{func() { a.Leave(p, "b", "never") }, []string{"a", "c"}},
		{func() { a.Leave(p) }, []string{"a", "c"}},
		{func() { a.Join(p, "b"); a.Leave(p, "a", "c", "b") }, nil},
	} {
		step.do()
		c.waitRooms(t, step.want, p)
	}
}

// roomsOfMany has one socket join so many rooms that an adapter which searches
// them one by one would not come to an end.
func roomsOfMany(t *testing.T, c *cluster) {
	const count = 1000
	a, p := c.first(), c.hosts[0].Connect()
	for i := range count {
		a.Join(p, fmt.Sprint("room", i))
	}
	if got := len(a.Rooms(p)); got != count+1 {
		t.Errorf("in %d rooms, want %d", got, count+1)
	}
	for i := 0; i < count; i += 2 {
		a.Leave(p, fmt.Sprint("room", i))
	}
	if got := len(a.Rooms(p)); got != count/2+1 {
		t.Errorf("in %d rooms, want %d", got, count/2+1)
	}
	p.Disconnect()
	c.quiet(t)
}

func leaveAll(t *testing.T, c *cluster) {
	a, p := c.first(), c.hosts[0].Connect("room")
	p.Disconnect()
	if rooms := a.Rooms(p); rooms != nil {
		t.Errorf("still in %q", rooms)
	}
	a.Join(p)
	a.Join(p, "room", "other")
	a.Leave(p, "room")
	a.LeaveAll(p)
	if rooms := a.Rooms(p); rooms != nil {
		t.Errorf("in %q after it has left for good", rooms)
	}
	for _, target := range []adapter.Target{{}, {Rooms: []string{"room"}}, {Rooms: []string{"other", p.ID()}}} {
		c.broadcast(t, `["x"]`, target)
	}
	for _, p := range c.peers {
		checkPacket(t, p.Next(t).Packet, event("/", `["x"]`))
	}
	c.quiet(t)
	if inbox := p.Inbox(); len(inbox) > 0 {
		t.Errorf("it has received %s", inbox[0].Packet.Data)
	}
}
