package socketio_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Handlers that may run beside each other do, as many as may, and their queue goes on when they have started.
func TestConcurrentHandlers(t *testing.T) {
	for limit, want := range map[int]time.Duration{1: 2 * time.Second, 3: 800 * time.Millisecond, 10: 200 * time.Millisecond, 1000: 200 * time.Millisecond} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveInMemory(t, nil)
				start := time.Now()
				var running, most atomic.Int32
				var mu sync.Mutex
				var anys []int
				beside := s.Concurrent(limit)
				work := func(context.Context, *socketio.Socket, int) (socketio.None, error) {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					time.Sleep(200 * time.Millisecond)
					return socketio.None{}, nil
				}
				socketio.OnWithAck(beside, "even", work)
				socketio.OnWithAck(beside, "odd", work)
				s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
					n, err := socketio.As[int](e.Args, nil)
					mu.Lock()
					defer mu.Unlock()
					anys = append(anys, n)
					return err
				}))
				var wrapped, mostWrapped atomic.Int32
				s.Wrap(func(next socketio.Handler) socketio.Handler {
					return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
						if e.Name == "ordinary" {
							return next.ServeEvent(ctx, e)
						}
						mostWrapped.Store(max(mostWrapped.Load(), wrapped.Add(1)))
						defer wrapped.Add(-1)
						return next.ServeEvent(ctx, e)
					})
				})
				ordinary := make(chan time.Duration, 1)
				socketio.On(s, "ordinary", func(context.Context, *socketio.Socket, int) error {
					ordinary <- time.Since(start)
					return nil
				})
				ended := make(chan int32, 1)
				s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { ended <- running.Load() })
				c := s.join(t, "websocket")
				start = time.Now()
				for i := range 10 {
					c.send(fmt.Sprintf(`2["%s",%d]`, []string{"even", "odd"}[i%2], i))
				}
				c.send(`2["ordinary",10]`, "1")
				if n := <-ended; n != 0 {
					t.Errorf("%d handlers run when the socket is told to have ended", n)
				}
				if took := time.Since(start); took != want {
					t.Errorf("it took %v, want %v", took, want)
				}
				// The last one starts when as many as may run have left room for it.
				if at, last := <-ordinary, time.Duration((10-1)/limit)*200*time.Millisecond; at != last {
					t.Errorf("the ordinary event was handled after %v, want %v", at, last)
				}
				if n, m := int(most.Load()), int(mostWrapped.Load()); n != min(limit, 10) || m != n {
					t.Errorf("%d handlers ran at a time, with %d middlewares around them", n, m)
				}
				if !slices.IsSorted(anys) || len(anys) != 11 {
					t.Errorf("the catch-all function saw %v", anys)
				}
			})
		})
	}
}

// The limit is one of a socket, and one of a Registrar: neither another socket nor another Registrar counts.
func TestConcurrentLimitsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t, nil)
		release := make(chan struct{})
		var running atomic.Int32
		work := func(context.Context, *socketio.Socket, socketio.None) error {
			running.Add(1)
			defer running.Add(-1)
			<-release
			return nil
		}
		socketio.On(s.Concurrent(2), "a", work)
		socketio.On(s.Concurrent(3), "b", work)
		one, two := s.join(t, "websocket"), s.join(t, "polling")
		for _, c := range []*client{one, two} {
			c.send(`2["a"]`, `2["a"]`, `2["b"]`, `2["b"]`, `2["b"]`, `2["a"]`, `2["b"]`)
		}
		synctest.Wait()
		if n := running.Load(); n != 10 {
			t.Errorf("%d handlers run, want 10", n)
		}
		close(release)
		synctest.Wait()
		if n := running.Load(); n != 0 {
			t.Errorf("%d handlers still run", n)
		}
	})
}

// A handler that fails, panics or ends its goroutine gives its place back, and the queue goes on.
func TestConcurrentHandlersThatEndBadly(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		var middleware atomic.Int32
		s.Wrap(func(next socketio.Handler) socketio.Handler {
			return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
				middleware.Add(1)
				return next.ServeEvent(ctx, e)
			})
		})
		r := s.Concurrent(1)
		socketio.OnWithAck(r, "x", func(_ context.Context, _ *socketio.Socket, how string) (string, error) {
			switch how {
			case "panic":
				panic("it panicked")
			case "goexit":
				runtime.Goexit()
			case "error":
				return "", &socketio.Error{Message: "failed"}
			}
			return how, nil
		})
		c := s.join(t, transport)
		c.send(`21["x","panic"]`, `2["x","goexit"]`, `22["x","error"]`, `23["x","fine"]`)
		c.expect(`31[{"error":{"message":"internal error"}}]`, `32[{"error":{"message":"failed"}}]`, `33["fine"]`)
		c.sync()
		if n := middleware.Load(); n != 5 {
			t.Errorf("the middleware was called %d times", n)
		}
		r.Handle("x", nil)
		c.send(`24["x","nobody"]`)
		c.sync()
	})
}

// Events that run beside the queue are counted with those in it: the client is slowed down, and nothing is lost.
func TestConcurrentEventsAreBounded(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		synctest.Test(t, func(t *testing.T) {
			// Were the memory of what has been handled not given back, the budget would end the client.
			s := serveInMemory(t, &socketio.Options{MaxPendingBytes: 100 << 10, Engine: engine.Options{InputBudget: 250 << 10}}).echo()
			release := make(chan struct{})
			var running, handled atomic.Int32
			socketio.On(s.Concurrent(1000), "x", func(context.Context, *socketio.Socket, string) error {
				running.Add(1)
				<-release
				running.Add(-1)
				handled.Add(1)
				return nil
			})
			c := s.join(t, transport)
			const count = 60
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range count {
					c.send(`2["x","` + strings.Repeat("x", 10<<10) + `"]`)
				}
			}()
			for handled.Load() < count {
				synctest.Wait()
				n := running.Load()
				if n == 0 || n > 10 {
					t.Fatalf("%d handlers run, with 10 KB each, after %d", n, handled.Load())
				}
				for range n {
					release <- struct{}{}
				}
				synctest.Wait()
			}
			<-sent
			c.sync()
		})
	})
}

// Whatever runs while a client leaves, or is disconnected, the end comes once, and after all of it.
func TestLeavingWhileConcurrentHandlersRun(t *testing.T) {
	for round := range 60 {
		s := serve(t, nil)
		var running, started atomic.Int32
		work := func(_ context.Context, s *socketio.Socket, n int) error {
			running.Add(1)
			defer running.Add(-1)
			if started.Add(1) == int32(round) && round%3 == 0 {
				s.Disconnect(round%2 == 0)
			}
			if n%5 == 0 {
				runtime.Gosched()
			}
			return nil
		}
		socketio.On(s.Concurrent(1+round%4), "beside", work)
		socketio.On(s, "ordinary", work)
		ended := make(chan int32, 2)
		s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { ended <- running.Load() })
		c := s.join(t, transports[round%2])
		var messages []string
		for i := range 40 {
			messages = append(messages, fmt.Sprintf(`2["%s",%d]`, []string{"beside", "beside", "ordinary"}[i%3], i))
		}
		c.send(append(messages, "1")...)
		if n := await(t, "the end", ended); n != 0 {
			t.Fatalf("%d handlers run after the end", n)
		}
		if round%3 != 0 && started.Load() != 40 {
			t.Fatalf("%d events were handled", started.Load())
		}
		c.close()
	}
}

// The handlers of one socket run beside each other for the real client, and their acknowledgements find their way.
func TestJSConcurrent(t *testing.T) {
	runJS(t, []jsCase{{"acks", func(t *testing.T, j *jsTest) {
		t.Helper()
		const count = 20
		var arrived sync.WaitGroup
		arrived.Add(count)
		socketio.OnWithAck(j.Concurrent(count), "all together", func(_ context.Context, _ *socketio.Socket, n int) (int, error) {
			arrived.Done()
			arrived.Wait() // for all others
			return n * n, nil
		})
		var got []int
		j.eval(&got, `
			const s = await dial();
			return await Promise.all([...Array(20).keys()].map((n) => s.emitWithAck("all together", n)))`)
		for i, n := range got {
			if n != i*i {
				t.Errorf("answer %d is %d", i, n)
			}
		}
		if len(got) != count {
			t.Errorf("%d answers", len(got))
		}
	}}})
}
