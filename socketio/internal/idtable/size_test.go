package idtable

import (
	"fmt"
	"testing"
)

// The table grows and shrinks at the shares that it is documented to, not one entry
// earlier or later, and does so again.
func TestSizeFollowsTheCount(t *testing.T) {
	table := New[*thing]()
	things := make([]*thing, 200)
	for i := range things {
		things[i] = &thing{fmt.Sprint("id-", i)}
	}
	for round := range 2 {
		want := minSlots
		for i, e := range things {
			table.Add(e)
			if count := i + 1; 4*count > 3*want {
				want *= 2
			}
			if len(table.slots) != want {
				t.Fatalf("round %d: %d entries in %d slots, want %d", round, i+1, len(table.slots), want)
			}
		}
		for i, e := range things {
			table.Remove(e)
			if count := len(things) - i - 1; want > minSlots && 8*count < want {
				want /= 2
			}
			if len(table.slots) != want {
				t.Fatalf("round %d: %d entries in %d slots, want %d", round, table.Len(), len(table.slots), want)
			}
		}
		if want != minSlots || table.Len() != 0 {
			t.Errorf("round %d: %d entries in %d slots are left", round, table.Len(), want)
		}
	}
}

// A table that has run empty forgets what was in it.
func TestEmptyTable(t *testing.T) {
	table := New[*thing]()
	e := &thing{"a"}
	for range 3 {
		if table.Find("a") != nil || len(table.All()) != 0 {
			t.Fatal("something is in an empty table")
		}
		table.Remove(e) // nothing happens
		table.Add(e)
		if table.Find("a") != e || table.Len() != 1 {
			t.Fatal("not found")
		}
		table.Remove(e)
		for _, slot := range table.slots {
			if slot != nil {
				t.Fatal("an entry is kept")
			}
		}
	}
}
