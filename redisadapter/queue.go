package redisadapter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

const (
	// A batch is what is published in one round trip.
	maxBatch      = 512
	maxBatchBytes = 1 << 20
	// slowTime is how long what is published may go without an answer before callers are
	// told that it has none.
	slowTime = time.Second
)

// message is something to publish.
type message struct {
	channel string
	payload []byte
	// expires is when it is of no use any more.
	expires time.Time
	// echo, if not nil, is the subscription by which this node gets the message, too.
	echo *subscription
	// ctx, if not nil, is that of the operation that waits for it.
	ctx context.Context //nolint:containedctx // the message is part of that operation
	// done, if not nil, gets the result; it has room for it.
	done chan<- error
}

// expired tells that nobody waits for the message any more.
func (m *message) expired() bool {
	return m.ctx != nil && m.ctx.Err() != nil || time.Now().After(m.expires)
}

// queue is what waits to be published, in order. It is safe for concurrent use.
type queue struct {
	log     *reporter
	outages *outages
	wake    chan struct{} // holds a token if there is something new

	maxCount, maxBytes int

	mu           sync.Mutex
	waiting      []message
	count, bytes int           // of what waits and of what has been taken and not settled
	busy         time.Time     // when the last of them was settled, or the first came; zero if there is none
	closed       time.Time     // since when no more messages are taken, zero if they are
	patience     time.Duration // how long what is left waits for Redis then
}

// publish queues the message. On an [*UnavailableError] it is queued all the
// same; on any other error it is not.
func (q *queue) publish(m message) error {
	err := q.enqueue(m)
	switch {
	case errors.Is(err, ErrQueueFull):
		q.outages.lost(refused)
		q.log.report(troubleRefused, 1, err, "channel", m.channel)
	case errors.Is(err, errNoAnswer):
		q.outages.began(errNoAnswer)
		q.log.report(troublePublisher, 1, errNoAnswer)
	}
	return err
}

func (q *queue) enqueue(m message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed.IsZero() {
		return adapter.ErrClosed
	}
	if q.count >= q.maxCount || q.bytes+len(m.payload) > q.maxBytes {
		return ErrQueueFull
	}
	q.waiting = append(q.waiting, m)
	q.count++
	q.bytes += len(m.payload)
	if q.busy.IsZero() {
		q.busy = time.Now()
	}
	q.nudge()
	switch down := q.outages.blocked(); {
	case down != nil:
		return &UnavailableError{Err: down}
	case time.Since(q.busy) > slowTime:
		return &UnavailableError{Err: errNoAnswer}
	}
	return nil
}

// send publishes the message and waits for it until its ctx ends.
func (q *queue) send(ctx context.Context, m message) error {
	done := make(chan error, 1)
	m.done = done
	if err := q.publish(m); err != nil {
		if _, ok := errors.AsType[*UnavailableError](err); !ok {
			return err
		}
	}
	return outcome(ctx, done)
}

// outcome waits for the result of a message until ctx ends. A message that
// expires with ctx may be given up at the deadline, before the timer of ctx has
// fired; to whoever waits that is the end of ctx, not trouble with Redis.
func outcome(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		deadline, ok := ctx.Deadline()
		if err == nil || ctx.Err() == nil && (!ok || time.Now().Before(deadline)) {
			return err
		}
		<-ctx.Done()
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// close takes no more messages.
func (q *queue) close() {
	q.mu.Lock()
	if q.closed.IsZero() {
		q.closed = time.Now()
	}
	q.mu.Unlock()
	q.nudge()
}

// closing tells that no more messages are taken.
func (q *queue) closing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed.IsZero()
}

// late tells that a queue that is closed has waited for Redis for long enough.
func (q *queue) late() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.closed.IsZero() && q.outages.blocked() != nil && time.Since(q.closed) > q.patience
}

// take empties the queue. It makes the slice that it is given the new queue.
func (q *queue) take(used []message) ([]message, bool) {
	clear(used)
	if cap(used) > 2*maxBatch {
		used = nil // a queue that has been long once need not stay so
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = used[:0]
	return taken, !q.closed.IsZero()
}

// batchSize returns how many messages go into the next batch.
func batchSize(waiting []message) int {
	n, bytes := 1, len(waiting[0].payload)
	for n < len(waiting) && n < maxBatch && bytes+len(waiting[n].payload) <= maxBatchBytes {
		bytes += len(waiting[n].payload)
		n++
	}
	return n
}

// settle takes a message off the books. One that was not published is lost in the way
// that is told.
func (q *queue) settle(m message, err error, lost func(*adapter.Losses) *uint64) {
	q.mu.Lock()
	q.count--
	q.bytes -= len(m.payload)
	if q.busy = time.Now(); q.count == 0 {
		q.busy = time.Time{}
	}
	q.mu.Unlock()
	if err != nil {
		q.outages.lost(lost)
		q.log.report(troubleDropped, 1, err, "channel", m.channel)
	}
	if m.done != nil {
		m.done <- err
	}
}

// published takes a message off the books that Redis has.
func (q *queue) published(m message) { q.settle(m, nil, nil) }

// discard gives up on what has expired, and on everything if there is a reason to stop.
// Its order stays.
func (q *queue) discard(stop error, batch []message, cause error) []message {
	kept := batch[:0]
	for _, m := range batch {
		switch {
		case stop != nil:
			q.settle(m, stop, failed)
		case m.expired():
			if cause == nil {
				cause = context.DeadlineExceeded // it has waited for others
			}
			q.settle(m, &UnavailableError{Err: cause}, expired)
		default:
			kept = append(kept, m)
		}
	}
	return kept
}
