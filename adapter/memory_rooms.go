package adapter

import (
	"hash/maphash"
	"maps"
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
	peak  int // the most rooms that the map has held since it was made
}

// room is a set of members in no order: every member knows its place, so that
// it can leave without a search.
type room struct {
	name  string
	nodes []*node
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

// join puts the member into the room, which is made if it does not exist.
func (s *shard) join(p Peer, member *Membership, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	member.mu.Lock()
	defer member.mu.Unlock()
	if member.state == stateLeft {
		return
	}
	r := s.rooms[name]
	if r == nil {
		r = s.create(name)
	} else if member.find(r) != nil {
		return
	}
	if member.peer == nil { // or it is p already, and may be read meanwhile
		member.peer = p
	}
	n := &node{member: member, room: r, index: int32(len(r.nodes))}
	r.nodes = append(r.nodes, n)
	member.add(n)
}

// create makes an empty room. The caller fills it before it unlocks the shard.
func (s *shard) create(name string) *room {
	if s.rooms == nil {
		s.rooms = make(map[string]*room)
	}
	r := &room{name: name}
	s.rooms[name] = r
	s.peak = max(s.peak, len(s.rooms))
	return r
}

// leave takes the member out of the room, if it is in it.
func (s *shard) leave(member *Membership, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		return
	}
	member.mu.Lock()
	n := member.remove(r)
	member.mu.Unlock()
	if n != nil {
		s.detach(n)
	}
}

// drop takes a node that its membership has given up already out of its room.
func (s *shard) drop(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(n)
}

// detach removes the node from its room, and the room if it is empty then.
func (s *shard) detach(n *node) {
	r := n.room
	last := r.nodes[len(r.nodes)-1]
	r.nodes[n.index], last.index = last, n.index
	r.nodes[len(r.nodes)-1] = nil
	r.nodes = shrink(r.nodes[:len(r.nodes)-1])
	if len(r.nodes) == 0 {
		s.remove(r.name)
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
		for _, n := range r.nodes {
			dst = append(dst, n.member.peer)
		}
	}
	return dst
}

// appendMembers appends the memberships of the members of the room.
func (s *shard) appendMembers(dst []*Membership, name string) []*Membership {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.rooms[name]; r != nil {
		for _, n := range r.nodes {
			dst = append(dst, n.member)
		}
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
	if member.state != stateNew {
		return
	}
	member.state, member.index = stateJoined, int32(len(m.all))
	m.all = append(m.all, p)
}

// exit removes a member that has left for good from the namespace, if it ever
// was in it.
func (m *Memory) exit(member *Membership) {
	m.allMu.Lock()
	defer m.allMu.Unlock()
	i, last := int(member.index), len(m.all)-1
	if i > last || m.all[i].Membership() != member {
		return
	}
	m.all[i] = m.all[last]
	m.all[i].Membership().index = member.index
	m.all[last] = nil
	m.all = shrink(m.all[:last])
}

// shrink returns s, or a copy of it if much more memory is behind s than it
// needs.
func shrink[T any](s []T) []T {
	if cap(s) <= shrinkAbove || len(s) > cap(s)/shrinkFactor {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}
