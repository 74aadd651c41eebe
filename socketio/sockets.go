package socketio

import "hash/maphash"

// socketTable finds sockets by their ids, as a map does, in a third of the memory:
// the ids are in the sockets already. It is not safe for concurrent use.
type socketTable struct {
	seed  maphash.Seed
	slots []*Socket // a power of two; a socket is at the slot of its hash, or behind it without a gap
	count int
}

const (
	minSlots = 16
	// The table grows when more than 3 of 4 slots are taken, and shrinks when
	// fewer than 1 of 8 are.
	fullNum, fullDen = 3, 4
	sparse           = 8
)

func newSocketTable() socketTable { return socketTable{seed: maphash.MakeSeed()} }

// slot returns where the socket with that id is, or the free slot where it would
// be. There must be one.
func (t *socketTable) slot(id string) int {
	i := t.home(id)
	for t.slots[i] != nil && t.slots[i].id != id {
		i = t.next(i)
	}
	return i
}

func (t *socketTable) home(id string) int {
	return int(maphash.String(t.seed, id)) & (len(t.slots) - 1)
}

func (t *socketTable) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

// find returns the socket with that id, nil if there is none.
func (t *socketTable) find(id string) *Socket {
	if t.count == 0 {
		return nil
	}
	return t.slots[t.slot(id)]
}

// add puts a socket into the table, in place of one with the same id.
func (t *socketTable) add(s *Socket) {
	if fullDen*(t.count+1) > fullNum*len(t.slots) {
		t.resize(max(minSlots, 2*len(t.slots)))
	}
	i := t.slot(s.id)
	if t.slots[i] == nil {
		t.count++
	}
	t.slots[i] = s
}

// remove takes a socket out of the table, if it is there.
func (t *socketTable) remove(s *Socket) {
	if t.find(s.id) != s {
		return
	}
	hole := t.slot(s.id)
	for i := t.next(hole); t.slots[i] != nil; i = t.next(i) {
		// One that could be in the hole, since its home is not between the hole
		// and its place, closes the gap.
		if away := i - t.home(t.slots[i].id); away&(len(t.slots)-1) >= (i-hole)&(len(t.slots)-1) {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = nil
	t.count--
	if len(t.slots) > minSlots && sparse*t.count < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
}

func (t *socketTable) resize(n int) {
	old := t.slots
	t.slots = make([]*Socket, n)
	for _, s := range old {
		if s != nil {
			t.slots[t.slot(s.id)] = s
		}
	}
}

// all returns the sockets.
func (t *socketTable) all() []*Socket {
	all := make([]*Socket, 0, t.count)
	for _, s := range t.slots {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}
