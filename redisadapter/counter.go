package redisadapter

import (
	"context"
	"maps"
	"slices"
	"strings"
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

	conn *redis.Conn // at the server of a client of one; the goroutine's own

	mu      sync.Mutex
	wrong   bool // whether conn leads to where it should not
	waiting map[*count]struct{}
	running chan struct{} // closed when the goroutine has ended; nil if there is none
	closed  bool
}

// count is one wish to know.
type count struct {
	channels []string
	result   chan countResult // has room for it
}

type countResult struct {
	n   []int // for each channel
	err error
}

func newCounter(rdb redis.UniversalClient, timeout time.Duration) *counter {
	ctx, cancel := context.WithCancel(context.Background())
	return &counter{rdb: rdb, timeout: timeout, ctx: ctx, cancel: cancel, waiting: make(map[*count]struct{})}
}

// count returns the number of connections that listen to the channel.
func (c *counter) count(ctx context.Context, channel string) (int, error) {
	n, err := c.counts(ctx, channel)
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// counts returns the number of connections that listen to each of the channels. It asks
// after it has been called, never before.
func (c *counter) counts(ctx context.Context, channels ...string) ([]int, error) {
	w := &count{channels: channels, result: make(chan countResult, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, adapter.ErrClosed
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
		return nil, ctx.Err()
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
		for _, name := range w.channels {
			seen[name] = 0
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	err := c.ask(ctx, slices.Collect(maps.Keys(seen)), seen)
	for w := range batch {
		if err != nil {
			w.result <- countResult{err: &UnavailableError{Err: err}}
			continue
		}
		r := countResult{n: make([]int, len(w.channels))}
		for i, name := range w.channels {
			r.n[i] = int(seen[name])
		}
		w.result <- r
	}
}

// ask adds up what each master of a Redis cluster says: a connection listens at
// one of them.
func (c *counter) ask(ctx context.Context, names []string, sum map[string]int64) error {
	masters, ok := c.rdb.(cluster)
	if !ok {
		return c.askOne(ctx, names, sum)
	}
	var mu sync.Mutex
	var alive *redis.Client
	silent := make(map[string]error) // those that did not answer, by their address
	err := masters.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		counts, err := node.PubSubNumSub(ctx, names...).Result()
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			silent[node.Options().Addr] = err
			return nil
		}
		add(sum, counts)
		alive = node
		return nil
	})
	switch {
	case err != nil:
		return err
	case alive == nil && len(silent) == 0:
		return errNoMaster
	}
	return deadOrError(ctx, alive, silent)
}

// askOne asks the only server, through a connection that is kept: that of which it is known
// where it leads. One that has broken meanwhile is replaced.
func (c *counter) askOne(ctx context.Context, names []string, sum map[string]int64) (err error) {
	one, ok := c.rdb.(single)
	if !ok {
		return errNoMaster
	}
	c.mu.Lock()
	wrong := c.wrong
	c.wrong = false
	c.mu.Unlock()
	if wrong {
		c.hangUp()
	}
	for attempt := 0; attempt == 0 || attempt == 1 && err != nil && ctx.Err() == nil; attempt++ {
		var counts map[string]int64
		if counts, err = c.connect(one).PubSubNumSub(ctx, names...).Result(); err == nil {
			add(sum, counts)
			return nil
		}
		c.hangUp()
	}
	return err
}

// connect takes a connection of its own if there is none.
func (c *counter) connect(one single) *redis.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		c.conn = one.EphemeralConn()
	}
	return c.conn
}

// distrust has the next count go through another connection.
func (c *counter) distrust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = true
}

// hangUp gives the connection up.
func (c *counter) hangUp() {
	c.mu.Lock()
	conn := c.conn
	c.conn = nil
	c.mu.Unlock()
	if conn != nil {
		conn.Close() //nolint:errcheck // nobody uses it any more
	}
}

// deadOrError returns the error of one of the masters that did not answer, unless the Redis
// cluster has agreed that all of them have failed: nobody listens there.
func deadOrError(ctx context.Context, alive *redis.Client, silent map[string]error) error {
	known := ""
	if alive != nil && len(silent) > 0 {
		known = alive.ClusterNodes(ctx).Val() // if it may not be asked, nobody is known to have failed
	}
	for addr, err := range silent {
		if !hasFailed(known, addr) {
			return err
		}
	}
	return nil
}

// hasFailed looks for a node in the answer to CLUSTER NODES, whose lines are
// "id ip:port@bus flags ...".
func hasFailed(nodes, addr string) bool {
	for line := range strings.Lines(nodes) {
		fields := strings.Fields(line)
		if len(fields) > 2 && strings.HasPrefix(fields[1], addr+"@") {
			return slices.Contains(strings.Split(fields[2], ","), "fail")
		}
	}
	return false
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
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.hangUp()
	return nil
}
