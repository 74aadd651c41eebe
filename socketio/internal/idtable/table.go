// Package idtable finds things by their ids as a map does, in a third of the memory:
// the ids are in the things already, so the table holds nothing but pointers.
package idtable

import "hash/maphash"

// Entry is what a table holds: a pointer to something whose id never changes.
type Entry interface {
	comparable
	ID() string
}

// Table is a set of entries with different ids. It is not safe for concurrent use.
// [New] makes one.
type Table[E Entry] struct {
	seed  maphash.Seed
	slots []E // a power of two; an entry is at the slot of its hash, or behind it without a gap
	count int
}

const (
	minSlots = 16
	// The table grows when more than 3 of 4 slots are taken, and shrinks when
	// fewer than 1 of 8 are.
	fullNum, fullDen = 3, 4
	sparse           = 8
)

// New returns an empty table.
func New[E Entry]() Table[E] { return Table[E]{seed: maphash.MakeSeed()} }

// Len returns the number of entries.
func (t *Table[E]) Len() int { return t.count }

// Find returns the entry with that id, the zero value if there is none.
func (t *Table[E]) Find(id string) E {
	if t.count == 0 {
		var none E
		return none
	}
	return t.slots[t.slot(id)]
}

// Add puts an entry into the table, in place of one with the same id.
func (t *Table[E]) Add(e E) {
	var none E
	if fullDen*(t.count+1) > fullNum*len(t.slots) {
		t.resize(max(minSlots, 2*len(t.slots)))
	}
	i := t.slot(e.ID())
	if t.slots[i] == none {
		t.count++
	}
	t.slots[i] = e
}

// Remove takes an entry out of the table. It does nothing if the entry is not there,
// though another one with its id may be.
func (t *Table[E]) Remove(e E) {
	var none E
	if t.Find(e.ID()) != e {
		return
	}
	hole := t.slot(e.ID())
	for i := t.next(hole); t.slots[i] != none; i = t.next(i) {
		// One that could be in the hole, since its home is not between the hole
		// and its place, closes the gap.
		if t.distance(t.home(t.slots[i].ID()), i) >= t.distance(hole, i) {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = none
	t.count--
	if len(t.slots) > minSlots && sparse*t.count < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
}

// All returns the entries.
func (t *Table[E]) All() []E {
	var none E
	all := make([]E, 0, t.count)
	for _, e := range t.slots {
		if e != none {
			all = append(all, e)
		}
	}
	return all
}

// slot returns where the entry with that id is, or the free slot where it would be.
// There must be one.
func (t *Table[E]) slot(id string) int {
	var none E
	i := t.home(id)
	for t.slots[i] != none && t.slots[i].ID() != id {
		i = t.next(i)
	}
	return i
}

// home returns the slot of the id's hash.
func (t *Table[E]) home(id string) int {
	return int(maphash.String(t.seed, id)) & (len(t.slots) - 1)
}

func (t *Table[E]) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

// distance returns how many slots i is behind from.
func (t *Table[E]) distance(from, i int) int { return (i - from) & (len(t.slots) - 1) }

func (t *Table[E]) resize(n int) {
	var none E
	old := t.slots
	t.slots = make([]E, n)
	for _, e := range old {
		if e != none {
			t.slots[t.slot(e.ID())] = e
		}
	}
}
