package adapter

import (
	"fmt"
	"testing"
)

// BenchmarkEnterLeaveAll is what a client costs the index from its connecting to its going: it
// enters the namespace, joins rooms, and leaves all of them.
func BenchmarkEnterLeaveAll(b *testing.B) {
	for _, rooms := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(rooms), func(b *testing.B) {
			host := newFakeHost()
			m := NewMemory(host)
			names := make([]string, rooms)
			for i := range names {
				names[i] = fmt.Sprint("room-", i)
			}
			host.connect(m, 100, names...)
			p := host.add("guest")
			b.ReportAllocs()
			for b.Loop() {
				p.membership = Membership{}
				m.Join(p)
				m.Join(p, names...)
				m.LeaveAll(p)
			}
		})
	}
}

// BenchmarkCreateRoom joins and leaves a room that has no other member.
func BenchmarkCreateRoom(b *testing.B) {
	host := newFakeHost()
	m := NewMemory(host)
	p := host.connect(m, 1000, "room")[0]
	m.Join(p, "another", "third")
	b.ReportAllocs()
	for b.Loop() {
		m.Join(p, "new")
		m.Leave(p, "new")
	}
}

// BenchmarkManyRooms broadcasts to each of 1,000 rooms of 10 in turn.
func BenchmarkManyRooms(b *testing.B) {
	const rooms = 1000
	host := newFakeHost()
	m := NewMemory(host)
	targets := make([]Target, rooms)
	for i := range targets {
		name := fmt.Sprint("room-", i)
		host.connect(m, 10, name)
		targets[i].Rooms = []string{name}
	}
	packet, i := &Packet{Type: Event}, 0
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(packet, targets[i%rooms])
		i++
	}
}

// BenchmarkBroadcastExceptRoom leaves out the members of another room.
func BenchmarkBroadcastExceptRoom(b *testing.B) {
	host := newFakeHost()
	m := NewMemory(host)
	host.connect(m, 900, "room")
	host.connect(m, 100, "room", "other")
	packet, target := &Packet{Type: Event}, Target{Rooms: []string{"room"}, Except: []string{"other"}}
	b.ReportAllocs()
	for b.Loop() {
		m.Deliver(packet, target)
	}
}
