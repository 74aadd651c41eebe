package adapter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
)

// fakeHost is a host that only counts what it delivers. The suite of package
// adaptertest has a better one, which the tests in this package cannot import.
type fakeHost struct {
	mu    sync.Mutex
	peers map[string]*fakePeer

	deliver func(p *Packet, to []Peer, f Flags)
	asked   int // how often for answers
}

type fakePeer struct {
	id         string
	membership Membership
}

func (p *fakePeer) ID() string              { return p.id }
func (p *fakePeer) Membership() *Membership { return &p.membership }

func newFakeHost() *fakeHost {
	return &fakeHost{peers: make(map[string]*fakePeer), deliver: func(*Packet, []Peer, Flags) {}}
}

// add makes a peer that is connected, but not in the namespace yet.
func (h *fakeHost) add(id string) *fakePeer {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &fakePeer{id: id}
	h.peers[id] = p
	return p
}

// connect makes n peers that are in the namespace and in the rooms.
func (h *fakeHost) connect(m *Memory, n int, rooms ...string) []*fakePeer {
	peers := make([]*fakePeer, n)
	for i := range peers {
		peers[i] = h.add(fmt.Sprintf("peer-%015d", len(h.peers)))
		m.Join(peers[i])
		if len(rooms) > 0 {
			m.Join(peers[i], rooms...)
		}
	}
	return peers
}

func (h *fakeHost) Namespace() string    { return "/" }
func (h *fakeHost) ServerID() string     { return "server" }
func (h *fakeHost) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (h *fakeHost) Peer(id string) (Peer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, ok := h.peers[id]; ok {
		return p, true
	}
	return nil, false
}

func (h *fakeHost) Describe(p Peer) RemoteSocket { return RemoteSocket{ID: p.ID()} }

func (h *fakeHost) Deliver(p *Packet, to []Peer, f Flags) { h.deliver(p, to, f) }

func (h *fakeHost) DeliverWithAck(*Packet, []Peer, Flags, func(Reply, bool)) func() {
	h.asked++
	return func() {}
}

func (h *fakeHost) Disconnect(Peer, bool) {}

func (h *fakeHost) ServeServerEvent(context.Context, []byte, [][]byte, func(Reply)) {}

// selected returns the ids of the peers that the target selects. It fails if one
// is selected twice.
func selected(t *testing.T, m *Memory, target Target) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	m.Select(target, func(to []Peer) {
		for _, p := range to {
			if ids[p.ID()] {
				t.Errorf("%s was selected twice by %+v", p.ID(), target)
			}
			ids[p.ID()] = true
		}
	})
	return ids
}
