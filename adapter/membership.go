package adapter

import "sync"

// Membership is the part of a peer that its adapter owns: the rooms that the
// peer is in. A host embeds one in each of its peers and returns its address
// from [Peer.Membership]. The zero value is ready; it serves one namespace of
// one adapter and must not be copied.
//
// Most peers are in one room beside their own, which costs no memory besides the
// Membership and a pointer in the room.
type Membership struct {
	mu    sync.Mutex // taken after the lock of a shard or of Memory.all, never before
	peer  Peer       // set before the member is seen anywhere, never changed
	first *room      // one of the rooms; nil if there is none. Guarded by mu
	at    int32      // the member's place in it, guarded by mu
	place int32      // see below; changed with mu and Memory.allMu held
	more  *seats     // in the other rooms; nil until there are some. Guarded by mu
}

// The values of Membership.place, besides the place in Memory.all plus one.
const (
	placeNew  = 0
	placeLeft = -1
)

// seats are a member's places in rooms.
type seats struct {
	list []seat
	of   map[*room]int // the index in list; nil while the list is short
}

// seat is a member's place in one room.
type seat struct {
	room *room
	at   int32 // in room.members
}

const (
	// fewSeats is the number of rooms up to which a peer's rooms are searched one
	// by one.
	fewSeats = 32
	// An empty list of this many seats is kept for the next room.
	idleSeats = 4
)

// joined reports whether the member is in the namespace. m.mu is held.
func (m *Membership) joined() bool { return m.place > 0 }

// find returns where the member's place in the room is kept, nil if it is not in
// it. m.mu is held.
func (m *Membership) find(r *room) *int32 {
	if m.first == r {
		return &m.at
	}
	if m.more == nil {
		return nil
	}
	if i := m.more.index(r); i >= 0 {
		return &m.more.list[i].at
	}
	return nil
}

// add enters a room that the member is not in yet. m.mu is held.
func (m *Membership) add(r *room, at int32) {
	if m.first == nil {
		m.first, m.at = r, at
		return
	}
	if m.more == nil {
		m.more = new(seats)
	}
	m.more.add(seat{r, at})
}

// remove takes a room out of the membership and returns the place that the
// member has in it. It reports false if it is not in it. m.mu is held.
func (m *Membership) remove(r *room) (at int32, ok bool) {
	if m.first == r {
		m.first = nil
		return m.at, true
	}
	if m.more == nil {
		return 0, false
	}
	i := m.more.index(r)
	if i < 0 {
		return 0, false
	}
	at = m.more.remove(i)
	if len(m.more.list) == 0 && cap(m.more.list) > idleSeats {
		m.more = nil
	}
	return at, true
}

// any returns the name of one of the rooms. It reports false if there is none.
func (m *Membership) any() (name string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.more != nil {
		if last := len(m.more.list) - 1; last >= 0 {
			return m.more.list[last].room.name, true
		}
	}
	if m.first != nil {
		return m.first.name, true
	}
	return "", false
}

// appendRooms appends the names of the rooms. m.mu is held.
func (m *Membership) appendRooms(names []string) []string {
	if m.first != nil {
		names = append(names, m.first.name)
	}
	if m.more != nil {
		for _, s := range m.more.list {
			names = append(names, s.room.name)
		}
	}
	return names
}

// len returns the number of rooms. m.mu is held.
func (m *Membership) len() (n int) {
	if m.first != nil {
		n++
	}
	if m.more != nil {
		n += len(m.more.list)
	}
	return n
}

// index returns the index of the room's seat, -1 if there is none.
func (s *seats) index(r *room) int {
	if s.of != nil {
		if i, ok := s.of[r]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].room == r {
			return i
		}
	}
	return -1
}

func (s *seats) add(n seat) {
	s.list = append(s.list, n)
	switch last := len(s.list) - 1; {
	case s.of != nil:
		s.of[n.room] = last
	case len(s.list) > fewSeats:
		s.of = make(map[*room]int, 2*fewSeats)
		for i := range s.list {
			s.of[s.list[i].room] = i
		}
	}
}

func (s *seats) remove(i int) (at int32) {
	gone, last := s.list[i], len(s.list)-1
	moved := s.list[last]
	s.list[i], s.list[last] = moved, seat{}
	s.list = shrink(s.list[:last])
	switch {
	case s.of == nil:
	case len(s.list) <= fewSeats/2:
		s.of = nil
	default:
		s.of[moved.room] = i
		delete(s.of, gone.room)
	}
	return gone.at
}
