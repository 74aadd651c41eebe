package idtable

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct{ id string }

func (t *thing) ID() string { return t.id }

// TestTable compares the table with a map while it grows and shrinks. The hashes of
// few ids in a table of this size collide all the time.
func TestTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	table := New[*thing]()
	model := make(map[string]*thing)
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", i)
	}
	for i := range 50_000 {
		id := ids[rnd.IntN(len(ids))]
		growing := i/5000%2 == 0
		switch e := model[id]; {
		case e == nil && (growing || rnd.IntN(8) == 0):
			e = &thing{id}
			table.Add(e)
			model[id] = e
		case e != nil && (!growing || rnd.IntN(8) == 0):
			table.Remove(&thing{id}) // another one: nothing happens
			table.Remove(e)
			delete(model, id)
		}
		if got := table.Find(id); got != model[id] {
			t.Fatalf("step %d: found %p under %s, want %p", i, got, id, model[id])
		}
		if i%500 == 0 {
			check(t, &table, ids, model)
		}
	}
	for _, e := range model {
		table.Remove(e)
	}
	if table.Len() != 0 || len(table.slots) > minSlots {
		t.Errorf("%d entries are left in %d slots", table.Len(), len(table.slots))
	}
}

func check(t *testing.T, table *Table[*thing], ids []string, model map[string]*thing) {
	t.Helper()
	for _, id := range ids {
		if got := table.Find(id); got != model[id] {
			t.Fatalf("found %p under %s, want %p", got, id, model[id])
		}
	}
	all := table.All()
	if len(all) != len(model) || table.Len() != len(model) {
		t.Fatalf("%d entries, length %d, want %d", len(all), table.Len(), len(model))
	}
	for _, e := range all {
		if model[e.id] != e {
			t.Fatalf("%s is not the entry of that id", e.id)
		}
	}
}

func TestAddReplaces(t *testing.T) {
	table := New[*thing]()
	first, second := &thing{"a"}, &thing{"a"}
	table.Add(first)
	table.Add(second)
	if got := table.Find("a"); got != second || table.Len() != 1 {
		t.Errorf("found %p of %d, want %p", got, table.Len(), second)
	}
}

func BenchmarkFind(b *testing.B) {
	table := New[*thing]()
	things := make([]*thing, 20_000)
	for i := range things {
		things[i] = &thing{fmt.Sprintf("%020d", i)}
		table.Add(things[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := things[i%len(things)]
		if table.Find(e.id) != e {
			b.Fatal("not found")
		}
	}
}
