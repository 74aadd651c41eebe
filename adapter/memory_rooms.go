package adapter

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// shardCount is the number of parts that the table of rooms has, each with a
// lock of its own.
const shardCount = 32

// shard is one part of the table of rooms. A room is in it exactly as long as
// it has members.
type shard struct {
	mu    sync.RWMutex
	rooms map[string]*room
	peak  int   // the most rooms that the map has held since it was made
	spare *room // a room that nobody is in, for the next one; or nil
}

// room is a set of members in no order: every member knows its place, so that
// it can leave without a search.
type room struct {
	name    string // changed only while nobody is in the room
	members []*Membership
	alone   [1]*Membership // where members begins: many rooms have one member
}

const (
	// A slice or a map that has been large gives its memory back once it is
	// this many times too large, unless it is small anyway.
	shrinkFactor = 4
	shrinkAbove  = 64
)

// shard returns the part of the table that the room belongs to.
func (m *Memory) shard(name string) *shard {
	return &m.shards[maphash.String(m.seed, name)%shardCount]
}

// join puts the member into the room, which is made if it does not exist. It reports
// false if the member is in it already, or has left the namespace.
func (s *shard) join(p Peer, member *Membership, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	member.mu.Lock()
	defer member.mu.Unlock()
	if member.place == placeLeft {
		return false
	}
	r := s.rooms[name]
	if r == nil {
		r = s.create(name)
	} else if member.find(r) != nil {
		return false
	}
	member.bind(p)
	member.add(r, int32(len(r.members)))
	r.members = append(r.members, member)
	return true
}

// bind ties the member to its peer. Later calls only read, since others may do so
// meanwhile. m.mu is held.
func (m *Membership) bind(p Peer) {
	if m.peer == nil {
		m.peer = p
	}
}

// appendRooms appends the names of the rooms.
func (s *shard) appendRooms(names []string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name := range s.rooms {
		names = append(names, name)
	}
	return names
}

// create makes an empty room. The caller fills it before it unlocks the shard.
func (s *shard) create(name string) *room {
	if s.rooms == nil {
		s.rooms = make(map[string]*room)
	}
	r := s.spare
	s.spare = nil
	if r == nil {
		r = new(room)
		r.members = r.alone[:0]
	}
	r.name = name
	s.rooms[name] = r
	s.peak = max(s.peak, len(s.rooms))
	return r
}

// leave takes the member out of the room. It reports whether it was in it.
func (s *shard) leave(member *Membership, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		return false
	}
	member.mu.Lock()
	at, ok := member.remove(r)
	member.mu.Unlock()
	if ok {
		s.detach(r, at)
	}
	return ok
}

// detach removes the member at the given place of a room, and the room if it is
// empty then. The last member takes the place.
func (s *shard) detach(r *room, at int32) {
	end := int32(len(r.members) - 1)
	if at != end {
		last := r.members[end]
		r.members[at] = last
		last.mu.Lock()
		if place := last.find(r); place != nil {
			*place = at
		}
		last.mu.Unlock()
	}
	r.members[end] = nil
	r.members = shrink(r.members[:end])
	if len(r.members) == 0 {
		s.remove(r.name)
		r.name = ""
		if cap(r.members) <= shrinkAbove {
			s.spare = r
		}
	}
}

// remove deletes a room. Maps never shrink, so one that has become much too
// large is replaced.
func (s *shard) remove(name string) {
	delete(s.rooms, name)
	if s.peak <= shrinkAbove || len(s.rooms) > s.peak/shrinkFactor {
		return
	}
	rooms := make(map[string]*room, len(s.rooms))
	maps.Copy(rooms, s.rooms)
	s.rooms, s.peak = rooms, len(rooms)
}

// has reports whether the room exists.
func (s *shard) has(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[name] != nil
}

// appendPeers appends the members of the room.
func (s *shard) appendPeers(dst []Peer, name string) []Peer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.rooms[name]; r != nil {
		dst = appendPeers(dst, r.members)
	}
	return dst
}

// appendPeers appends the peers of the members.
func appendPeers(dst []Peer, members []*Membership) []Peer {
	dst = slices.Grow(dst, len(members))
	for _, member := range members {
		dst = append(dst, member.peer)
	}
	return dst
}

// appendMembers appends the memberships of the members of the room.
func (s *shard) appendMembers(dst []*Membership, name string) []*Membership {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.rooms[name]; r != nil {
		dst = append(dst, r.members...)
	}
	return dst
}

// enter adds p to the namespace.
func (m *Memory) enter(p Peer) {
	member := p.Membership()
	m.allMu.Lock()
	defer m.allMu.Unlock()
	member.mu.Lock()
	defer member.mu.Unlock()
	if member.place != placeNew {
		return
	}
	member.bind(p)
	m.all = append(m.all, member)
	member.place = int32(len(m.all))
}

// exit removes a member from the namespace for good.
func (m *Memory) exit(member *Membership) {
	m.allMu.Lock()
	defer m.allMu.Unlock()
	place := member.leave()
	if place <= 0 {
		return
	}
	last := len(m.all) - 1
	if moved := m.all[last]; moved != member {
		m.all[place-1] = moved
		moved.mu.Lock()
		moved.place = place
		moved.mu.Unlock()
	}
	m.all[last] = nil
	m.all = shrink(m.all[:last])
}

// leave sees to it that the member joins no room any more, and returns the place
// that it had in the namespace. The caller holds Memory.allMu.
func (m *Membership) leave() (place int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	place, m.place = m.place, placeLeft
	return place
}

// shrink returns s, or a copy of it if much more memory is behind s than it
// needs.
func shrink[T any](s []T) []T {
	if cap(s) <= shrinkAbove || len(s) > cap(s)/shrinkFactor {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}
