package adapter

import (
	"context"
	"hash/maphash"
	"iter"
	"sync"
)

// Memory is the adapter of a namespace that lives on a single node. It is also
// the index of local sockets for adapters that span several nodes: they embed a
// *Memory, keep its [Memory.Join], [Memory.Leave], [Memory.LeaveAll] and
// [Memory.Rooms], and call its other methods for the local part of what they do.
// Those never call a method of the adapter that embeds the Memory.
//
// Its operations do not wait. Those that take a context do what they are to do and then
// return the context's error if it has ended, as an adapter does that reaches the sockets
// of this node, and no others any more; Broadcast ignores its context.
//
// Broadcasting to one room, or to the whole namespace, does not allocate.
// All methods may be called concurrently.
type Memory struct {
	host    Host
	watcher RoomWatcher // the host; nil unless it is one

	// Lock order: the lock of a shard, then that of a membership. Never two of
	// the same kind, and no call into the host under any of them.
	seed   maphash.Seed
	shards [shardCount]shard

	allMu sync.RWMutex
	all   []*Membership

	selections sync.Pool // of *selection
}

var _ Adapter = (*Memory)(nil)

// NewMemory returns the in-memory adapter of the host's namespace.
func NewMemory(h Host) *Memory {
	watcher, _ := h.(RoomWatcher)
	return &Memory{
		host:       h,
		watcher:    watcher,
		seed:       maphash.MakeSeed(),
		selections: sync.Pool{New: func() any { return new(selection) }},
	}
}

// InMemory is the [Factory] of [Memory], the default of a server.
func InMemory(h Host) Adapter { return NewMemory(h) }

// Join adds p to the rooms, or with no rooms to the namespace. The room named
// after p's own id is skipped: p is always in it.
func (m *Memory) Join(p Peer, rooms ...string) {
	if len(rooms) == 0 {
		m.enter(p)
		return
	}
	member := p.Membership()
	var joined []string
	for _, name := range rooms {
		if name != p.ID() && m.shard(name).join(p, member, name) && m.watcher != nil {
			joined = append(joined, name)
		}
	}
	if len(joined) > 0 {
		m.watcher.Joined(p, joined)
	}
}

// Leave removes p from the rooms. The room named after p's own id cannot be
// left.
func (m *Memory) Leave(p Peer, rooms ...string) {
	member := p.Membership()
	var left []string
	for _, name := range rooms {
		if m.shard(name).leave(member, name) && m.watcher != nil {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		m.watcher.Left(p, left)
	}
}

// LeaveAll removes p from all of its rooms and from the namespace. Whatever
// Join is called for p afterwards does nothing.
func (m *Memory) LeaveAll(p Peer) {
	member := p.Membership()
	m.exit(member) // from here on it joins no room
	var left []string
	for name, ok := member.any(); ok; name, ok = member.any() {
		if m.shard(name).leave(member, name) && m.watcher != nil {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		m.watcher.Left(p, left)
	}
}

// Rooms returns the rooms that p is in, its own id first and the others in no
// particular order; nil if p is not in the namespace.
func (m *Memory) Rooms(p Peer) []string {
	member := p.Membership()
	member.mu.Lock()
	defer member.mu.Unlock()
	if !member.joined() {
		return nil
	}
	return member.appendRooms(append(make([]string, 0, 1+member.len()), p.ID()))
}

// LocalRooms returns the rooms that have a local member, in no particular order. The ids of
// the local sockets are among them. It is never nil.
func (m *Memory) LocalRooms() []string {
	m.allMu.RLock()
	rooms := make([]string, 0, len(m.all))
	for _, member := range m.all {
		rooms = append(rooms, member.peer.ID())
	}
	m.allMu.RUnlock()
	for i := range m.shards {
		rooms = m.shards[i].appendRooms(rooms)
	}
	return rooms
}

// Has reports whether the room has a local member. The id of a connected local
// socket is such a room.
func (m *Memory) Has(room string) bool {
	if m.shard(room).has(room) {
		return true
	}
	_, ok := m.local(room)
	return ok
}

// Len returns the number of local sockets in the namespace.
func (m *Memory) Len() int {
	m.allMu.RLock()
	defer m.allMu.RUnlock()
	return len(m.all)
}

// Select calls use once with the local sockets that t selects, each of them
// once, possibly none. The slice is valid only until use returns. No lock is
// held meanwhile, so that use may call any method.
func (m *Memory) Select(t Target, use func(to []Peer)) {
	s, _ := m.selections.Get().(*selection)
	s.gather(m, t)
	use(s.peers)
	s.reset()
	m.selections.Put(s)
}

// Deliver queues the packet for the local sockets that t selects.
func (m *Memory) Deliver(p *Packet, t Target) {
	m.Select(t, func(to []Peer) {
		if len(to) > 0 {
			m.host.Deliver(p, to, t.Flags)
		}
	})
}

// DeliverWithAck sends the packet to the local sockets that t selects and calls
// answer for each of them as [Host.DeliverWithAck] does. It returns their
// number, and a function that must be called in the end.
func (m *Memory) DeliverWithAck(p *Packet, t Target, answer func(r Reply, ok bool)) (count int, stop func()) {
	stop = func() {}
	m.Select(t, func(to []Peer) {
		if count = len(to); count > 0 {
			stop = m.host.DeliverWithAck(p, to, t.Flags, answer)
		}
	})
	return count, stop
}

// Broadcast queues the packet for the local sockets that t selects. It never
// fails.
func (m *Memory) Broadcast(_ context.Context, p *Packet, t Target) error {
	m.Deliver(p, t)
	return nil
}

// Collect broadcasts the packet and yields the answers of the local sockets.
func (m *Memory) Collect(ctx context.Context, p *Packet, t Target) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		inbox := newInbox()
		count, stop := m.DeliverWithAck(p, t, inbox.put)
		defer stop()
		inbox.drain(ctx, count, yield)
	}
}

// Fetch describes the local sockets that t selects.
func (m *Memory) Fetch(ctx context.Context, t Target) (sockets []RemoteSocket, err error) {
	m.Select(t, func(to []Peer) {
		sockets = make([]RemoteSocket, len(to))
		for i, p := range to {
			sockets[i] = m.host.Describe(p)
		}
	})
	return sockets, ctx.Err()
}

// JoinAll makes the local sockets that t selects join the rooms.
func (m *Memory) JoinAll(ctx context.Context, t Target, rooms ...string) error {
	if len(rooms) == 0 {
		return ctx.Err()
	}
	m.Select(t, func(to []Peer) {
		for _, p := range to {
			m.Join(p, rooms...)
		}
	})
	return ctx.Err()
}

// LeaveMatching makes the local sockets that t selects leave the rooms.
func (m *Memory) LeaveMatching(ctx context.Context, t Target, rooms ...string) error {
	m.Select(t, func(to []Peer) {
		for _, p := range to {
			m.Leave(p, rooms...)
		}
	})
	return ctx.Err()
}

// Disconnect disconnects the local sockets that t selects.
func (m *Memory) Disconnect(ctx context.Context, t Target, closeTransport bool) error {
	m.Select(t, func(to []Peer) {
		for _, p := range to {
			m.host.Disconnect(p, closeTransport)
		}
	})
	return ctx.Err()
}

// ServerEmit does nothing: there are no other nodes.
func (m *Memory) ServerEmit(ctx context.Context, _ []byte, _ [][]byte) error { return ctx.Err() }

// ServerCollect yields no answers: there are no other nodes.
func (m *Memory) ServerCollect(ctx context.Context, _ []byte, _ [][]byte) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Reply{}, err)
		}
	}
}

// ServerCount returns 1.
func (m *Memory) ServerCount(ctx context.Context) (int, error) { return 1, ctx.Err() }

// Close does nothing: a Memory owns no goroutine and all of its operations are
// local ones.
func (m *Memory) Close(context.Context) error { return nil }
