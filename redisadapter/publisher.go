package redisadapter

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
)

const (
	// A batch is what is published in one round trip.
	maxBatch      = 512
	maxBatchBytes = 1 << 20
)

// message is something to publish.
type message struct {
	channel string
	payload []byte
	// expires is when it is of no use any more.
	expires time.Time
	// ctx, if not nil, is that of the operation that waits for it.
	ctx context.Context //nolint:containedctx // the message is part of that operation
	// done, if not nil, gets the result; it has room for it.
	done chan<- error
}

// expired tells that nobody waits for the message any more.
func (m *message) expired() bool {
	return m.ctx != nil && m.ctx.Err() != nil || time.Now().After(m.expires)
}

// publisher publishes in the order in which it is told to, from one goroutine,
// in batches of what has come together meanwhile.
type publisher struct {
	rdb    redis.UniversalClient
	log    *reporter
	node   string // chooses the node of a Redis cluster
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	wake   chan struct{}

	maxCount, maxBytes int

	mu           sync.Mutex
	queue        []message
	count, bytes int   // of the queue and of what the goroutine has taken from it
	down         error // why the last attempt to publish has failed, if it has
	closed       bool
}

func newPublisher(rdb redis.UniversalClient, opts *Options, log *reporter, node string) *publisher {
	ctx, cancel := context.WithCancel(context.Background())
	return &publisher{
		rdb: rdb, log: log, node: node,
		ctx: ctx, cancel: cancel,
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		maxCount: opts.MaxQueued, maxBytes: opts.MaxQueuedBytes,
	}
}

// publish queues the message. On an [*UnavailableError] it is queued all the
// same; on any other error it is not.
func (p *publisher) publish(m message) error {
	err := p.enqueue(m)
	if errors.Is(err, ErrQueueFull) {
		p.log.report(troubleRefused, 1, err, "channel", m.channel)
	}
	return err
}

func (p *publisher) enqueue(m message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return adapter.ErrClosed
	}
	if p.count >= p.maxCount || p.bytes+len(m.payload) > p.maxBytes {
		return ErrQueueFull
	}
	p.queue = append(p.queue, m)
	p.count++
	p.bytes += len(m.payload)
	p.nudge()
	if p.down != nil {
		return &UnavailableError{Err: p.down}
	}
	return nil
}

// send publishes the message and waits for it until its ctx ends.
func (p *publisher) send(ctx context.Context, m message) error {
	done := make(chan error, 1)
	m.done = done
	if err := p.publish(m); err != nil {
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

func (p *publisher) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// close lets the publisher end once its queue is empty, and waits for that
// until ctx ends.
func (p *publisher) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.nudge()
	select {
	case <-p.done:
		p.cancel()
		return nil
	case <-ctx.Done():
		p.cancel()
		return ctx.Err()
	}
}

// run is the publisher's goroutine.
func (p *publisher) run() {
	defer close(p.done)
	var failures backoff
	var queue []message
	for {
		var closed bool
		queue, closed = p.take(queue)
		for rest := queue; len(rest) > 0; {
			n := batchSize(rest)
			p.deliver(rest[:n], &failures)
			rest = rest[n:]
		}
		if len(queue) > 0 {
			continue
		}
		if closed {
			return
		}
		<-p.wake
	}
}

// take empties the queue. It makes the slice that it is given the new queue.
func (p *publisher) take(used []message) ([]message, bool) {
	clear(used)
	if cap(used) > 2*maxBatch {
		used = nil // a queue that has been long once need not stay so
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.queue
	p.queue = used[:0]
	return taken, p.closed
}

// batchSize returns how many messages go into the next batch.
func batchSize(queue []message) int {
	n, bytes := 1, len(queue[0].payload)
	for n < len(queue) && n < maxBatch && bytes+len(queue[n].payload) <= maxBatchBytes {
		bytes += len(queue[n].payload)
		n++
	}
	return n
}

// deliver publishes a batch. What could not even be sent is tried again until it
// expires; whatever becomes of it, nothing of the batch is left in the end.
func (p *publisher) deliver(batch []message, failures *backoff) {
	var err error
	for {
		if batch = p.discard(batch, err); len(batch) == 0 {
			return
		}
		batch, err = p.exec(batch)
		p.mu.Lock()
		p.down = err
		if len(batch) == 0 {
			p.down = nil // what broke the connection is over, and nothing will try again
		}
		p.mu.Unlock()
		if err == nil {
			return
		}
		p.log.report(troublePublisher, 1, err)
		pause(p.ctx, failures.next())
	}
}

// discard gives up on what has expired, and on everything if the publisher is
// not to wait any more. Its order stays.
func (p *publisher) discard(batch []message, cause error) []message {
	stop := p.ctx.Err()
	kept := batch[:0]
	for _, m := range batch {
		switch {
		case stop != nil:
			p.settle(m, adapter.ErrClosed)
		case m.expired():
			if cause == nil {
				cause = context.DeadlineExceeded // it has waited for others
			}
			p.settle(m, &UnavailableError{Err: cause})
		default:
			kept = append(kept, m)
		}
	}
	return kept
}

// settle takes a message off the books.
func (p *publisher) settle(m message, err error) {
	p.mu.Lock()
	p.count--
	p.bytes -= len(m.payload)
	p.mu.Unlock()
	if err != nil {
		p.log.report(troubleDropped, 1, err, "channel", m.channel)
	}
	if m.done != nil {
		m.done <- err
	}
}

// exec publishes the batch in one round trip. On an error, which is trouble with
// the connection, it returns the messages that have certainly not been
// published; the others are settled.
func (p *publisher) exec(batch []message) ([]message, error) {
	pipe, err := p.pipeline()
	if err != nil {
		return batch, err
	}
	cmds := make([]publishCmd, len(batch))
	bodies := make([]body, len(batch))
	for i, m := range batch {
		bodies[i].data = m.payload
		cmds[i] = publishCmd{IntCmd: redis.NewIntCmd(p.ctx, "publish", m.channel, &bodies[i]), body: &bodies[i]}
		_ = pipe.Process(p.ctx, cmds[i]) // it is only queued
	}
	if _, err = pipe.Exec(p.ctx); err != nil {
		return p.sort(batch, cmds)
	}
	for _, m := range batch {
		p.settle(m, nil)
	}
	return nil, nil
}

// sort tells what has become of the messages of a batch that went wrong.
func (p *publisher) sort(batch []message, cmds []publishCmd) (unsent []message, trouble error) {
	unsent = batch[:0]
	for i, m := range batch {
		err := cmds[i].Err()
		if err == nil || isReply(err) && !notNow(err) {
			p.settle(m, err) // Redis has answered
			continue
		}
		trouble = err
		if notSent(err, cmds[i].body.written) {
			unsent = append(unsent, m)
		} else {
			p.settle(m, &UnavailableError{Err: err})
		}
	}
	if trouble != nil {
		reload(p.ctx, p.rdb)
	}
	return unsent, trouble
}

// isReply tells that an error is what Redis has answered.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// notNow tells that Redis has refused a command for a reason that passes.
func notNow(err error) bool {
	for _, prefix := range []string{"LOADING ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN "} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

// notSent tells that a command that failed has certainly not been executed, and may be
// tried again.
func notSent(err error, written bool) bool {
	return notNow(err) || !written && !errors.Is(err, redis.ErrClosed)
}

// publishCmd is a PUBLISH that is never repeated: it is unknown whether a command
// whose answer is missing has been executed, and a broadcast must not arrive
// twice.
type publishCmd struct {
	*redis.IntCmd
	body *body
}

// body is a payload that knows whether the Redis client has begun to write it. Until
// then, whatever went wrong, it has certainly not been published.
type body struct {
	data    []byte
	written bool
}

// MarshalBinary is what the Redis client writes.
func (b *body) MarshalBinary() ([]byte, error) {
	b.written = true
	return b.data, nil
}

// NoRetry keeps the Redis client from repeating the command.
func (publishCmd) NoRetry() bool { return true }

// pipeline returns where to publish. In a Redis cluster it is one node, always
// the same as long as it lives: the nodes pass messages on to each other, but
// only what goes through the same node keeps its order.
func (p *publisher) pipeline() (redis.Pipeliner, error) {
	cluster, ok := p.rdb.(interface {
		MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	})
	if !ok {
		return p.rdb.Pipeline(), nil
	}
	node, err := cluster.MasterForKey(p.ctx, p.node)
	if err != nil {
		reload(p.ctx, p.rdb)
		return nil, err
	}
	return node.Pipeline(), nil
}

// reload makes the client of a Redis cluster look where its nodes are.
func reload(ctx context.Context, rdb redis.UniversalClient) {
	if cluster, ok := rdb.(interface{ ReloadState(ctx context.Context) }); ok {
		cluster.ReloadState(ctx)
	}
}
