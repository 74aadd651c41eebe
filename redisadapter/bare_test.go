package redisadapter

import (
	"log/slog"
	"testing"

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

// published empties the queue.
func (b *bare) published() []message {
	queue, _ := b.c.link.publisher.take(nil)
	b.c.link.publisher.count, b.c.link.publisher.bytes = 0, 0
	return queue
}

func (b *bare) count(kind trouble) uint64 { return b.c.link.log.count(kind) }
