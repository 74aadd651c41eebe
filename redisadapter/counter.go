package redisadapter

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
)

// counter counts how many nodes listen to a channel. It asks Redis once for all
// who want to know at the same time, and lets nobody wait longer than they
// want, however long the Redis client takes.
type counter struct {
	rdb     redis.UniversalClient
	timeout time.Duration
	ctx     context.Context // ends when the counter is to stop
	cancel  context.CancelFunc

	mu      sync.Mutex
	waiting map[*count]struct{}
	running chan struct{} // closed when the goroutine has ended; nil if there is none
	closed  bool
}

// cluster is what the client of a Redis cluster has. It finds out anew which the
// masters are.
type cluster interface {
	ForEachMaster(ctx context.Context, fn func(ctx context.Context, node *redis.Client) error) error
}

// count is one wish to know.
type count struct {
	channel string
	result  chan countResult // has room for it
}

type countResult struct {
	n   int
	err error
}

func newCounter(rdb redis.UniversalClient, timeout time.Duration) *counter {
	ctx, cancel := context.WithCancel(context.Background())
	return &counter{rdb: rdb, timeout: timeout, ctx: ctx, cancel: cancel, waiting: make(map[*count]struct{})}
}

// count returns the number of connections that listen to the channel. It asks
// after it has been called, never before.
func (c *counter) count(ctx context.Context, channel string) (int, error) {
	w := &count{channel: channel, result: make(chan countResult, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, adapter.ErrClosed
	}
	c.waiting[w] = struct{}{}
	if c.running == nil {
		c.running = make(chan struct{})
		go c.run(c.running)
	}
	c.mu.Unlock()
	select {
	case r := <-w.result:
		return r.n, r.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, w)
		c.mu.Unlock()
		return 0, ctx.Err()
	}
}

// run answers until nobody waits any more.
func (c *counter) run(done chan struct{}) {
	defer close(done)
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 {
			c.running = nil
			c.mu.Unlock()
			return
		}
		batch := c.waiting
		c.waiting = make(map[*count]struct{})
		c.mu.Unlock()
		c.answer(batch)
	}
}

func (c *counter) answer(batch map[*count]struct{}) {
	seen := make(map[string]int64)
	for w := range batch {
		seen[w.channel] = 0
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	err := c.ask(ctx, names, seen)
	for w := range batch {
		if err != nil {
			w.result <- countResult{err: &UnavailableError{Err: err}}
		} else {
			w.result <- countResult{n: int(seen[w.channel])}
		}
	}
}

// ask adds up what each master of a Redis cluster says: a connection listens at
// one of them.
func (c *counter) ask(ctx context.Context, names []string, sum map[string]int64) error {
	masters, ok := c.rdb.(cluster)
	if !ok {
		counts, err := c.rdb.PubSubNumSub(ctx, names...).Result()
		add(sum, counts)
		return err
	}
	var mu sync.Mutex
	asked := false
	err := masters.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		counts, err := node.PubSubNumSub(ctx, names...).Result()
		mu.Lock()
		defer mu.Unlock()
		add(sum, counts)
		asked = true
		return err
	})
	if err == nil && !asked {
		return errNoMaster
	}
	return err
}

func add(sum, counts map[string]int64) {
	for name, n := range counts {
		sum[name] += n
	}
}

// close answers nobody any more, and waits for the goroutine until ctx ends.
func (c *counter) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	running := c.running
	c.mu.Unlock()
	c.cancel()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
