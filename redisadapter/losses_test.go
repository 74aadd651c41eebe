package redisadapter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
)

// What is given up is told why, and counted by how it was lost. What is left keeps its order.
func TestWhatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trouble := errors.New("trouble")
		left, cancel := context.WithCancel(t.Context())
		cancel()
		for _, tt := range []struct {
			name        string
			stop, cause error
			want        []error // nil for what is kept
			losses      adapter.Losses
		}{
			{"nothing has failed", nil, nil, []error{nil, context.DeadlineExceeded, context.DeadlineExceeded, nil}, adapter.Losses{Expired: 2}},
			{"trouble", nil, trouble, []error{nil, trouble, trouble, nil}, adapter.Losses{Expired: 2}},
			{"the end", adapter.ErrClosed, trouble, []error{adapter.ErrClosed, adapter.ErrClosed, adapter.ErrClosed, adapter.ErrClosed}, adapter.Losses{Failed: 4}},
		} {
			p := testPublisher(t, unreachable(t), nil)
			now := time.Now()
			batch := []message{{expires: now}, {expires: now.Add(-1)}, {expires: now.Add(time.Hour), ctx: left}, {expires: now.Add(time.Hour), ctx: t.Context()}}
			done := make([]chan error, len(batch))
			for i := range batch {
				done[i] = make(chan error, 1)
				batch[i].channel, batch[i].payload, batch[i].done = string(rune('a'+i)), []byte("12"), done[i]
				if err := p.enqueue(batch[i]); err != nil {
					t.Fatal(err)
				}
			}
			taken, _ := p.take(nil)
			order := ""
			for _, m := range p.discard(tt.stop, taken, tt.cause) {
				order += m.channel
			}
			want := ""
			for i, err := range tt.want {
				switch {
				case err == nil:
					want += string(rune('a' + i))
				case len(done[i]) == 0:
					t.Errorf("%s: message %d has no error", tt.name, i)
				default:
					if got := <-done[i]; !errors.Is(got, err) {
						t.Errorf("%s: message %d: %v, want %v", tt.name, i, got, err)
					}
				}
			}
			if order != want || p.outages.total != tt.losses || p.count != len(want) || p.bytes != 2*len(want) {
				t.Errorf("%s: kept %q, want %q; %d messages and %d bytes; %+v", tt.name, order, want, p.count, p.bytes, p.outages.total)
			}
		}
	})
}

// The age of the queue is how long nothing of it has been settled.
func TestAgeOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPublisher(t, unreachable(t), nil)
		age := func(want time.Duration, queued int) {
			t.Helper()
			var h adapter.Health
			if p.report(&h); h.QueueAge != want || h.Queued != queued || h.QueuedBytes != queued {
				t.Errorf("%d messages, %d bytes, %v old, want %d, %v old", h.Queued, h.QueuedBytes, h.QueueAge, queued, want)
			}
		}
		time.Sleep(time.Minute)
		age(0, 0)
		for i := range 2 {
			if err := p.enqueue(soon("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(400 * time.Millisecond)
			age(time.Duration(i+1)*400*time.Millisecond, i+1)
		}
		batch, _ := p.take(nil)
		p.published(batch[0])
		time.Sleep(300 * time.Millisecond)
		age(300*time.Millisecond, 1)
		p.published(batch[1])
		age(0, 0)
	})
}

// A queue that is closed waits for Redis for as long as a request may take, and only while there is trouble.
func TestClosedQueueDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPublisher(t, unreachable(t), &Options{RequestTimeout: time.Second})
		late := func(want bool) {
			t.Helper()
			if p.late() != want {
				t.Errorf("late: %t, want %t", !want, want)
			}
		}
		p.outages.setDown(errNoAnswer)
		late(false)
		p.queue.close()
		time.Sleep(time.Second)
		late(false)
		p.queue.close()
		time.Sleep(1)
		late(true)
		p.outages.setDown(nil)
		late(false)
	})
}

// An outage lasts from its first sign until all is well, and holds what was lost meanwhile.
func TestOutagesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		lines := logonce.New(slog.New(slog.NewTextHandler(&logs, nil)))
		var told []OutageEndedInfo
		var began []OutageBeganInfo
		o := newOutages(lines, []Observer{{
			OutageBegan: func(info OutageBeganInfo) { began = append(began, info) },
			OutageEnded: func(info OutageEndedInfo) { told = append(told, info) },
		}})
		first, second := errors.New("first"), errors.New("second")
		start := time.Now()
		o.ended() // there was none
		o.lost(refused)
		o.missing(7)
		for round := range 3 {
			o.began(first)
			time.Sleep(time.Second)
			o.deafened(second)
			time.Sleep(time.Second)
			o.deafened(first)
			o.lost(unknown)
			time.Sleep(time.Second)
			o.heard()
			o.missing(round)
			time.Sleep(time.Second)
			if o.blocked() == nil {
				t.Error("nothing is said to be wrong")
			}
			o.setDown(nil)
			o.ended()
			o.ended()
			time.Sleep(10 * time.Second)
		}
		if err := o.told.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, info := range told {
			want := OutageEndedInfo{
				Began: start.Add(time.Duration(i) * 14 * time.Second), Err: first, Lasted: 4 * time.Second, Deaf: 2 * time.Second,
				Losses: adapter.Losses{Unknown: 1}, Missing: i,
			}
			if info != want || began[i] != (OutageBeganInfo{At: want.Began, Err: first}) {
				t.Errorf("outage %d: %+v and %+v, want %+v", i, began[i], info, want)
			}
		}
		var h adapter.Health
		o.report(&h)
		if len(told) != 3 || len(began) != 3 || !h.Reached || h.Losses != (adapter.Losses{Refused: 1, Unknown: 3}) || h.Since != start.Add(32*time.Second) {
			t.Errorf("%d began, %d ended; %+v", len(began), len(told), h)
		}
		time.Sleep(3 * logonce.Period)
		o.began(second)
		time.Sleep(time.Second)
		o.ended() // is logged, with those that were not
		lines.Close()
		if !strings.Contains(logs.String(), "lasted=4s deaf=2s lost=0 unknown=1 refused=0 missing=0") || !strings.Contains(logs.String(), "lasted=9s deaf=4s lost=0 unknown=2 refused=0") {
			t.Errorf("logged %s", &logs)
		}
	})
}
