package redisadapter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// TestCountedWhileClosing has an adapter closed while a question counts the nodes. Nobody
// listens to their answers any more, so nobody waits for them.
func TestCountedWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		col := collection{c: b.c, box: newMailbox[news](), want: 1}
		b.c.cancel()
		go func() {
			time.Sleep(time.Second)
			col.box.put(news{kind: newsAsked, nodes: 3})
			time.Sleep(time.Second) // then the local socket answers
			col.box.put(news{kind: newsAnswer, reply: adapter.Reply{Data: []byte("[]")}, ok: true})
		}()
		start := time.Now()
		var last error
		col.run(ctx, func(_ adapter.Reply, err error) bool {
			last = err
			return true
		})
		if took := time.Since(start); !errors.Is(last, adapter.ErrClosed) || took > 2*time.Second {
			t.Errorf("after %v: %v", took, last)
		}
	})
}

// TestPatientOperation has a request that has more time than messages have to be
// published. It does not keep those behind it in the queue for as long.
func TestPatientOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", &Options{QueueTimeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		sent := make(chan error, 1)
		go func() { sent <- b.c.send(ctx, []byte("x")) }()
		synctest.Wait()
		batch, _ := b.c.link.publisher.take(nil)
		if len(batch) != 1 || time.Until(batch[0].expires) != time.Second {
			t.Errorf("the queue is %v", batch)
		}
		cancel()
		if err := <-sent; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
