package adaptertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// broadcastTests test which sockets a broadcast reaches, and what they get.
var broadcastTests = []test{
	{"to all", func(t *testing.T, c *cluster) {
		c.broadcast(t, `["x",1,{"a":[true,null,"ü"]}]`, adapter.Target{})
		c.check(t, `["x",1,{"a":[true,null,"ü"]}]`, c.peers...)
	}},
	{"to a namespace", broadcastToNamespace},
	{"to a room", func(t *testing.T, c *cluster) {
		member := c.hosts[c.last()].Connect("room")
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"room"}})
		c.check(t, `["x"]`, member)
	}},
	{"to a room on every node", func(t *testing.T, c *cluster) {
		var members []*Peer
		for _, h := range c.hosts {
			members = append(members, h.Connect("room", "other"))
		}
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"room"}})
		c.check(t, `["x"]`, members...)
	}},
	{"to a room without members", func(t *testing.T, c *cluster) {
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"nobody"}})
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"nobody", "neither"}})
		c.quiet(t)
	}},
	{"to one socket", func(t *testing.T, c *cluster) {
		for i, p := range c.peers {
			data := fmt.Sprintf(`["x",%d]`, i)
			c.broadcast(t, data, adapter.Target{Rooms: []string{p.ID()}})
			c.check(t, data, p)
		}
	}},
	{"to several rooms, once each", func(t *testing.T, c *cluster) {
		host := c.hosts[c.last()]
		both, a, b := host.Connect("a", "b"), host.Connect("a"), host.Connect("b")
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"a", "b", "a", both.ID(), c.peers[0].ID()}})
		c.check(t, `["x"]`, both, a, b, c.peers[0])
	}},
	{"except a room", func(t *testing.T, c *cluster) {
		for _, h := range c.hosts {
			h.Connect("not")
		}
		c.broadcast(t, `["x"]`, adapter.Target{Except: []string{"not", "nobody"}})
		c.check(t, `["x"]`, c.peers...)
	}},
	{"except a socket", func(t *testing.T, c *cluster) {
		c.broadcast(t, `["x"]`, adapter.Target{Except: []string{c.peers[0].ID()}})
		c.check(t, `["x"]`, c.peers[1:]...)
	}},
	{"to rooms except others", broadcastExcept},
	{"except many", func(t *testing.T, c *cluster) {
		for range 20 {
			c.hosts[c.last()].Connect("room", "not")
		}
		member := c.hosts[c.last()].Connect("room")
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"room"}, Except: []string{"not"}})
		c.check(t, `["x"]`, member)
	}},
	{"to this node only", func(t *testing.T, c *cluster) {
		c.broadcast(t, `["x"]`, adapter.Target{Flags: adapter.Flags{Local: true}})
		c.check(t, `["x"]`, c.peers[0])
		c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{c.peers[c.last()].ID()}, Flags: adapter.Flags{Local: true}})
		if c.last() == 0 {
			checkPacket(t, c.peers[0].Next(t).Packet, event("/", `["x"]`))
		}
		c.quiet(t)
	}},
	{"rooms named with digits", broadcastNumeric},
	{"rooms with odd names", broadcastOddRooms},
	{"with binary values", func(t *testing.T, c *cluster) {
		data := `["x",{"_placeholder":true,"num":0},{"y":[{"_placeholder":true,"num":1}]},"end"]`
		p := event("/", data, []byte("\x00\x01\xff"), []byte{})
		if err := c.first().Broadcast(deadline(t), p, adapter.Target{}); err != nil {
			t.Error(err)
		}
		for _, peer := range c.peers {
			checkPacket(t, peer.Next(t).Packet, p)
		}
	}},
	{"large", func(t *testing.T, c *cluster) {
		data := `["x","` + strings.Repeat("0123456789", 50_000) + `"]`
		c.broadcast(t, data, adapter.Target{})
		c.check(t, data, c.peers...)
	}},
	{"flags", broadcastFlags},
	{"in order", func(t *testing.T, c *cluster) {
		const count = 200
		for i := range count {
			c.broadcast(t, fmt.Sprintf(`["x",%d]`, i), adapter.Target{})
		}
		for _, p := range c.peers {
			for i := range count {
				checkPacket(t, p.Next(t).Packet, event("/", fmt.Sprintf(`["x",%d]`, i)))
			}
		}
	}},
}

func broadcastToNamespace(t *testing.T, c *cluster) {
	others := c.open(t, "/other")
	var peers []*Peer
	for _, h := range others {
		peers = append(peers, h.Connect("room"))
	}
	for _, target := range []adapter.Target{{}, {Rooms: []string{"room"}}} {
		if err := others[0].Adapter().Broadcast(deadline(t), event("/other", `["x"]`), target); err != nil {
			t.Error(err)
		}
		for _, p := range peers {
			checkPacket(t, p.Next(t).Packet, event("/other", `["x"]`))
		}
	}
	c.quiet(t)
	c.broadcast(t, `["y"]`, adapter.Target{})
	c.check(t, `["y"]`, c.peers...)
	for _, p := range peers {
		if inbox := p.Inbox(); len(inbox) > 0 {
			t.Errorf("a packet of the main namespace came to the other: %s", inbox[0].Packet.Data)
		}
	}
}

func broadcastExcept(t *testing.T, c *cluster) {
	var want []*Peer
	for _, h := range c.hosts {
		want = append(want, h.Connect("a"), h.Connect("b"))
		h.Connect("a", "not")
		h.Connect("b", "never")
		h.Connect("not")
	}
	out := c.hosts[c.last()].Connect("a", "b")
	c.broadcast(t, `["x"]`, adapter.Target{Rooms: []string{"a", "b"}, Except: []string{"not", "never", out.ID()}})
	c.check(t, `["x"]`, want...)
}

// broadcastNumeric is about rooms whose names other platforms take for numbers.
func broadcastNumeric(t *testing.T, c *cluster) {
	for _, room := range []string{"123", "0", "-1", "1.5", "1e3", "007"} {
		member := c.hosts[c.last()].Connect(room)
		also := c.hosts[0].Connect("other", room)
		for _, rooms := range [][]string{{room}, {room, "nobody"}} {
			data := fmt.Sprintf(`["x",%q,%d]`, room, len(rooms))
			c.broadcast(t, data, adapter.Target{Rooms: rooms})
			c.check(t, data, member, also)
		}
		data := fmt.Sprintf(`["x",%q,"except"]`, room)
		c.broadcast(t, data, adapter.Target{Rooms: []string{"other"}, Except: []string{room}})
		c.quiet(t)
		member.Disconnect()
		also.Disconnect()
	}
}

func broadcastOddRooms(t *testing.T, c *cluster) {
	for _, room := range []string{"#", "a#b#", "*", "[a-z]?", `back\slash`, "with space", "日本語", "{tag}", "a:b", "\"", strings.Repeat("long", 200)} {
		member := c.hosts[c.last()].Connect(room)
		data := fmt.Sprintf(`["x",%q]`, room)
		c.broadcast(t, data, adapter.Target{Rooms: []string{room}})
		c.check(t, data, member)
		member.Disconnect()
	}
}

func broadcastFlags(t *testing.T, c *cluster) {
	for _, f := range []adapter.Flags{{}, {Volatile: true}, {NoCompress: true}, {Volatile: true, NoCompress: true}} {
		c.broadcast(t, `["x"]`, adapter.Target{Flags: f})
		for i, p := range c.peers {
			got := p.Next(t).Flags
			if got.Volatile != f.Volatile || got.NoCompress != f.NoCompress {
				t.Errorf("node %d got the flags %+v, want %+v", i, got, f)
			}
		}
	}
}
