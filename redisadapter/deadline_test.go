package redisadapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// confirm has Redis confirm everything that the adapter listens to.
func (b *bare) confirm() {
	s := b.c.link.subscriber
	s.mu.Lock()
	defer s.mu.Unlock()
	b.c.subscription.missing = 0
	close(b.c.subscription.ready)
}

// ask has another node broadcast an event that wants answers.
func (b *bare) ask(t *testing.T, id, opts string) {
	t.Helper()
	b.c.receive(b.c.request, pack(t, fmt.Sprintf(`{"uid":"u","requestId":%q,"type":7,"packet":{"type":2,"data":["ask"]},"opts":%s}`, id, opts)))
}

// serves returns how many broadcasts of other nodes are not over.
func (b *bare) serves() int {
	b.c.serving.mu.Lock()
	defer b.c.serving.mu.Unlock()
	return len(b.c.serving.asked)
}

// answerOne is an answer whose data is [1].
var answerOne = adapter.Reply{Data: []byte(`[1]`)}

// A broadcast of another node is served as long as that node waits, which it says, and
// neither longer nor shorter. It says so anew each time.
func TestServesAsLongAsTheAskerWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		opts string
		want time.Duration
	}{
		"shorter than the default": {`{"flags":{"timeout":1500}}`, 1500 * time.Millisecond},
		"longer than the default":  {`{"flags":{"timeout":20000}}`, 20 * time.Second},
		"half a millisecond":       {`{"flags":{"timeout":0.5}}`, 500 * time.Microsecond},
		"not said":                 {`{"flags":{}}`, 5 * time.Second},
		"none":                     {`{"flags":{"timeout":0}}`, 5 * time.Second},
		"negative":                 {`{"flags":{"timeout":-1}}`, 5 * time.Second},
		"for ever":                 {`{"flags":{"timeout":1e300}}`, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBare(t, "/", &Options{RequestTimeout: 5 * time.Second})
				p := b.Connect()
				for round := range 2 {
					b.ask(t, "r", tt.opts)
					checkPublished(t, b, `{"type":8,"requestId":"r","clientCount":1}`)
					d := p.Next(t)
					time.Sleep(tt.want - time.Microsecond)
					synctest.Wait()
					if b.serves() != 1 {
						t.Fatalf("round %d: over before %v have passed", round, tt.want)
					}
					time.Sleep(2 * time.Microsecond)
					synctest.Wait()
					if b.serves() != 0 {
						t.Fatalf("round %d: not over after %v", round, tt.want)
					}
					d.Answer(answerOne)
					if late := b.published(); len(late) > 0 {
						t.Errorf("round %d: a late answer was sent: %q", round, late[0].payload)
					}
				}
			})
		})
	}
}

// An answer that comes in time is passed on, and what is answered is over at once.
func TestAnswerWithinTheAskersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", nil)
		p, other := b.Connect(), b.Connect()
		for _, id := range []string{"a", "b"} {
			b.ask(t, id, `{"flags":{"timeout":3000}}`)
			checkPublished(t, b, `{"type":8,"requestId":"`+id+`","clientCount":2}`)
			time.Sleep(2 * time.Second)
			p.Next(t).Answer(answerOne)
			checkPublished(t, b, `{"type":9,"requestId":"`+id+`","packet":1}`)
			synctest.Wait()
			if b.serves() != 1 {
				t.Error("over although an answer is missing")
			}
			other.Next(t).Answer(answerOne)
			checkPublished(t, b, `{"type":9,"requestId":"`+id+`","packet":1}`)
			synctest.Wait()
			if b.serves() != 0 {
				t.Error("not over although all have answered")
			}
		}
	})
}

// What is being served ends with Close: no answer is sent after it, and nothing begins
// any more.
func TestServingEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", nil)
		p := b.Connect()
		b.ask(t, "r", `{"flags":{"timeout":60000}}`)
		b.ask(t, "s", `{"flags":{"timeout":60000}}`)
		b.published()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) { // no Redis confirms it
			t.Errorf("Close: %v", err)
		}
		if n := b.serves(); n > 0 {
			t.Errorf("%d broadcasts are served after Close", n)
		}
		for range 2 {
			p.Next(t).Answer(answerOne)
		}
		b.ask(t, "t", `{"flags":{"timeout":60000}}`)
		if sent := b.published(); len(sent) > 0 || b.serves() > 0 || len(p.Inbox()) > 0 {
			t.Errorf("%d messages were published after Close", len(sent))
		}
		time.Sleep(time.Hour) // the timers that have been stopped do nothing
	})
}

// timeoutOf returns the flag "timeout" of a broadcast that wants answers.
func timeoutOf(t *testing.T, payload []byte) time.Duration {
	t.Helper()
	r, err := readRequest(string(payload))
	if err != nil {
		t.Fatal(err)
	}
	var opts struct {
		Flags struct {
			Timeout float64 `json:"timeout"`
		} `json:"flags"`
	}
	if err := json.Unmarshal(r.Opts, &opts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(opts.Flags.Timeout * float64(time.Millisecond))
}

// Who is asked is told how long the asker waits: until the context's deadline, or what
// the flags or the options say. For nodes that nobody has got to know of, it does not wait for
// longer than a request may take.
func TestCollectTellsItsDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		deadline, timeout time.Duration
		told, ends        time.Duration
	}{
		"of the context":       {deadline: 3 * time.Second, told: 3 * time.Second, ends: 3 * time.Second},
		"longer":               {deadline: time.Minute, told: time.Minute, ends: 5 * time.Second},
		"of the flags":         {timeout: 7 * time.Second, told: 7 * time.Second, ends: 5 * time.Second},
		"of both":              {deadline: 3 * time.Second, timeout: 7 * time.Second, told: 7 * time.Second, ends: 3 * time.Second},
		"of the options":       {told: 5 * time.Second, ends: 5 * time.Second},
		"rounded up":           {deadline: 1500 * time.Microsecond, told: 2 * time.Millisecond, ends: 1500 * time.Microsecond},
		"a millisecond, least": {deadline: time.Microsecond, told: time.Millisecond, ends: time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBare(t, "/", &Options{RequestTimeout: 5 * time.Second})
				b.confirm()
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				done := make(chan error, 1)
				go func() {
					_, _, err := collected(&mixed{host: b.Host}, ctx, event("/", `["ask"]`), adapter.Target{Flags: adapter.Flags{Timeout: tt.timeout}})
					done <- err
				}()
				synctest.Wait()
				sent := b.published()
				if len(sent) != 1 {
					t.Fatalf("%d messages were published, want the request", len(sent))
				}
				if got := timeoutOf(t, sent[0].payload); got != tt.told {
					t.Errorf("told %v, want %v", got, tt.told)
				}
				err := <-done
				if _, ok := errors.AsType[*TimeoutError](err); !ok || time.Since(start) != tt.ends {
					t.Errorf("after %v, want %v: %v", time.Since(start), tt.ends, err)
				}
			})
		})
	}
}

// An answer that has come when the end of the context is noticed is not lost.
func TestAnswerOfAnotherNodeJustBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBare(t, "/", nil)
		answer := news{kind: newsAnswer, reply: answerOne, ok: true}
		col := collection{c: b.c, box: newMailbox[news](), want: 2, nodes: 1}
		col.box.put(answer)
		ctx := &endsWith{Context: t.Context(), happens: func() { col.box.put(answer) }}
		var got []error
		col.run(ctx, func(_ adapter.Reply, err error) bool {
			got = append(got, err)
			return true
		})
		if !slices.Equal(got, []error{nil, nil}) {
			t.Errorf("yielded %v, want two answers", got)
		}
		g := newGathering(b.c, "fetch", 2)
		ctx = &endsWith{Context: t.Context(), happens: func() { g.take(&response{requestID: "in time"}) }}
		g.run(ctx, func(r *response, err error) bool {
			if err != nil || r.requestID != "in time" {
				t.Errorf("yielded %v, %v", r, err)
			}
			return true
		})
		if g.got != 1 {
			t.Errorf("%d answers, want 1", g.got)
		}
	})
}

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

// counted returns a namespace whose Redis says that n connections listen to its
// requests, or nothing about them if n is negative.
func counted(t *testing.T, n int64) (*bare, *fake) {
	t.Helper()
	b := newBare(t, "/", nil)
	rdb := &fake{counts: map[string]int64{}}
	if n >= 0 {
		rdb.counts[b.c.request] = n
		rdb.counts[b.c.answers(b.c.uid)] = min(n, 1)
	}
	b.c.link.counter.rdb = rdb.client(t)
	t.Cleanup(func() {
		if err := b.c.link.counter.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b.confirm()
	return b, rdb
}

// A node that Redis does not count is never alone: it is at another server than the others,
// or its connection is about to be replaced. Either is an error if it does not pass.
func TestNotCountedIsNotAlone(t *testing.T) {
	for n, want := range map[int64]int{-1: 0, 0: 0, 1: 1, 2: 2, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			b, _ := counted(t, n)
			for round := range 3 {
				got, err := b.c.ServerCount(t.Context())
				if _, failed := errors.AsType[*TimeoutError](err); got != want || failed != (want == 0) {
					t.Errorf("Redis says %d, round %d: %d nodes, %v, want %d", n, round, got, err, want)
				}
			}
			if want > 0 {
				return
			}
			b.Connect()
			if sockets, err := b.c.Fetch(t.Context(), adapter.Target{}); len(sockets) != 1 || err == nil {
				t.Errorf("Redis says %d: fetched %d, %v", n, len(sockets), err)
			}
		})
	}
}

// Whoever is counted but listens elsewhere than those who count is not with the others.
func TestCountedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, rdb := counted(t, 2)
		rdb.counts[b.c.answers(b.c.uid)] = 0
		if n, err := b.c.ServerCount(t.Context()); n != 0 || err == nil {
			t.Errorf("%d nodes, %v", n, err)
		}
	})
}

// Each count asks Redis anew, also after nobody has wanted to know for a while, and those
// who ask together are answered together.
func TestCountsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, rdb := counted(t, 2)
		for n := range int64(5) {
			rdb.mu.Lock()
			rdb.counts[b.c.request] = n + 2
			rdb.mu.Unlock()
			if got, err := b.c.link.counter.count(t.Context(), b.c.request); int64(got) != n+2 || err != nil {
				t.Errorf("%d nodes, %v, want %d", got, err, n+2)
			}
			time.Sleep(time.Minute)
		}
		if rdb.asked != 5 {
			t.Errorf("asked %d times, want 5", rdb.asked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.c.link.counter.close(ctx); err != nil {
			t.Error(err)
		}
		if _, err := b.c.link.counter.count(t.Context(), b.c.request); !errors.Is(err, adapter.ErrClosed) {
			t.Errorf("after it was closed: %v", err)
		}
	})
}

// A mailbox keeps what comes until it is taken, up to its bound, and again.
func TestMailbox(t *testing.T) {
	box := newMailbox[struct{}]()
	for range 2 {
		for range maxResponses + 5 {
			box.put(struct{}{})
		}
		if n := len(box.take()); n != maxResponses {
			t.Errorf("%d are kept, want %d", n, maxResponses)
		}
		if n := len(box.take()); n != 0 {
			t.Errorf("%d are taken twice", n)
		}
	}
}

// Who asks the other nodes waits for each of them, and for no more: the answers of all of
// them are yielded, and as soon as the last one has come it is over.
func TestWaitsForEachOfTheOtherNodes(t *testing.T) {
	for _, tt := range []struct {
		nodes    int64
		answers  int
		wantErr  bool
		wantTook time.Duration
	}{{2, 1, false, 0}, {3, 2, false, 0}, {5, 4, false, 0}, {3, 1, true, 5 * time.Second}, {2, 0, true, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			b, _ := counted(t, tt.nodes)
			start := time.Now()
			type result struct {
				sockets []adapter.RemoteSocket
				err     error
			}
			done := make(chan result, 1)
			go func() {
				sockets, err := b.c.Fetch(t.Context(), adapter.Target{})
				done <- result{sockets, err}
			}()
			synctest.Wait()
			sent := b.published()
			if len(sent) != 1 {
				t.Fatalf("%d messages were published, want the request", len(sent))
			}
			var asked struct {
				RequestID string `json:"requestId"`
			}
			if err := json.Unmarshal(sent[0].payload, &asked); err != nil {
				t.Fatal(err)
			}
			sent[0].done <- nil
			for i := range tt.answers {
				b.c.receive(b.c.response, fmt.Sprintf(`{"requestId":%q,"sockets":[{"id":"socket %d"}]}`, asked.RequestID, i))
			}
			r := <-done
			timeout, failed := errors.AsType[*TimeoutError](r.err)
			if failed != tt.wantErr || len(r.sockets) != tt.answers || time.Since(start) != tt.wantTook {
				t.Errorf("%d nodes, %d answers: %d sockets after %v, %v", tt.nodes, tt.answers, len(r.sockets), time.Since(start), r.err)
			}
			if n := b.count(troubleResponse); n > 0 {
				t.Errorf("%d nodes, %d answers: %d of them count as bad", tt.nodes, tt.answers, n)
			}
			if failed && (timeout.Want != int(tt.nodes)-1 || timeout.Got != tt.answers) {
				t.Errorf("%d nodes, %d answers: the error says %d of %d", tt.nodes, tt.answers, timeout.Got, timeout.Want)
			}
		})
	}
}
