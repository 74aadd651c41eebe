package adapter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"
)

// crowd is a number of peers in random rooms, and who is in which.
type crowd struct {
	index *Memory
	peers []*fakePeer
	in    []map[string]bool // by peer, its own id among them
	names []string          // of the rooms, and of some peers
}

func newCrowd(rnd *rand.Rand, peers, rooms int) *crowd {
	host := newFakeHost()
	c := &crowd{index: NewMemory(host)}
	for i := range rooms {
		c.names = append(c.names, fmt.Sprint("room-", i))
	}
	c.peers = host.connect(c.index, peers)
	for _, p := range c.peers {
		in := map[string]bool{p.id: true}
		for _, name := range c.names {
			if rnd.IntN(3) == 0 {
				c.index.Join(p, name)
				in[name] = true
			}
		}
		c.in = append(c.in, in)
	}
	for _, p := range c.peers[:min(3, peers)] {
		c.names = append(c.names, p.id)
	}
	return c
}

// selects returns who the target selects, one peer after the other.
func (c *crowd) selects(t Target) map[string]bool {
	ids := make(map[string]bool)
	for i, p := range c.peers {
		within := func(name string) bool { return c.in[i][name] }
		if (len(t.Rooms) == 0 || slices.ContainsFunc(t.Rooms, within)) && !slices.ContainsFunc(t.Except, within) {
			ids[p.id] = true
		}
	}
	return ids
}

// Targets of any size select what they should, in any order: what finds them is used
// again for the next.
func TestSelectWithManyOverlappingRooms(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(8, 9))
	for _, size := range []int{1, fewExcept, fewExcept + 1, 60} {
		c := newCrowd(rnd, size, 2*fewNames)
		pick := func() []string {
			n := []int{0, 1, 2, fewNames - 1, fewNames, fewNames + 1, 2 * fewNames}[rnd.IntN(7)]
			names := make([]string, n)
			for i := range names {
				names[i] = c.names[rnd.IntN(len(c.names))]
			}
			return names
		}
		for range 2000 {
			target := Target{Rooms: pick(), Except: pick()}
			if rnd.IntN(4) == 0 {
				target.Except = slices.Clone(target.Rooms)
			}
			if got, want := selected(t, c.index, target), c.selects(target); !maps.Equal(got, want) {
				t.Fatalf("of %d peers %+v selects %d, want %d", size, target, len(got), len(want))
			}
		}
	}
}

// More than a few rooms that are named in both lists except all that they select.
func TestExceptTheRoomsThatAreSelected(t *testing.T) {
	t.Parallel()
	host := newFakeHost()
	m := NewMemory(host)
	var names []string
	for i := range fewNames + 4 {
		names = append(names, fmt.Sprint("room-", i))
	}
	host.connect(m, fewExcept+4, names...)
	apart := host.connect(m, 1, names[0], "apart")[0]
	for round := range 3 {
		if got := selected(t, m, Target{Rooms: names, Except: names}); len(got) > 0 {
			t.Errorf("round %d: %d are selected, want none", round, len(got))
		}
		if got := selected(t, m, Target{Rooms: names, Except: names[1:]}); len(got) != 1 || !got[apart.id] {
			t.Errorf("round %d: %d are selected, want the one that is in none of the others", round, len(got))
		}
		if got := selected(t, m, Target{Rooms: names, Except: append(slices.Clone(names[1:]), "apart")}); len(got) > 0 {
			t.Errorf("round %d: %d are selected, want none", round, len(got))
		}
		if got := selected(t, m, Target{Rooms: names}); len(got) != fewExcept+5 {
			t.Errorf("round %d: %d are selected, want all", round, len(got))
		}
	}
}

// A selection that is done keeps no peer alive, not even one that is used for less the
// next time.
func TestSelectForgets(t *testing.T) {
	var s selection
	var gone []weak.Pointer[fakePeer]
	func() {
		host := newFakeHost()
		m := NewMemory(host)
		peers := host.connect(m, 20, "a", "b")
		names := []string{"a", "b"}
		for i, p := range peers {
			gone = append(gone, weak.Make(p))
			names = append(names, fmt.Sprint("none-", i))
		}
		for _, target := range []Target{
			{}, {Rooms: []string{"a", "b"}}, {Rooms: names}, {Rooms: names, Except: names}, {Except: []string{"a"}}, {Rooms: []string{peers[0].id}},
		} {
			s.gather(m, target)
			s.reset()
			if len(s.peers)+len(s.except)+len(s.set)+len(s.names) > 0 {
				t.Errorf("after %+v %d peers, %d and %d excepted ones and %d names are left", target, len(s.peers), len(s.except), len(s.set), len(s.names))
			}
		}
	}()
	runtime.GC()
	for i, p := range gone {
		if p.Value() != nil {
			t.Errorf("peer %d is kept", i)
		}
	}
	runtime.KeepAlive(&s)
}

// What a selection has needed once is kept for the next time up to a size, and not beyond
// it.
func TestSelectGivesMemoryBack(t *testing.T) {
	t.Parallel()
	fill := func(size int) *selection {
		s := &selection{
			peers: make([]Peer, size), except: make([]*Membership, size),
			set: make(map[*Membership]struct{}), names: make(map[string]struct{}),
		}
		for i := range size {
			s.set[new(Membership)] = struct{}{}
			s.names[fmt.Sprint(i)] = struct{}{}
		}
		s.reset()
		return s
	}
	if s := fill(largeSelection); cap(s.peers) == 0 || cap(s.except) == 0 || s.set == nil || s.names == nil {
		t.Error("a selection that is not too large is not kept")
	}
	if s := fill(largeSelection + 1); cap(s.peers) > 0 || cap(s.except) > 0 || s.set != nil || s.names != nil {
		t.Error("a selection that is too large is kept")
	}
}
