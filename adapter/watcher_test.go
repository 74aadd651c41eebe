package adapter

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// watchingHost keeps which rooms its peers are in, by what it is told.
type watchingHost struct {
	*fakeHost

	t     *testing.T
	mu    sync.Mutex
	rooms map[Peer][]string
}

func (h *watchingHost) Joined(p Peer, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range rooms {
		if slices.Contains(h.rooms[p], name) {
			h.t.Errorf("%s has joined %q twice", p.ID(), name)
		}
	}
	h.rooms[p] = append(h.rooms[p], rooms...)
}

func (h *watchingHost) Left(p Peer, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range rooms {
		i := slices.Index(h.rooms[p], name)
		if i < 0 {
			h.t.Errorf("%s has left %q, but not joined it", p.ID(), name)
			continue
		}
		h.rooms[p] = slices.Delete(h.rooms[p], i, i+1)
	}
}

// A host that wants to know is told each joining and leaving, once.
func TestRoomWatcher(t *testing.T) {
	h := &watchingHost{fakeHost: newFakeHost(), t: t, rooms: make(map[Peer][]string)}
	m := NewMemory(h)
	peers := h.connect(m, 4)
	rnd := rand.New(rand.NewPCG(1, 2))
	names := append([]string{peers[0].ID()}, modelRooms...)
	for range 2000 {
		p := peers[rnd.IntN(len(peers))]
		some := []string{names[rnd.IntN(len(names))], names[rnd.IntN(len(names))]}
		switch rnd.IntN(4) {
		case 0:
			m.Join(p, some...)
		case 1:
			m.Leave(p, some...)
		case 2:
			_ = m.JoinAll(context.Background(), Target{Except: []string{p.ID()}}, some...)
		case 3:
			_ = m.LeaveMatching(context.Background(), Target{Rooms: []string{p.ID()}}, some...)
		}
		for _, p := range peers {
			want, got := m.Rooms(p)[1:], slices.Clone(h.rooms[p])
			slices.Sort(want)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Fatalf("%s is in %q, by what was told in %q", p.ID(), want, got)
			}
		}
	}
	for _, p := range peers {
		m.Join(p, "last")
		m.LeaveAll(p)
		m.Join(p, "late")
		if rooms := h.rooms[p]; len(rooms) > 0 {
			t.Errorf("%s has gone and is in %q, by what was told", p.ID(), rooms)
		}
	}
}
