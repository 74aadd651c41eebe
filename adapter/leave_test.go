package adapter

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// A peer that joins a room while LeaveAll has begun is not in it in the end, whichever
// of the two comes first.
func TestJoinWhileLeaveAllWaits(t *testing.T) {
	t.Parallel()
	for _, rooms := range [][]string{nil, {"old"}, {"old", "older"}} {
		host := newFakeHost()
		m := NewMemory(host)
		p := host.connect(m, 1, rooms...)[0]
		host.connect(m, 3, "old", "new")
		m.allMu.RLock() // nobody leaves the namespace
		var wg sync.WaitGroup
		wg.Go(func() { m.LeaveAll(p) })
		eventually(t, "LeaveAll waits", func() bool {
			if !m.allMu.TryRLock() {
				return true
			}
			m.allMu.RUnlock()
			return false
		})
		m.Join(p, "new", "another")
		m.allMu.RUnlock()
		wg.Wait()
		m.Join(p, "late")
		if got := m.Rooms(p); got != nil || m.Has("another") || m.Has("late") {
			t.Errorf("in %q after it has left", got)
		}
		for name, want := range map[string]int{"old": 3, "new": 3, "another": 0, "late": 0} {
			if got := len(selected(t, m, Target{Rooms: []string{name}})); got != want {
				t.Errorf("with %d rooms before: %d are in %q, want %d", len(rooms), got, name, want)
			}
		}
	}
}

// A room that has run empty is made anew by the next that joins, and remembers nothing.
func TestRoomIsUsedAgain(t *testing.T) {
	t.Parallel()
	host := newFakeHost()
	m := NewMemory(host)
	peers := host.connect(m, 5)
	for round := range 5 {
		name := fmt.Sprint("room-", round%2)
		for i, p := range peers {
			m.Join(p, name)
			m.Join(p, name)
			if got := len(selected(t, m, Target{Rooms: []string{name}})); got != i+1 {
				t.Fatalf("round %d: %d members, want %d", round, got, i+1)
			}
		}
		for i, p := range peers {
			m.Leave(p, name)
			m.Leave(p, name)
			if got := selected(t, m, Target{Rooms: []string{name}}); len(got) != 4-i || got[p.id] {
				t.Fatalf("round %d: %d members, want %d", round, len(got), 4-i)
			}
		}
		if m.Has(name) || m.Len() != len(peers) {
			t.Fatalf("round %d: the room is there, or some of %d peers are not", round, m.Len())
		}
	}
	for _, p := range peers {
		m.LeaveAll(p)
		m.LeaveAll(p)
	}
	checkEmpty(t, m)
}

// The peers of a namespace that has been empty are found like the first ones.
func TestNamespaceIsUsedAgain(t *testing.T) {
	t.Parallel()
	host := newFakeHost()
	m := NewMemory(host)
	for round := range 3 {
		peers := host.connect(m, 100, "room")
		if got := len(selected(t, m, Target{})); got != 100 {
			t.Fatalf("round %d: %d peers, want 100", round, got)
		}
		for i := range peers { // from both ends, so that others take their places
			if i%2 == 1 {
				i = len(peers) - i
			}
			m.LeaveAll(peers[i])
		}
		checkEmpty(t, m)
	}
}

// Memory is given back when what was large has become small, at the documented shares.
func TestShrink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ length, capacity, want int }{
		{0, shrinkAbove, shrinkAbove},
		{16, shrinkAbove, shrinkAbove},
		{16, shrinkAbove + 1, 2 * 16},
		{17, shrinkAbove + 1, shrinkAbove + 1},
		{25, 100, 50},
		{26, 100, 100},
		{100, 100, 100},
		{0, 1000, 0},
	} {
		s := make([]int, tt.length, tt.capacity)
		for i := range s {
			s[i] = i
		}
		got := shrink(s)
		if cap(got) != tt.want || len(got) != tt.length {
			t.Errorf("%d of %d became %d of %d, want %d", tt.length, tt.capacity, len(got), cap(got), tt.want)
		}
		for i, v := range got {
			if v != i {
				t.Fatalf("%d of %d: element %d is %d", tt.length, tt.capacity, i, v)
			}
		}
	}
}

// A shard's map is replaced when it has become much too large, at the documented share.
func TestShardShrinks(t *testing.T) {
	t.Parallel()
	for peak, last := range map[int]int{shrinkAbove: -1, shrinkAbove + 1: 16, 200: 50} {
		var s shard
		for i := range peak {
			s.create(fmt.Sprint(i))
		}
		for left := peak - 1; left >= 0; left-- {
			before := s.peak
			s.remove(fmt.Sprint(left))
			if shrunk := s.peak < before; shrunk && left > last || !shrunk && left == last {
				t.Errorf("of %d rooms %d are left: shrunk %t", peak, left, shrunk)
			}
			if len(s.rooms) != left {
				t.Fatalf("%d rooms are left, want %d", len(s.rooms), left)
			}
		}
	}
}
