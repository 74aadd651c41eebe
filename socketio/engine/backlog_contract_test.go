package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// quiet are options with which nothing but the test's own frames is sent.
func quiet() *engine.Options {
	return &engine.Options{WriteTimeout: time.Hour, PingInterval: 24 * time.Hour, CompressionThreshold: -1}
}

// flushing calls Flush aside.
func flushing(ctx context.Context, p *peer) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.session.Flush(ctx) }()
	return done
}

// expectFlushed checks that a Flush has returned by now.
func expectFlushed(t *testing.T, what string, done <-chan error, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: Flush returned %v, want %v", what, err, want)
		}
	default:
		t.Fatalf("%s: Flush waits", what)
	}
}

// expectFlushing checks that a Flush has not returned yet.
func expectFlushing(t *testing.T, what string, done <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("%s: Flush returned %v", what, err)
	default:
	}
}

const mega = 1 << 20

func TestFlushOfAnIdleSession(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		ended, stop := context.WithCancel(t.Context())
		stop()
		ws, c := s.openWS(t), s.openPolling(t)
		polling := s.openPolling(t)
		polling.poll(t)
		for _, p := range []*peer{ws.peer, c.peer, polling.peer} {
			expectFlushed(t, "idle", flushing(ended, p), nil)
			p.session.Discard(engine.ForcedClose)
			expectFlushed(t, "closed", flushing(ended, p), engine.ErrSessionClosed)
		}
	})
}

// Flush of what is in front of the rest returns with the answer that takes it.
func TestFlushWithPolling(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.peer.send("early")
		early := flushing(t.Context(), c.peer)
		expectFlushing(t, "nothing has been polled for", early)
		for range 3 {
			c.peer.send(strings.Repeat("x", mega))
		}
		late := flushing(t.Context(), c.peer)
		c.expectGet(t, "4early")
		expectFlushed(t, "the first message", early, nil)
		for range 2 {
			c.get(t)
			expectFlushing(t, "the last message", late)
		}
		c.get(t)
		expectFlushed(t, "the last message", late, nil)
		c.poll(t)
		c.peer.send("to a pending poll")
		expectFlushed(t, "a pending poll", flushing(t.Context(), c.peer), nil)
	})
}

// What is sent after it does not hold a Flush up, and neither does an answer that is being written when it begins.
func TestFlushWhileAnAnswerIsWritten(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		c := s.openPolling(t)
		poll := c.poll(t)
		c.peer.send(strings.Repeat("x", mega))
		synctest.Wait()
		done := flushing(t.Context(), c.peer)
		expectFlushing(t, "the answer has not been read", done)
		c.peer.send("later")
		synctest.Wait()
		later := flushing(t.Context(), c.peer)
		if got := poll.mustReceive(t, http.MethodGet).body; len(got) != 1+mega {
			t.Errorf("got %d bytes", len(got))
		}
		expectFlushed(t, "the answer has been read", done, nil)
		expectFlushing(t, "the rest has not been polled for", later)
		c.expectGet(t, "4later")
		expectFlushed(t, "the rest", later, nil)
		poll = c.poll(t)
		c.peer.send(strings.Repeat("x", mega))
		synctest.Wait()
		alone := flushing(t.Context(), c.peer) // nothing comes behind it
		poll.mustReceive(t, http.MethodGet)
		expectFlushed(t, "alone", alone, nil)
	})
}

func TestFlushOfAWebSocket(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		ws := s.openWS(t)
		ws.peer.send("first")
		first := flushing(t.Context(), ws.peer)
		expectFlushing(t, "nothing has been read", first)
		ws.peer.send(strings.Repeat("x", mega))
		second := flushing(t.Context(), ws.peer)
		expectFlushing(t, "nothing has been read", second)
		ws.peer.send("third")
		ws.expect(t, "4first")
		expectFlushed(t, "the first message", first, nil)
		expectFlushing(t, "the second message", second)
		ws.expect(t, "4"+strings.Repeat("x", mega))
		expectFlushed(t, "the second message", second, nil)
		third := flushing(t.Context(), ws.peer)
		ws.expect(t, "4third")
		expectFlushed(t, "the third message", third, nil)
	})
}

// Flush returns when the session ends, and when its context does.
func TestFlushEnds(t *testing.T) {
	for name, end := range map[string]func(s *server, p *peer){
		"Discard":  func(_ *server, p *peer) { p.session.Discard(engine.ForcedClose) },
		"Close":    func(_ *server, p *peer) { p.session.Close(engine.ForcedClose); time.Sleep(2 * time.Hour) },
		"Shutdown": func(s *server, _ *peer) { _ = s.engine.Shutdown(expired()) },
		"a full queue": func(_ *server, p *peer) {
			for range 70 {
				p.send(strings.Repeat("x", mega))
			}
		},
		"no progress": func(*server, *peer) { time.Sleep(2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, quiet(), func(t *testing.T, s *server) {
				ws, c, answered := s.openWS(t), s.openPolling(t), s.openPolling(t)
				answered.poll(t) // and its answer is not read
				peers := []*peer{ws.peer, c.peer, answered.peer}
				var done []<-chan error
				for _, p := range peers {
					p.send(strings.Repeat("x", mega))
					synctest.Wait()
					done = append(done, flushing(context.Background(), p))
					p.send("more")
					done = append(done, flushing(context.Background(), p))
					cause := errors.New("cause")
					ctx, cancel := context.WithCancelCause(t.Context())
					impatient := flushing(ctx, p)
					expectFlushing(t, "impatient", impatient)
					cancel(cause)
					expectFlushed(t, "impatient", impatient, cause)
				}
				for _, d := range done {
					expectFlushing(t, "nothing has been read", d)
				}
				for _, p := range peers {
					end(s, p)
				}
				for _, d := range done {
					expectFlushed(t, "the session has ended", d, engine.ErrSessionClosed)
				}
			})
		})
	}
}

// expired returns a context that has ended.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Many may wait at the same time.
func TestConcurrentFlushes(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		ws, c := s.openWS(t), s.openPolling(t)
		var waiting sync.WaitGroup
		for i := range 100 {
			for _, p := range []*peer{ws.peer, c.peer} {
				waiting.Go(func() {
					p.send(fmt.Sprint(i))
					if err := p.session.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		}
		for range 100 {
			if _, err := ws.readText(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		c.get(t)
		waiting.Wait()
	})
}

// What a goroutine has sent before Flush is included also if it is still on its way through a shard that is busy with others' messages.
func TestFlushThroughABusyShard(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		const senders, messages = 4, 200
		ws := s.openWS(t)
		var read atomic.Int64 // bytes of the senders' messages
		go func() {
			for {
				f, err := ws.readMessage()
				if err != nil {
					return
				}
				read.Add(int64(len(f.payload)))
			}
		}()
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				for i := range messages {
					before := read.Load()
					switch frame := engine.NewTextFrame(strings.Repeat("x", 99)); i % 3 {
					case 0:
						ws.peer.session.Send(frame, engine.Coalesce)
					case 1:
						ws.peer.session.SendAll([]*engine.Frame{frame, frame}, 0)
					default:
						batch := s.engine.NewBatch()
						batch.Add(ws.peer.session)
						batch.Send([]*engine.Frame{frame}, 0)
					}
					if err := ws.peer.session.Flush(t.Context()); err != nil {
						t.Error(err)
						return
					}
					if read.Load() == before {
						// The pipe has been read, but the reader has not counted yet.
						time.Sleep(time.Microsecond)
						if read.Load() == before {
							t.Errorf("Flush returned before message %d was read", i)
							return
						}
					}
				}
			})
		}
		sending.Wait()
		ws.Close()
	})
}

// A sender that flushes what it sends never has much waiting, however slow the client is.
func TestSendAndFlush(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		ws, c := s.openWS(t), s.openPolling(t)
		const messages, size = 50, 64 << 10
		var sending sync.WaitGroup
		for _, p := range []*peer{ws.peer, c.peer} {
			sending.Go(func() {
				for range messages {
					p.send(strings.Repeat("x", size))
					if b := p.session.Backlog(); b.Bytes > size+size/8+1024 || b.Packets > 1 {
						t.Errorf("backlog %+v", b)
					}
					if err := p.session.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range messages {
			time.Sleep(time.Minute)
			ws.expect(t, "4"+strings.Repeat("x", size))
			c.expectGet(t, "4"+strings.Repeat("x", size))
		}
		sending.Wait()
	})
}

func TestBacklog(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		ws, c := s.openWS(t), s.openPolling(t)
		start := time.Now()
		for _, p := range []*peer{ws.peer, c.peer} {
			if b := p.session.Backlog(); b != (engine.Backlog{}) {
				t.Errorf("idle: %+v", b)
			}
			p.send(strings.Repeat("x", mega))
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		expect := func(what string, p *peer, packets int, least int64, since time.Time) {
			t.Helper()
			synctest.Wait()
			b := p.session.Backlog()
			if b.Packets != packets || b.Bytes < least || b.Bytes > least+16<<10 || !b.Since.Equal(since) {
				t.Errorf("%s: %+v, want %d packets, %d bytes, since %v", what, b, packets, least, since)
			}
		}
		for _, p := range []*peer{ws.peer, c.peer} {
			p.send("second") // does not change since when there is no progress
			expect("two wait", p, 2, mega, start)
		}
		minute := time.Now()
		ws.expect(t, "4"+strings.Repeat("x", mega))
		expect("the second is being written", ws.peer, 1, 6, minute)
		ws.expect(t, "4second")
		expect("all has been read", ws.peer, 0, -16<<10, time.Time{})

		poll := s.open(t)
		if err := poll.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b := c.peer.session.Backlog(); b.Packets != 2 || b.Bytes < mega {
			t.Errorf("an answer is being written: %+v", b)
		}
		time.Sleep(time.Minute)
		poll.mustReceive(t, http.MethodGet)
		expect("an answer has been read", c.peer, 1, 6, time.Now())
		c.expectGet(t, "4second")
		expect("all has been polled for", c.peer, 0, -16<<10, time.Time{})
	})
}

// What an answer leaves to the next poll waits, and is part of the backlog, also if it came while a poll was pending.
func TestBacklogOfWhatAnAnswerLeaves(t *testing.T) {
	inBubble(t, quiet(), func(t *testing.T, s *server) {
		c := s.openPolling(t)
		poll := c.poll(t)
		message := engine.NewTextFrame(strings.Repeat("x", mega))
		c.peer.session.SendAll([]*engine.Frame{message, engine.NewTextFrame("a"), engine.NewTextFrame("b")}, 0)
		poll.mustReceive(t, http.MethodGet)
		synctest.Wait()
		if b := c.peer.session.Backlog(); b.Packets != 2 || b.Bytes <= 0 || !b.Since.Equal(time.Now()) {
			t.Errorf("backlog %+v", b)
		}
		c.expectGet(t, "4a\x1e4b")
	})
}
