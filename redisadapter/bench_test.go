package redisadapter

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/examples/peers"
)

const chatEvent = `["msg",{"room":"lobby","from":"alice","text":"hello, world, this is a line of chat","at":1795280140870}]`

// idle is a host that does nothing with what it is given.
type idle struct{ adapter.Host }

func (idle) Namespace() string { return "/" }
func (idle) ServerID() string  { return "server" }

func (idle) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (idle) Peer(string) (adapter.Peer, bool)                                        { return nil, false }
func (idle) Deliver(*adapter.Packet, []adapter.Peer, adapter.Flags)                  {}
func (idle) Disconnect(adapter.Peer, bool)                                           {}
func (idle) ServeServerEvent(context.Context, []byte, [][]byte, func(adapter.Reply)) {}

type idlePeer struct{ membership adapter.Membership }

func (*idlePeer) ID() string                        { return "id" }
func (p *idlePeer) Membership() *adapter.Membership { return &p.membership }

// benchClassic is an adapter without connections whose room "room" has a member.
func benchClassic(tb testing.TB) *classic {
	tb.Helper()
	c := newBare(tb, "/", nil).c
	c.Memory = adapter.NewMemory(idle{})
	p := &idlePeer{}
	c.Join(p)
	c.Join(p, "room")
	return c
}

func benchMessage(tb testing.TB, p *adapter.Packet) string {
	tb.Helper()
	b, err := appendBroadcast(nil, "sender", p, adapter.Target{Rooms: []string{"room"}})
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func benchPackets() map[string]*adapter.Packet {
	return map[string]*adapter.Packet{
		"chat":   event("/", chatEvent),
		"64B":    event("/", `["msg","`+strings.Repeat("x", 64)+`"]`),
		"binary": event("/", `["msg",{"blob":{"_placeholder":true,"num":0}}]`, make([]byte, 64)),
	}
}

// BenchmarkReceiveBroadcast decodes a broadcast of another node, converts it, and
// hands it to the host.
func BenchmarkReceiveBroadcast(b *testing.B) {
	for name, packet := range benchPackets() {
		b.Run(name, func(b *testing.B) {
			c, message := benchClassic(b), benchMessage(b, packet)
			b.ReportAllocs()
			for b.Loop() {
				c.receive("socket.io#/#room#", message)
			}
		})
	}
}

// BenchmarkReceiveForeignRoom drops a broadcast to a room without a local member.
func BenchmarkReceiveForeignRoom(b *testing.B) {
	c, message := benchClassic(b), benchMessage(b, event("/", chatEvent))
	b.ReportAllocs()
	for b.Loop() {
		c.receive("socket.io#/#elsewhere#", message)
	}
}

// BenchmarkEncodeBroadcast encodes a broadcast for the other nodes.
func BenchmarkEncodeBroadcast(b *testing.B) {
	for name, packet := range benchPackets() {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := appendBroadcast(dst, "sender", packet, adapter.Target{Rooms: []string{"room"}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublish broadcasts through a real Redis, as fast as it goes.
func BenchmarkPublish(b *testing.B) {
	server := peers.Redis(b)
	p := testPublisher(b, client(b, server.Addr), &Options{MaxQueued: 1 << 30})
	go p.run()
	payload := []byte(benchMessage(b, event("/", chatEvent)))
	b.ReportAllocs()
	for b.Loop() {
		m := soon("")
		m.payload = payload
		for p.publish(m) != nil {
		}
	}
	if err := p.close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func TestAllocations(t *testing.T) {
	c, message, p := benchClassic(t), benchMessage(t, event("/", chatEvent)), event("/", chatEvent)
	dst := make([]byte, 0, 1024)
	for name, tt := range map[string]struct {
		most float64
		run  func()
	}{
		// The name of the room, and nothing of what is in the message.
		"foreign room": {0, func() { c.receive("socket.io#/#elsewhere#", message) }},
		// The copy of the message, its JSON, the packet, the list of rooms, and the
		// name in it.
		"broadcast received": {5, func() { c.receive("socket.io#/#room#", message) }},
		"broadcast encoded": {0, func() {
			if _, err := appendBroadcast(dst, "sender", p, adapter.Target{}); err != nil {
				t.Error(err)
			}
		}},
	} {
		if n := testing.AllocsPerRun(100, tt.run); n > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, tt.most)
		}
	}
}
