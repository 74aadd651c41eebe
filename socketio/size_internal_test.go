package socketio

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// A connection with one socket is one object. Beyond 192 bytes the next size that
// the allocator has is 208.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 192 {
		t.Errorf("a conn has %d bytes", size)
	}
	if size := unsafe.Sizeof(Socket{}); size > 128 {
		t.Errorf("a Socket has %d bytes", size)
	}
	if size := unsafe.Sizeof(details{}); size > 112 {
		t.Errorf("details have %d bytes", size)
	}
}

// TestSocketTable compares the table with a map while it grows and shrinks. The
// hashes of few ids in a table of this size collide all the time.
func TestSocketTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	table := newSocketTable()
	model := make(map[string]*Socket)
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", i)
	}
	for i := range 50_000 {
		id := ids[rnd.IntN(len(ids))]
		growing := i/5000%2 == 0
		switch s := model[id]; {
		case s == nil && (growing || rnd.IntN(8) == 0):
			s = &Socket{id: id}
			table.add(s)
			model[id] = s
		case s != nil && (!growing || rnd.IntN(8) == 0):
			table.remove(&Socket{id: id}) // another one: nothing happens
			table.remove(s)
			delete(model, id)
		}
		if got := table.find(id); got != model[id] {
			t.Fatalf("step %d: found %p under %s, want %p", i, got, id, model[id])
		}
		if i%500 == 0 {
			checkTable(t, &table, ids, model)
		}
	}
	for _, s := range model {
		table.remove(s)
	}
	if table.count != 0 || len(table.slots) > minSlots {
		t.Errorf("%d sockets are left in %d slots", table.count, len(table.slots))
	}
}

func checkTable(t *testing.T, table *socketTable, ids []string, model map[string]*Socket) {
	t.Helper()
	for _, id := range ids {
		if got := table.find(id); got != model[id] {
			t.Fatalf("found %p under %s, want %p", got, id, model[id])
		}
	}
	all := table.all()
	if len(all) != len(model) || table.count != len(model) {
		t.Fatalf("%d sockets, count %d, want %d", len(all), table.count, len(model))
	}
	for _, s := range all {
		if model[s.id] != s {
			t.Fatalf("%s is not the socket of that id", s.id)
		}
	}
}

// BenchmarkSocketTable finds sockets among many.
func BenchmarkSocketTable(b *testing.B) {
	table := newSocketTable()
	sockets := make([]*Socket, 20_000)
	for i := range sockets {
		sockets[i] = &Socket{id: newID()}
		table.add(sockets[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := sockets[i%len(sockets)]
		if table.find(s.id) != s {
			b.Fatal("not found")
		}
	}
}
