package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// A message whose answer is missing may have been published: it is not published again,
// neither by the publisher nor by the Redis client.
func TestNotPublishedAgainWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int) string { return "" }}
		p := testPublisher(t, f.client(t), nil)
		go p.run()
		for i, payload := range []string{"first", "second"} {
			done := make(chan error, 1)
			m := soon(payload)
			m.done = done
			if err := p.publish(m); err != nil {
				t.Fatal(err)
			}
			if _, ok := errors.AsType[*UnavailableError](<-done); !ok {
				t.Errorf("%s: no error", payload)
			}
			time.Sleep(5 * time.Second) // nobody tries again later, either
			if got := f.messages(); len(strings.Fields(got)) != i+1 || !strings.HasSuffix(got, payload) {
				t.Errorf("published %q", got)
			}
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// In a batch of which one has no answer none is published again: neither those before
// it, of which the Redis client tells no more than of the others, nor those behind it.
func TestBatchIsNotPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(n int) string {
			if n == 3 {
				return ""
			}
			return ":1\r\n"
		}}
		p := testPublisher(t, f.client(t), nil)
		var results []chan error
		for i := range 5 {
			m := soon(fmt.Sprint(i))
			results = append(results, make(chan error, 1))
			m.done = results[i]
			if err := p.publish(m); err != nil {
				t.Fatal(err)
			}
		}
		go p.run()
		for i, done := range results {
			if err := <-done; err == nil && i >= 2 {
				t.Errorf("message %d has no answer, and no error", i)
			}
		}
		after := make(chan error, 1)
		m := soon("after")
		m.done = after
		_ = p.publish(m) // it may be told of the trouble before
		if err := <-after; err != nil {
			t.Error(err)
		}
		if got := f.messages(); got != "0 1 2 after" {
			t.Errorf("published %q", got)
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What Redis refuses for a reason that passes is published again, and only that.
func TestRefusedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(n int) string {
			switch n {
			case 1, 4:
				return "-LOADING Redis is loading the dataset in memory\r\n"
			case 3:
				return "-NOPERM no\r\n"
			}
			return ":1\r\n"
		}}
		p := testPublisher(t, f.client(t), nil)
		for _, payload := range []string{"a", "b", "c"} {
			if err := p.publish(soon(payload)); err != nil {
				t.Fatal(err)
			}
		}
		go p.run()
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := f.messages(); got != "a b c a a" {
			t.Errorf("published %q", got)
		}
		if n := p.log.count(troubleDropped); n != 1 || p.count != 0 || p.bytes != 0 {
			t.Errorf("%d messages were dropped, want the one that is not allowed; %d and %d bytes are left", n, p.count, p.bytes)
		}
	})
}

// A queue that has been full takes as much again, for ever.
func TestQueueIsNeverUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int) string { return ":1\r\n" }}
		p := testPublisher(t, f.client(t), &Options{MaxQueued: 5, MaxQueuedBytes: 20})
		go p.run()
		for round := range 10 {
			done := make(chan error, 5)
			synctest.Wait() // the publisher rests, and takes nothing until it is told
			p.mu.Lock()
			for range 5 {
				m := soon("1234")
				m.done = done
				p.waiting, p.count, p.bytes = append(p.waiting, m), p.count+1, p.bytes+len(m.payload)
			}
			p.mu.Unlock()
			if err := p.publish(soon("")); !errors.Is(err, ErrQueueFull) {
				t.Fatalf("round %d: a full queue: %v", round, err)
			}
			p.nudge()
			for range 5 {
				if err := <-done; err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
			synctest.Wait()
			if p.count != 0 || p.bytes != 0 {
				t.Fatalf("round %d: %d messages and %d bytes are left", round, p.count, p.bytes)
			}
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An outage that is over is over: the next message is not told of it, and the next
// outage is.
func TestEachOutageIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loading := true
		f := &fake{}
		f.answer = func(int) string {
			if loading {
				return "-LOADING not yet\r\n"
			}
			return ":1\r\n"
		}
		p := testPublisher(t, f.client(t), nil)
		go p.run()
		for round := range 3 {
			f.mu.Lock()
			loading = true
			f.mu.Unlock()
			if err := p.publish(soon("x")); err != nil {
				t.Errorf("round %d: before anything has failed: %v", round, err)
			}
			time.Sleep(time.Second)
			if _, ok := errors.AsType[*UnavailableError](p.publish(soon("y"))); !ok {
				t.Errorf("round %d: no error while Redis is away", round)
			}
			f.mu.Lock()
			loading = false
			f.mu.Unlock()
			time.Sleep(2 * p.opts.MaxBackoff)
			if err := p.publish(soon("z")); err != nil {
				t.Errorf("round %d: after it has come back: %v", round, err)
			}
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A client that cannot make a connection, as its database does not exist, has published nothing.
func TestCommandsWithoutAConnectionAreNotPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int) string { return ":1\r\n" }}
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", Dialer: f.dial, DB: 7}) // it refuses SELECT
		t.Cleanup(func() {
			rdb.Close()
			f.running.Wait()
		})
		p := testPublisher(t, rdb, nil)
		go p.run()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.send(ctx, soon("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sending: %v", err)
		}
		if _, told := errors.AsType[*UnavailableError](p.publish(soon("y"))); !told {
			t.Error("the next message has no error")
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
		if got, l := f.messages(), p.outages.total; got != "" || l.Failed != 2 {
			t.Errorf("published %q; %+v", got, l)
		}
	})
}

// What has been on its way for a second without an answer is told to those who publish more.
func TestSilenceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fake{answer: func(int) string { <-release; return ":1\r\n" }}
		p := testPublisher(t, f.client(t), nil)
		go p.run()
		for i, told := range []bool{false, false, true, true} {
			_, unavailable := errors.AsType[*UnavailableError](p.publish(soon("x")))
			if unavailable != told {
				t.Errorf("after %d times 600 ms: told %t", i, unavailable)
			}
			time.Sleep(600 * time.Millisecond)
		}
		close(release)
		synctest.Wait()
		if err := p.publish(soon("x")); err != nil {
			t.Errorf("after the answer: %v", err)
		}
		if err := p.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
