package adapter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// model is the plainest index there is: a set of rooms for each peer.
type model struct {
	host  *fakeHost
	index *Memory
	peers []*fakePeer
	rooms []map[string]bool // nil for a peer that has left
}

var modelRooms = []string{"a", "b", "c", "d", "e", "peer-0", "123", ""}

// step does one random operation on both.
func (m *model) step(rnd *rand.Rand) {
	if len(m.peers) == 0 || rnd.IntN(20) == 0 {
		p := m.host.add(fmt.Sprint("peer-", len(m.peers)))
		m.index.Join(p)
		m.peers = append(m.peers, p)
		m.rooms = append(m.rooms, map[string]bool{})
		return
	}
	i := rnd.IntN(len(m.peers))
	names := make([]string, 1+rnd.IntN(3))
	for j := range names {
		names[j] = modelRooms[rnd.IntN(len(modelRooms))]
	}
	switch op := rnd.IntN(20); {
	case op < 10:
		m.index.Join(m.peers[i], names...)
		for _, name := range names {
			if m.rooms[i] != nil && name != m.peers[i].id {
				m.rooms[i][name] = true
			}
		}
	case op < 19:
		m.index.Leave(m.peers[i], names...)
		for _, name := range names {
			delete(m.rooms[i], name)
		}
	default:
		m.index.LeaveAll(m.peers[i])
		m.rooms[i] = nil
	}
}

// selected returns what the model says a target selects.
func (m *model) selected(t Target) map[string]bool {
	in := func(i int, name string) bool { return m.rooms[i][name] || m.peers[i].id == name }
	ids := make(map[string]bool)
	for i, p := range m.peers {
		within := func(name string) bool { return in(i, name) }
		if m.rooms[i] != nil && (len(t.Rooms) == 0 || slices.ContainsFunc(t.Rooms, within)) &&
			!slices.ContainsFunc(t.Except, within) {
			ids[p.id] = true
		}
	}
	return ids
}

// check compares everything.
func (m *model) check(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	for i, p := range m.peers {
		got, want := m.index.Rooms(p), slices.Sorted(maps.Keys(m.rooms[i]))
		if m.rooms[i] == nil {
			if got != nil {
				t.Fatalf("%s has left and is in %q", p.id, got)
			}
			continue
		}
		if got[0] != p.id {
			t.Fatalf("the first room of %s is %q", p.id, got[0])
		}
		if slices.Sort(got[1:]); !slices.Equal(got[1:], want) {
			t.Fatalf("%s is in %q, want %q", p.id, got[1:], want)
		}
	}
	pick := func(n int) (names []string) {
		for range n {
			names = append(names, modelRooms[rnd.IntN(len(modelRooms))])
		}
		return names
	}
	for range 10 {
		target := Target{Rooms: pick(rnd.IntN(4)), Except: pick(rnd.IntN(3))}
		if got, want := selected(t, m.index, target), m.selected(target); !maps.Equal(got, want) {
			t.Fatalf("%+v selects %v, want %v", target, got, want)
		}
	}
	for _, name := range modelRooms {
		if got, want := m.index.Has(name), len(m.selected(Target{Rooms: []string{name}})) > 0; got != want {
			t.Fatalf("has %q: %t, want %t", name, got, want)
		}
	}
}

func TestMemoryModel(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		host := newFakeHost()
		m := &model{host: host, index: NewMemory(host)}
		for i := range 1500 {
			m.step(rnd)
			if i%50 == 0 {
				m.check(t, rnd)
			}
		}
		m.check(t, rnd)
		for _, p := range m.peers {
			m.index.LeaveAll(p)
		}
		checkEmpty(t, m.index)
	}
}

// checkEmpty checks that there is no ghost of a room or of a member left.
func checkEmpty(t *testing.T, m *Memory) {
	t.Helper()
	if m.Len() != 0 {
		t.Errorf("%d members are left", m.Len())
	}
	for i := range m.shards {
		for name, r := range m.shards[i].rooms {
			t.Errorf("the room %q is left, with %d members", name, len(r.members))
		}
	}
}

// TestMemoryConcurrent has peers come and go from many goroutines, each of which
// knows its own peers only. Two of them work on the same peers.
func TestMemoryConcurrent(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	var wg sync.WaitGroup
	for w := range 4 {
		peers := host.connect(m, 20)
		shared := host.connect(m, 5)
		for range 2 {
			wg.Go(func() { shuffle(m, shared, w) })
		}
		wg.Go(func() { shuffle(m, peers, w) })
		wg.Go(func() {
			for range 200 {
				selected(t, m, Target{Rooms: []string{"a", "b", peers[0].id}, Except: []string{"c"}})
				m.Has("a")
				m.Rooms(peers[1])
				m.Deliver(&Packet{}, Target{})
			}
		})
	}
	wg.Wait()
	checkEmpty(t, m)
}

// shuffle has the peers join and leave at random, and then leave for good.
func shuffle(m *Memory, peers []*fakePeer, seed int) {
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	for range 500 {
		p, name := peers[rnd.IntN(len(peers))], modelRooms[rnd.IntN(5)]
		if rnd.IntN(2) == 0 {
			m.Join(p, name)
		} else {
			m.Leave(p, name)
		}
	}
	for _, p := range peers {
		m.LeaveAll(p)
		m.Join(p, "a", "b")
	}
}

// TestMemoryJoinRacesLeaveAll joins rooms while the peer leaves for good: it
// must not stay behind in any of them.
func TestMemoryJoinRacesLeaveAll(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	for range 200 {
		p := host.connect(m, 1)[0]
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, name := range modelRooms[:5] {
				m.Join(p, name)
			}
		})
		wg.Go(func() { m.LeaveAll(p) })
		wg.Wait()
	}
	checkEmpty(t, m)
}

func TestMemoryBeforeJoin(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	p := host.add("peer")
	if m.Rooms(p) != nil || m.Has("peer") || len(selected(t, m, Target{Rooms: []string{"peer"}})) != 0 {
		t.Error("a peer is in a namespace that it has not joined")
	}
	m.LeaveAll(p)
	m.Join(p)
	if m.Len() != 0 {
		t.Error("a peer has joined after it has left for good")
	}
}

// TestMemoryManyRooms: what a peer does with its rooms must not take longer the
// more it has of them.
func TestMemoryManyRooms(t *testing.T) {
	const count = 20_000
	host := newFakeHost()
	m := NewMemory(host)
	p := host.connect(m, 1)[0]
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprint("room-", i)
	}
	start := time.Now()
	m.Join(p, names...)
	m.Join(p, names...)
	for _, name := range names[:count/2] {
		m.Leave(p, name)
	}
	if got := len(m.Rooms(p)); got != count/2+1 {
		t.Errorf("in %d rooms, want %d", got, count/2+1)
	}
	m.LeaveAll(p)
	checkEmpty(t, m)
	// It takes some 20 ms; searching for each room would take minutes under the
	// race detector.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestMemoryShrinks: rooms and members of the past cost nothing.
func TestMemoryShrinks(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	peers := host.connect(m, 5_000, "room")
	for i, p := range peers {
		m.Join(p, fmt.Sprint("own-", i))
	}
	for _, p := range peers[10:] {
		m.LeaveAll(p)
	}
	if got := cap(m.all); got > 100 {
		t.Errorf("room for %d members is kept for 10", got)
	}
	if got := cap(m.shard("room").rooms["room"].members); got > 100 {
		t.Errorf("room for %d members is kept for the 10 of a room", got)
	}
	for i := range m.shards {
		if got := m.shards[i].peak; got > shrinkAbove {
			t.Errorf("a map for %d rooms is kept for %d", got, len(m.shards[i].rooms))
		}
	}
	if got := len(selected(t, m, Target{Rooms: []string{"room"}})); got != 10 {
		t.Errorf("%d members are left, want 10", got)
	}
}

func TestMemoryAllocations(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	peers := host.connect(m, 100, "room", "other")
	packet := &Packet{Type: Event}
	var delivered int
	host.deliver = func(_ *Packet, to []Peer, _ Flags) { delivered += len(to) }
	for _, test := range []struct {
		name   string
		target Target
	}{
		{"a room", Target{Rooms: []string{"room"}}},
		{"all", Target{}},
		{"a socket", Target{Rooms: []string{peers[0].id}}},
		{"a room except a socket", Target{Rooms: []string{"room"}, Except: []string{peers[0].id}}},
		{"rooms", Target{Rooms: []string{"room", "other"}}},
		{"a room except a room", Target{Rooms: []string{"room"}, Except: []string{"other"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(100, func() { m.Deliver(packet, test.target) })
			if allocs != 0 && !raceEnabled { // the race detector empties pools
				t.Errorf("%v allocations for a broadcast", allocs)
			}
		})
	}
	if delivered == 0 {
		t.Error("nothing was delivered")
	}
}

// TestMembershipSize: a server has many sockets, each in some rooms.
func TestMembershipSize(t *testing.T) {
	const count = 20_000
	host := newFakeHost()
	m := NewMemory(host)
	peers := host.connect(m, count)
	before := heap()
	for i, p := range peers {
		m.Join(p, modelRooms[i%4], modelRooms[4])
	}
	perRoom := float64(heap()-before) / (2 * count)
	t.Logf("%.1f bytes a membership", perRoom)
	if perRoom > 32 && !raceEnabled {
		t.Errorf("a membership takes %.1f bytes", perRoom)
	}
	runtime.KeepAlive(m)
}

// heap returns the size of what is reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestPacketMemo(t *testing.T) {
	var built atomic.Int32
	build := func(p *Packet) any {
		built.Add(1)
		return string(p.Data)
	}
	p := &Packet{Data: []byte("data")}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := p.Memo(build); got != "data" {
				t.Errorf("got %v", got)
			}
		})
	}
	wg.Wait()
	if n := built.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func BenchmarkBroadcastRoom(b *testing.B) {
	for _, size := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			host := newFakeHost()
			m := NewMemory(host)
			host.connect(m, size, "room")
			packet, target := &Packet{Type: Event}, Target{Rooms: []string{"room"}}
			b.ReportAllocs()
			for b.Loop() {
				m.Deliver(packet, target)
			}
		})
	}
}

func BenchmarkBroadcastExceptSender(b *testing.B) {
	host := newFakeHost()
	m := NewMemory(host)
	peers := host.connect(m, 1000, "room")
	packet, target := &Packet{Type: Event}, Target{Rooms: []string{"room"}, Except: []string{peers[0].id}}
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(packet, target)
	}
}

func BenchmarkBroadcastTwoRooms(b *testing.B) {
	host := newFakeHost()
	m := NewMemory(host)
	host.connect(m, 1000, "room", "other")
	packet, target := &Packet{Type: Event}, Target{Rooms: []string{"room", "other"}}
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(packet, target)
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	host := newFakeHost()
	m := NewMemory(host)
	p := host.connect(m, 1000, "room")[0]
	b.ReportAllocs()
	for b.Loop() {
		m.Join(p, "another")
		m.Leave(p, "another")
	}
}

// TestRepeatedRooms selects by a list that names a room over and over, as one that
// comes from elsewhere may. That costs as much as to name it once.
func TestRepeatedRooms(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	for i := range 1000 {
		p := host.add(fmt.Sprint("peer-", i))
		m.Join(p)
		m.Join(p, "r")
	}
	for _, names := range [][]string{{"r", "r"}, slices.Repeat([]string{"r", "none"}, 25_000)} {
		for what, target := range map[string]Target{"except": {Except: names}, "rooms": {Rooms: names}} {
			want := map[string]int{"except": 0, "rooms": 1000}[what]
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n := 0
			m.Select(target, func(peers []Peer) { n += len(peers) })
			runtime.ReadMemStats(&after)
			if n != want {
				t.Errorf("%s, %d names: %d sockets are selected, want %d", what, len(names), n, want)
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 100 {
				t.Errorf("%s, %d names: %d MB are allocated", what, len(names), mb)
			}
		}
	}
}
