package adapter

import "sync"

// Membership is the part of a peer that its adapter owns: the rooms that the
// peer is in. A host embeds one in each of its peers and returns its address
// from [Peer.Membership]. The zero value is ready; it serves one namespace of
// one adapter and must not be copied.
type Membership struct {
	index int32 // in Memory.all, guarded by Memory.allMu

	n     uint8 // how many rooms the list at first has; guarded by mu
	state state // guarded by mu

	mu    sync.Mutex      // taken after the lock of a shard, never before
	first *node           // the rooms while they are few; guarded by mu
	many  map[*room]*node // the rooms once they are many; guarded by mu
	peer  Peer            // set before the first node is made, never changed
}

// state is how far a peer has come in its namespace.
type state uint8

const (
	stateNew state = iota
	stateJoined
	stateLeft
)

// fewRooms is the number of rooms that a peer keeps in a list, which is small,
// before it keeps them in a map, which is quick.
const fewRooms = 32

// A node ties one member to one room. It is all that a membership costs,
// besides the pointer to it in the room.
type node struct {
	member *Membership
	room   *room
	next   *node // guarded by member.mu
	index  int32 // in room.nodes, guarded by the lock of the room's shard
}

// find returns the node for the room, nil if there is none.
func (m *Membership) find(r *room) *node {
	if m.many != nil {
		return m.many[r]
	}
	for n := m.first; n != nil; n = n.next {
		if n.room == r {
			return n
		}
	}
	return nil
}

// add puts the node of a room into the membership, which does not have it.
func (m *Membership) add(n *node) {
	if m.many == nil && m.n < fewRooms {
		n.next, m.first = m.first, n
		m.n++
		return
	}
	if m.many == nil {
		m.many = make(map[*room]*node, 2*fewRooms)
		for old := m.first; old != nil; {
			m.many[old.room] = old
			old, old.next = old.next, nil
		}
		m.first, m.n = nil, 0
	}
	m.many[n.room] = n
}

// remove takes the node of a room out of the membership and returns it, nil if
// there is none.
func (m *Membership) remove(r *room) *node {
	if m.many != nil {
		n := m.many[r]
		delete(m.many, r)
		if len(m.many) == 0 {
			m.many = nil
		}
		return n
	}
	for at := &m.first; *at != nil; at = &(*at).next {
		if n := *at; n.room == r {
			*at, n.next = n.next, nil
			m.n--
			return n
		}
	}
	return nil
}

// leave ends the membership for good and returns the nodes that it had, which
// from then on belong to the caller alone.
func (m *Membership) leave() (nodes []*node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	nodes = make([]*node, 0, m.len())
	m.each(func(n *node) { nodes = append(nodes, n) })
	m.first, m.many, m.n, m.state = nil, nil, 0, stateLeft
	return nodes
}

// len returns the number of rooms.
func (m *Membership) len() int { return int(m.n) + len(m.many) }

// each calls visit for every room.
func (m *Membership) each(visit func(*node)) {
	for n := m.first; n != nil; n = n.next {
		visit(n)
	}
	for _, n := range m.many {
		visit(n)
	}
}
