package engine

import (
	"context"
	"time"
)

// Backlog is what waits for a client that does not take it as fast as it is sent.
type Backlog struct {
	// Packets is the number of messages that wait.
	Packets int
	// Bytes is the memory that they take.
	Bytes int64
	// Since is when the transport last took some of them, or when they began to wait.
	// It is zero if nothing waits.
	Since time.Time
}

// Backlog returns what waits for the client; the zero value if the transport has taken
// everything. What a write call or an answer to a poll is handing over at the moment
// still waits.
func (s *Session) Backlog() Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	if q.empty() || !q.counted {
		return Backlog{}
	}
	return Backlog{Packets: int(q.in - q.out), Bytes: q.account.Bytes(), Since: q.account.Moved()}
}

// Flush waits until the transport has taken everything that the caller has sent before:
// until the kernel has it, or the answer to a poll has been written. That does not mean
// that the client has received it. It returns [ErrSessionClosed] if the session ends
// before, and the context's error if ctx ends first.
func (s *Session) Flush(ctx context.Context) error {
	if passed := s.srv.pool.Barrier(int(s.shard)); passed != nil {
		<-passed // A round of the shard does not wait for any client.
	}
	r, err := s.mark()
	if r == nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mark returns a receipt for everything that is queued or being written; nil if
// that is nothing.
func (s *Session) mark() (*receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.State() == StateClosed:
		return nil, ErrSessionClosed
	case s.queue == nil && !s.handing():
		return nil, nil
	case s.queue == nil:
		// It becomes due when what is being written has been written.
		s.queue = s.srv.newQueue()
	}
	q := s.queue
	if n := len(q.marks); n > 0 && q.marks[n-1].at == q.in {
		return q.marks[n-1].receipt, nil
	}
	r := &receipt{done: make(chan struct{})}
	q.marks = append(q.marks, mark{q.in, r})
	return r, nil
}

// handing reports whether the output is being written. mu is held.
func (s *Session) handing() bool { return s.writing || s.poll != nil && s.poll.answers > 0 }

// outputOwner is a session as the budget of the output sees it.
type outputOwner Session

// OverBudget ends the session.
func (o *outputOwner) OverBudget() {
	(*Session)(o).end(ending{reason: SlowConsumer, err: ErrOutputBudget, gone: true})
}
