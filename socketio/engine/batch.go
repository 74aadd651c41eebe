package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/flush"
)

// Batch sends the same frames to many sessions, without an allocation for each
// of them. It is not safe for concurrent use.
type Batch struct {
	srv   *Server
	inner *flush.Batch[*sink]
}

// NewBatch returns an empty batch, from a pool.
func (srv *Server) NewBatch() *Batch {
	if b, ok := srv.batches.Get().(*Batch); ok {
		return b
	}
	return &Batch{srv: srv, inner: srv.pool.NewBatch()}
}

// Add adds a recipient. A session of another server, or one that is not open,
// is not added.
func (b *Batch) Add(s *Session) {
	if s.srv == b.srv && s.State() == StateOpen {
		b.inner.Add(int(s.shard), (*sink)(s))
	}
}

// Send sends the frames to all recipients, to each without another frame in
// between, and returns the batch to its pool: it must not be used afterwards.
// With no frames it only does the latter. It does not wait for any client; it
// may wait for other broadcasts if many megabytes of them have not been handed
// to the connections yet.
func (b *Batch) Send(frames []*Frame, o SendOption) {
	if len(frames) == 0 {
		b.inner.Discard()
	} else {
		b.inner.Send(frames, uint8(o))
	}
	b.srv.batches.Put(b)
}
