package adapter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// endsWith is a context that ends when it is asked, just after something else has
// happened.
type endsWith struct {
	context.Context

	happens func()
	err     error
}

func (e *endsWith) Err() error {
	if e.happens != nil {
		e.happens()
		e.happens, e.err = nil, context.DeadlineExceeded
	}
	return e.err
}

func (e *endsWith) Done() <-chan struct{} {
	done := make(chan struct{})
	if e.err != nil {
		close(done)
	}
	return done
}

// drained returns what an inbox yields.
func drained(ctx context.Context, in *inbox, count int) (replies []string, err error) {
	in.drain(ctx, count, func(r Reply, e error) bool {
		if e != nil {
			err = e
			return true
		}
		replies = append(replies, string(r.Data))
		return true
	})
	return replies, err
}

func reply(data string) Reply { return Reply{Data: []byte(data)} }

// An answer that has come when the end of the context is noticed is not lost.
func TestAnswerJustBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		count int
		err   error
	}{
		"the last one":    {2, nil},
		"another is late": {3, context.DeadlineExceeded},
	} {
		in := newInbox()
		in.put(reply("first"), true)
		ctx := &endsWith{Context: t.Context(), happens: func() { in.put(reply("in time"), true) }}
		got, err := drained(ctx, in, tt.count)
		if !slices.Equal(got, []string{"first", "in time"}) || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %q, %v, want the error %v", name, got, err, tt.err)
		}
	}
}

// Answers come one after the other, some sockets have none, and the inbox waits for what
// is missing and no longer.
func TestInboxWaitsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newInbox()
		go func() {
			for i := range 5 {
				time.Sleep(time.Second)
				in.put(reply(fmt.Sprint(i)), i != 2)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		got, err := drained(ctx, in, 5)
		if !slices.Equal(got, []string{"0", "1", "3", "4"}) || err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %q, %v", time.Since(start), got, err)
		}
		start = time.Now()
		if got, err = drained(ctx, in, 6); len(got) > 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 55*time.Second {
			t.Errorf("after %v more: %q, %v", time.Since(start), got, err)
		}
	})
}

// Who does not want more gets no more, be it an answer or the error.
func TestInboxStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := newInbox()
	in.put(reply("1"), true)
	in.put(reply("2"), true)
	calls := 0
	in.drain(ctx, 3, func(Reply, error) bool {
		calls++
		return false
	})
	if calls != 1 {
		t.Errorf("called %d times, want once", calls)
	}
}
