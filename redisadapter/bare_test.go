package redisadapter

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
)

// bare is a namespace whose adapter has no goroutines and no connection: what it
// publishes stays in its queue.
type bare struct {
	*adaptertest.Host
	c *classic
}

func newBare(tb testing.TB, namespace string, o *Options) *bare {
	tb.Helper()
	opts := o.withDefaults()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	opts.Logger = slog.New(slog.DiscardHandler)
	l := joinUp(rdb, &opts)
	l.users = 1
	b := &bare{}
	b.Host = adaptertest.NewHost(namespace, "server", func(h adapter.Host) adapter.Adapter {
		b.c = newClassic(h, l, func() bool { return false })
		return b.c
	})
	tb.Cleanup(func() {
		b.c.cancel()
		b.c.serving.close()
		l.lines.Close()
		rdb.Close()
	})
	return b
}

// published empties the queue, as if Redis had got the answers in it. What is being
// described is waited for.
func (b *bare) published() (queue []message) {
	p, d := b.c.link.publisher, &b.c.describing
	for {
		d.mu.Lock()
		running := d.running
		d.mu.Unlock()
		p.mu.Lock()
		queued := p.count
		p.mu.Unlock()
		if queued == 0 && running == nil {
			return queue
		}
		batch, _ := p.take(nil)
		p.mu.Lock()
		p.count, p.bytes = 0, 0
		p.mu.Unlock()
		for _, m := range batch {
			if m.done != nil && strings.HasPrefix(m.channel, b.c.response) {
				m.done <- nil
			}
		}
		if queue = append(queue, batch...); len(batch) == 0 {
			time.Sleep(10 * time.Microsecond)
		}
	}
}

func (b *bare) count(kind trouble) uint64 { return b.c.link.log.count(kind) }
