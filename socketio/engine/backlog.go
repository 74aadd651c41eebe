package engine

import (
	"context"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
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
	if s.extra == nil || s.extra.output.Bytes() == 0 {
		return Backlog{}
	}
	b := Backlog{Bytes: s.extra.output.Bytes(), Since: s.extra.output.Moved()}
	if q := s.queue; q != nil {
		b.Packets = int(q.in - q.out)
	}
	if s.poll != nil && s.poll.answering != nil {
		b.Packets += len(s.poll.answering.queue.waiting())
	}
	return b
}

// Flush waits until the transport has taken everything that the caller has sent before:
// until the kernel has it, or the answer to a poll has been written. That does not mean
// that the client has received it. It returns [ErrSessionClosed] if the session ends
// before, and the context's cause if ctx ends first. It must not be called from [Accept],
// for what is sent there is not taken before Accept returns.
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

// moved notes that the client has taken some of what waits for it.
func (s *Session) moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra != nil {
		s.extra.output.Progress()
	}
}

// movedWithin reports whether messages wait for the client of which it has taken some
// in the latest time of the given length.
func (s *Session) movedWithin(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extra == nil || s.extra.output.Bytes() == 0 || time.Since(s.extra.output.Moved()) >= d {
		return false
	}
	return s.conn != nil || s.poll.answering != nil || s.queue.holdsMore(s.srv.frames.ping)
}

// holdOutput counts memory beside that of the frames of a queue that is counted, until it
// is given back with a negative number.
func (s *Session) holdOutput(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account().Charge(bytes)
	s.srv.output.Use(bytes)
}

// handing reports whether the output is being written. mu is held.
func (s *Session) handing() bool { return s.writing || s.poll != nil && s.poll.answering != nil }

// outputOwner is a session as the budget of the output sees it.
type outputOwner Session

// OverBudget ends the session.
func (o *outputOwner) OverBudget() (later int64) {
	s := (*Session)(o)
	s.mu.Lock()
	if s.queue != nil {
		later += alone(s.queue.lent)
	}
	if s.poll != nil && s.poll.answering != nil {
		later += alone(s.poll.answering.queue.waiting())
	}
	s.mu.Unlock()
	s.end(ending{reason: SlowConsumer, err: ErrOutputBudget, gone: true})
	return later
}

// alone returns the memory of those frames, which are being written, that only one
// session has.
func alone(frames []*packet.Frame) (bytes int64) {
	for _, f := range frames {
		if f.Holders() == 1 {
			bytes += f.Memory()
		}
	}
	return bytes
}
