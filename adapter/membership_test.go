package adapter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestMembershipSeats compares a Membership with a map while it has few rooms,
// many, and few again.
func TestMembershipSeats(t *testing.T) {
	rooms := make([]*room, 3*fewSeats)
	for i := range rooms {
		rooms[i] = &room{name: fmt.Sprint(i)}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var m Membership
	model := make(map[*room]int32)
	for i := range 20_000 {
		r, at := rooms[rnd.IntN(len(rooms))], rnd.Int32()
		full := i/2000%2 == 0 // whether most operations add
		switch place := m.find(r); {
		case place == nil && (full || rnd.IntN(10) == 0):
			m.add(r, at)
			model[r] = at
		case place != nil && rnd.IntN(2) == 0:
			*place = at
			model[r] = at
		case place != nil && (!full || rnd.IntN(10) == 0):
			if got, ok := m.remove(r); !ok || got != model[r] {
				t.Fatalf("removed place %d, %t of room %s, want %d", got, ok, r.name, model[r])
			}
			delete(model, r)
		}
		if m.len() != len(model) {
			t.Fatalf("in %d rooms, want %d", m.len(), len(model))
		}
	}
	checkSeats(t, &m, rooms, model)
}

// checkSeats compares all of a Membership with the model, and empties it.
func checkSeats(t *testing.T, m *Membership, rooms []*room, model map[*room]int32) {
	t.Helper()
	for _, r := range rooms {
		want, in := model[r]
		if place := m.find(r); (place != nil) != in || in && *place != want {
			t.Errorf("place %v in room %s, want %d, %t", place, r.name, want, in)
		}
		if !in {
			if _, ok := m.remove(r); ok {
				t.Errorf("removed from room %s, which it is not in", r.name)
			}
		}
	}
	names := m.appendRooms(nil)
	for _, r := range rooms {
		if _, in := model[r]; in != slices.Contains(names, r.name) {
			t.Errorf("room %s in the list of rooms: %t, want %t", r.name, !in, in)
		}
	}
	for name, ok := m.any(); ok; name, ok = m.any() {
		i := slices.IndexFunc(rooms, func(r *room) bool { return r.name == name })
		if _, ok := m.remove(rooms[i]); !ok {
			t.Fatalf("not in room %s", name)
		}
	}
	if m.len() != 0 {
		t.Errorf("%d rooms are left", m.len())
	}
}

// What has no room beside its own costs no more than this; see socketio.Socket,
// which embeds it.
func TestMembershipIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Membership{}); size > 48 {
		t.Errorf("a Membership has %d bytes", size)
	}
	if size := unsafe.Sizeof(room{}); size > 48 {
		t.Errorf("a room has %d bytes", size)
	}
}

// A peer that goes from room to room leaves no garbage, and one that comes and
// goes into a room of its own neither.
func TestMoveBetweenRoomsDoesNotAllocate(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	p := host.connect(m, 100, "a", "b", "c")[0]
	m.Leave(p, "c")
	names := [][]string{{"a"}, {"b"}, {"c"}, {"own"}}
	var next int
	allocs := testing.AllocsPerRun(1000, func() {
		m.Leave(p, names[next]...)
		next = (next + 1) % len(names)
		m.Join(p, names[next]...)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A peer that has left its rooms keeps the memory of a few of them, not of many.
func TestLeavingManyRoomsGivesMemoryBack(t *testing.T) {
	for count, want := range map[int]bool{2: true, 1 + idleSeats: true, 2 + idleSeats: false, 100: false} {
		var m Membership
		rooms := make([]*room, count)
		for i := range rooms {
			rooms[i] = &room{name: fmt.Sprint(i)}
			m.add(rooms[i], 0)
		}
		for _, r := range rooms {
			m.remove(r)
		}
		if kept := m.more != nil; kept != want || m.len() != 0 {
			t.Errorf("%d rooms: memory is kept: %t, want %t; in %d", count, kept, want, m.len())
		}
	}
}

// A room of a peer's own that comes and goes is made of what the one before has left.
func TestRoomThatComesAndGoesDoesNotAllocate(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	p := host.connect(m, 1, "a")[0]
	if allocs := testing.AllocsPerRun(1000, func() {
		m.Join(p, "own")
		m.Leave(p, "own")
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Nobody is not delivered to.
func TestNothingIsDeliveredToNobody(t *testing.T) {
	host := newFakeHost()
	m := NewMemory(host)
	host.deliver = func(_ *Packet, to []Peer, _ Flags) {
		if len(to) == 0 {
			t.Error("delivered to nobody")
		}
	}
	for _, target := range []Target{{}, {Rooms: []string{"nobody"}}, {Except: []string{"a"}}} {
		m.Deliver(&Packet{}, target)
		count, stop := m.DeliverWithAck(&Packet{}, target, func(Reply, bool) {})
		if stop(); count != 0 {
			t.Errorf("%d sockets of none", count)
		}
		host.connect(m, 1, "a")
	}
	if host.asked != 0 {
		t.Errorf("the host was asked %d times for the answers of nobody", host.asked)
	}
}
