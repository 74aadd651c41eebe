package socketio_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// A purse counts what guards take and what deferred functions give back.
type purse struct {
	taken, given, late atomic.Int64

	entered, leave chan struct{} // of a guard that stays
}

// take is a guard that takes something for each socket.
func (p *purse) take(_ context.Context, s *socketio.Socket) error {
	p.taken.Add(1)
	s.Defer(func(ctx context.Context) {
		if ctx.Err() != nil {
			p.late.Add(1)
		}
		p.given.Add(1)
	})
	return nil
}

// stay is a guard that returns when the test allows it.
func (p *purse) stay(context.Context, *socketio.Socket) error {
	p.entered <- struct{}{}
	<-p.leave
	return nil
}

// What a guard has taken is given back exactly once, with a context that lives, however the socket ends.
func TestDeferRunsOnceHoweverTheSocketEnds(t *testing.T) {
	refuse := func(err error) socketio.Guard {
		return func(context.Context, *socketio.Socket) error { return err }
	}
	cases := []struct {
		name  string
		guard func(p *purse) socketio.Guard // behind the one that takes
		end   func(t *testing.T, s *testServer, c *client, p *purse)
	}{
		{"the client leaves", nil, func(_ *testing.T, _ *testServer, c *client, _ *purse) { c.run(`> 0`, `< 0{"sid":"*"}`, `> 1`) }},
		{"the connection ends", nil, func(_ *testing.T, _ *testServer, c *client, _ *purse) { c.run(`> 0`, `< 0{"sid":"*"}`); c.close() }},
		{"the server disconnects it", nil, func(t *testing.T, s *testServer, c *client, _ *purse) {
			t.Helper()
			socket(t, s, c.connect("/", "")).Disconnect(false)
			c.run(`< 1`)
		}},
		{"the server closes the connection", nil, func(t *testing.T, s *testServer, c *client, _ *purse) {
			t.Helper()
			socket(t, s, c.connect("/", "")).Disconnect(true)
			c.run(`< 1`, `closed`)
		}},
		{"the server shuts down", nil, func(t *testing.T, s *testServer, c *client, _ *purse) {
			t.Helper()
			c.run(`> 0`, `< 0{"sid":"*"}`)
			shutDown(t, s)
		}},
		{
			"a guard refuses it", func(*purse) socketio.Guard { return refuse(&socketio.Error{Message: "no"}) },
			func(_ *testing.T, _ *testServer, c *client, _ *purse) { c.run(`> 0`, `< 4{"message":"no"}`) },
		},
		{
			"a guard panics", func(*purse) socketio.Guard { return func(context.Context, *socketio.Socket) error { panic("x") } },
			func(_ *testing.T, _ *testServer, c *client, _ *purse) {
				c.run(`> 0`, `< 4{"message":"internal error"}`)
			},
		},
		{"a guard ends its goroutine", func(*purse) socketio.Guard {
			return func(context.Context, *socketio.Socket) error { runtime.Goexit(); return nil }
		}, func(_ *testing.T, _ *testServer, c *client, _ *purse) {
			c.run(`> 0`, `< 4{"message":"internal error"}`)
		}},
		{"a guard disconnects it", func(*purse) socketio.Guard {
			return func(_ context.Context, s *socketio.Socket) error { s.Disconnect(false); return nil }
		}, func(_ *testing.T, _ *testServer, c *client, _ *purse) { c.run(`> 0`, `< 4{"message":"disconnected"}`) }},
		{
			"the connection ends while guards run", func(p *purse) socketio.Guard { return p.stay },
			func(t *testing.T, s *testServer, c *client, p *purse) {
				t.Helper()
				c.run(`> 0`)
				await(t, "the guard", p.entered)
				c.close()
				eventually(t, "no connection", func() bool { return s.Stats().Connections == 0 })
				p.leave <- struct{}{}
			},
		},
		{
			"another CONNECT replaces it", func(p *purse) socketio.Guard { return p.stay },
			func(t *testing.T, _ *testServer, c *client, p *purse) {
				t.Helper()
				c.run(`> 0`)
				await(t, "the first guard", p.entered)
				c.run(`> 0`)
				await(t, "the second guard", p.entered)
				p.leave <- struct{}{}
				p.leave <- struct{}{}
				c.run(`< 0{"sid":"*"}`, `> 1`)
			},
		},
		{
			"the server shuts down while guards run", func(p *purse) socketio.Guard { return p.stay },
			func(t *testing.T, s *testServer, c *client, p *purse) {
				t.Helper()
				c.run(`> 0`)
				await(t, "the guard", p.entered)
				go func() { p.leave <- struct{}{} }()
				shutDown(t, s)
			},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				p := &purse{entered: make(chan struct{}), leave: make(chan struct{})}
				s.Use(p.take)
				if tc.guard != nil {
					s.Use(tc.guard(p))
				}
				tc.end(t, s, s.open(t, transport), p)
				eventually(t, "what was taken is given back", func() bool { return p.given.Load() >= p.taken.Load() })
				shutDown(t, s)
				if taken, given := p.taken.Load(), p.given.Load(); taken == 0 || given != taken {
					t.Errorf("%d taken, %d given back", taken, given)
				}
				if late := p.late.Load(); late > 0 {
					t.Errorf("%d got a context that had ended", late)
				}
			})
		})
	}
}

func socket(t *testing.T, s *testServer, id string) *socketio.Socket {
	t.Helper()
	found, ok := s.Socket(id)
	if !ok {
		t.Fatalf("no socket %s", id)
	}
	return found
}

func shutDown(t *testing.T, s *testServer) {
	t.Helper()
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Errorf("shut down: %v", err)
	}
}

// Deferred functions run behind those of OnDisconnect, the last one first. One that panics, and one that ends its goroutine, are logged as
// those and keep none of the others from running.
func TestDeferOrder(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		seen := make(chan string, 16)
		note := func(what string) func(context.Context) { return func(context.Context) { seen <- what } }
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Defer(note("first"))
			s.Defer(func(context.Context) { panic("lost my keys") })
			s.Defer(func(context.Context) { seen <- "exits"; runtime.Goexit() })
			return nil
		})
		s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			s.Defer(func(context.Context) {
				s.Defer(note("nested"))
				seen <- "last"
			})
			return nil
		})
		s.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) {
			s.Defer(note("of a disconnect function"))
			seen <- "disconnect"
		})
		c := s.join(t, transport)
		c.run(`> 1`)
		for _, want := range []string{"disconnect", "of a disconnect function", "last", "nested", "exits", "first"} {
			if got := await(t, want, seen); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if log := s.log.String(); !strings.Contains(log, "lost my keys") || !strings.Contains(log, "event=disconnect") {
			t.Errorf("the panic is not logged: %s", log)
		}
	})
}

// A function that is deferred once the socket has ended, and its last task has run, runs at once. Shutdown waits for it.
func TestDeferAfterTheEnd(t *testing.T) {
	s := serve(t, nil)
	gone := make(chan struct{})
	s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Defer(func(context.Context) { close(gone) })
		return nil
	})
	c := s.open(t, "websocket")
	ended := socket(t, s, c.connect("/", ""))
	c.close()
	await(t, "the end", gone)
	for range 3 {
		ran := make(chan error, 1)
		ended.Defer(func(ctx context.Context) { ran <- ctx.Err() })
		if err := await(t, "the deferred function", ran); err != nil {
			t.Errorf("its context has ended: %v", err)
		}
	}
	var finished atomic.Bool
	started, leave := make(chan struct{}), make(chan struct{})
	ended.Defer(func(context.Context) {
		close(started)
		<-leave
		finished.Store(true)
	})
	await(t, "the deferred function", started)
	go close(leave)
	shutDown(t, s)
	if !finished.Load() {
		t.Error("Shutdown has not waited for it")
	}
}

// Functions that are deferred by many goroutines while the socket ends run once each.
func TestDeferWhileTheSocketEnds(t *testing.T) {
	s := serve(t, nil)
	for range 20 {
		c := s.open(t, "websocket")
		ending := socket(t, s, c.connect("/", ""))
		var ran [64]atomic.Int32
		var all sync.WaitGroup
		for i := range ran {
			all.Go(func() { ending.Defer(func(context.Context) { ran[i].Add(1) }) })
		}
		all.Go(func() { ending.Disconnect(true) })
		all.Wait()
		eventually(t, "all have run", func() bool {
			for i := range ran {
				if ran[i].Load() == 0 {
					return false
				}
			}
			return true
		})
		for i := range ran {
			if n := ran[i].Load(); n != 1 {
				t.Errorf("function %d has run %d times", i, n)
			}
		}
	}
}

// Shutdown waits for deferred functions. When its context ends, so does theirs.
func TestShutdownWaitsForDeferredFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t, nil)
		var finished atomic.Bool
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Defer(func(ctx context.Context) {
				select {
				case <-time.After(3 * time.Second):
					finished.Store(true)
				case <-ctx.Done():
				}
			})
			return nil
		})
		s.join(t, "websocket")
		start := time.Now()
		shutDown(t, s)
		if took := time.Since(start); !finished.Load() || took < 3*time.Second {
			t.Errorf("finished: %v, after %v", finished.Load(), took)
		}
	})
}

func TestDeferredFunctionIsCancelledWithShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t, nil)
		cancelled := make(chan struct{})
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Defer(func(ctx context.Context) {
				<-ctx.Done()
				close(cancelled)
			})
			return nil
		})
		c := s.join(t, "websocket")
		var ended *socketio.Socket
		for found := range s.Sockets() {
			ended = found
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returns %v", err)
		}
		<-cancelled
		c.close()
		ran := 0
		ended.Defer(func(ctx context.Context) {
			if ctx.Err() == nil {
				t.Error("the context lives on after the server")
			}
			ran++
		})
		synctest.Wait()
		if ran != 1 {
			t.Errorf("deferred after Shutdown it has run %d times", ran)
		}
	})
}
