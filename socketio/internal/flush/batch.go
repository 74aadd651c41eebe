package flush

import "github.com/tandem-go/tandem/socketio/internal/packet"

// Batch collects the recipients of a broadcast, by shard. It is not safe for
// concurrent use. After Send it is empty and can be used again.
type Batch[S Session] struct {
	pool  *Pool[S]
	lists []*list[S] // by shard; nil where there is no recipient
}

// NewBatch returns an empty batch.
func (p *Pool[S]) NewBatch() *Batch[S] {
	return &Batch[S]{pool: p, lists: make([]*list[S], len(p.shards))}
}

// Add adds a session of the given shard.
func (b *Batch[S]) Add(shard int, s S) {
	l := b.lists[shard]
	if l == nil {
		l, _ = b.pool.lists.Get().(*list[S])
		if l == nil {
			l = new(list[S])
		}
		b.lists[shard] = l
	}
	l.sessions = append(l.sessions, s)
}

// Send posts the frames for all the sessions to their shards and empties the
// batch. The slice is not kept.
func (b *Batch[S]) Send(frames []*packet.Frame, flags uint8) {
	var shared job[S]
	shared.flags = flags
	shared.set(frames)
	for i, l := range b.lists {
		if l == nil {
			continue
		}
		b.lists[i] = nil
		j := shared
		j.list = l
		b.pool.shards[i].post(j)
	}
}

// Discard empties the batch without sending anything.
func (b *Batch[S]) Discard() {
	for i, l := range b.lists {
		if l != nil {
			b.lists[i] = nil
			b.pool.release(l)
		}
	}
}
