package adapter

import "slices"

// selection is the working memory for finding the sockets of a [Target]. It is
// pooled, so that finding them does not allocate in the long run.
type selection struct {
	peers  []Peer
	except []*Membership
	set    map[*Membership]struct{}
	names  map[string]struct{}
}

const (
	// Up to this many excluded sockets are searched one by one.
	fewExcept = 8
	// Up to this many names of rooms are searched one by one.
	fewNames = 8
	// A selection that has become larger than this is not pooled as it is.
	largeSelection = 1 << 16
)

// gather fills s.peers with the local sockets that t selects.
func (s *selection) gather(m *Memory, t Target) {
	if len(t.Rooms) == 0 {
		m.allMu.RLock()
		s.peers = appendPeers(s.peers, m.all)
		m.allMu.RUnlock()
	}
	for i, name := range t.Rooms {
		if s.repeated(t.Rooms, i) {
			continue
		}
		start := len(s.peers)
		s.peers = m.shard(name).appendPeers(s.peers, name)
		// A socket never joins the room of its own id, so it is not there twice.
		if p, ok := m.local(name); ok {
			s.peers = append(s.peers, p)
		}
		if start > 0 {
			s.dedupe(start)
		}
	}
	if len(t.Except) > 0 && len(s.peers) > 0 {
		s.exclude(m, t.Except)
	}
}

// dedupe removes from the peers from start on those that come before it. The
// peers before start are unique, and so are those after it.
func (s *selection) dedupe(start int) {
	if start == len(s.peers) {
		return
	}
	if len(s.set) == 0 {
		s.mark(s.peers[:start])
	}
	kept := s.peers[:start]
	for _, p := range s.peers[start:] {
		member := p.Membership()
		if _, ok := s.set[member]; !ok {
			s.set[member] = struct{}{}
			kept = append(kept, p)
		}
	}
	clear(s.peers[len(kept):])
	s.peers = kept
}

// repeated tells that names[i] is among the names before it. A list may come from
// another node: each room is gone through once, however often it is named. It is to
// be called for every i, in order.
func (s *selection) repeated(names []string, i int) bool {
	if len(names) <= fewNames {
		return slices.Contains(names[:i], names[i])
	}
	if i == 0 {
		clear(s.names)
		if s.names == nil {
			s.names = make(map[string]struct{}, len(names))
		}
	}
	before := len(s.names)
	s.names[names[i]] = struct{}{}
	return len(s.names) == before
}

// mark puts the peers into the set of those that have been seen.
func (s *selection) mark(peers []Peer) {
	if s.set == nil {
		s.set = make(map[*Membership]struct{}, len(peers))
	}
	for _, p := range peers {
		s.set[p.Membership()] = struct{}{}
	}
}

// exclude removes the sockets that are in any of the rooms.
func (s *selection) exclude(m *Memory, rooms []string) {
	for i, name := range rooms {
		if s.repeated(rooms, i) {
			continue
		}
		s.except = m.shard(name).appendMembers(s.except, name)
		if p, ok := m.local(name); ok {
			s.except = append(s.except, p.Membership())
		}
	}
	few := len(s.except) <= fewExcept
	if !few {
		s.markExcept()
	}
	kept := s.peers[:0]
	for _, p := range s.peers {
		if !s.excluded(p.Membership(), few) {
			kept = append(kept, p)
		}
	}
	clear(s.peers[len(kept):])
	s.peers = kept
}

// markExcept makes s.set the set of the excluded members.
func (s *selection) markExcept() {
	clear(s.set)
	if s.set == nil {
		s.set = make(map[*Membership]struct{}, len(s.except))
	}
	for _, member := range s.except {
		s.set[member] = struct{}{}
	}
}

// excluded reports whether the member is one of s.except.
func (s *selection) excluded(member *Membership, few bool) bool {
	if few {
		return slices.Contains(s.except, member)
	}
	_, ok := s.set[member]
	return ok
}

// reset empties s, so that the pool keeps neither a socket nor much memory.
func (s *selection) reset() {
	if cap(s.peers) > largeSelection {
		s.peers = nil
	}
	if cap(s.except) > largeSelection || len(s.set) > largeSelection {
		s.except, s.set = nil, nil
	}
	if len(s.names) > largeSelection {
		s.names = nil
	}
	clear(s.peers)
	clear(s.except)
	clear(s.set)
	clear(s.names)
	s.peers, s.except = s.peers[:0], s.except[:0]
}

// local returns the socket of the namespace with that id.
func (m *Memory) local(id string) (Peer, bool) {
	p, ok := m.host.Peer(id)
	if !ok {
		return nil, false
	}
	member := p.Membership()
	member.mu.Lock()
	defer member.mu.Unlock()
	return p, member.joined()
}
