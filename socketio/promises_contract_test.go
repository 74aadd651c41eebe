package socketio_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// mourner returns an observer of the end of sockets.
func mourner(f func(s *socketio.Socket)) socketio.Observer {
	return socketio.Observer{Disconnected: func(i socketio.DisconnectedInfo) { f(i.Socket) }}
}

// While the server shuts down, a client may send to a socket that has ended without its knowledge. That is no fault of it: its other
// sockets end as all do.
func TestLatePacketsDuringShutdown(t *testing.T) {
	for name, packet := range map[string]string{"event": `2%,["x"]`, "acknowledgement": `3%,1[]`, "disconnect": "1%,"} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) { latePacketsDuringShutdown(t, transport, packet) })
		})
	}
}

func latePacketsDuringShutdown(t *testing.T, transport, packet string) {
	t.Helper()
	ended, let := make(chan string, 1), make(chan struct{})
	var once sync.Once
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{mourner(func(s *socketio.Socket) {
		once.Do(func() {
			ended <- s.Namespace().Name()
			<-let
		})
	})}})
	bye := new(goodbyes).watch(s.Of("/a"), s.Of("/b"))
	c := s.join(t, transport, "/a", "/b")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(deadline(t)) }()
	first := await(t, "the end of a socket", ended)
	c.send(strings.Replace(packet, "%", first, 1))
	_, err := c.tryConnect("/nowhere", "") // a round trip
	if err == nil || !strings.Contains(err.Error(), "Invalid namespace") {
		t.Errorf("the connection is not served any more: %v", err)
	}
	close(let)
	if err := await(t, "the shutdown", done); err != nil {
		t.Error(err)
	}
	bye.expect(t, "/a: server shutting down", "/b: server shutting down")
	if n := s.Stats().BadPackets; n > 0 {
		t.Errorf("%d bad packets", n)
	}
}

// The context of a handler of an event from another server ends when Shutdown has waited for it, though its adapter is still in use.
func TestShutdownCancelsHandlersOfServerEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var host adapter.Host
		s := serveInMemory(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
			host = h
			return adapter.NewMemory(h)
		}})
		ended := make(chan time.Time, 1)
		socketio.OnServer(s, "wait", func(ctx context.Context, _ socketio.None) error {
			<-ctx.Done()
			ended <- time.Now()
			return nil
		})
		working, release := context.WithCancel(t.Context()) // as long as the adapter does
		t.Cleanup(release)
		host.ServeServerEvent(working, []byte(`["wait"]`), nil, nil)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(start); took != 30*time.Second {
			t.Errorf("the handler was cancelled after %v, want half the time", took)
		}
	})
}

// Events from other servers that come during Shutdown are not handled: it would never find the server quiet.
func TestServerEventsDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var host adapter.Host
		s := serveInMemory(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
			host = h
			return adapter.NewMemory(h)
		}})
		handled, release := 0, make(chan struct{})
		socketio.OnServer(s, "work", func(context.Context, socketio.None) error {
			handled++
			<-release
			return nil
		})
		host.ServeServerEvent(t.Context(), []byte(`["work"]`), nil, nil)
		synctest.Wait()
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		host.ServeServerEvent(t.Context(), []byte(`["work"]`), nil, func(adapter.Reply) { t.Error("it is answered") })
		synctest.Wait()
		close(release)
		if err := <-down; err != nil || handled != 1 {
			t.Errorf("%d events were handled (%v)", handled, err)
		}
	})
}

// A gate is an adapter that calls a function, once each, when a socket is about to leave, and when it is asked for a socket's rooms.
type gate struct {
	adapter.Adapter

	mu             sync.Mutex
	leaving, asked func()
}

func (g *gate) factory(h adapter.Host) adapter.Adapter {
	g.Adapter = adapter.NewMemory(h)
	return g
}

func (g *gate) pass(fn *func()) {
	g.mu.Lock()
	call := *fn
	*fn = nil
	g.mu.Unlock()
	if call != nil {
		call()
	}
}

func (g *gate) LeaveAll(p adapter.Peer) {
	g.pass(&g.leaving)
	g.Adapter.LeaveAll(p)
}

func (g *gate) Rooms(p adapter.Peer) []string {
	g.pass(&g.asked)
	return g.Adapter.Rooms(p)
}

// Rooms names the rooms of a socket also if it disconnects meanwhile, and at any time of its leaving.
func TestRoomsWhileLeaving(t *testing.T) {
	g := &gate{}
	s := siotest.New(t, &socketio.Options{Adapter: g.factory})
	for _, when := range []string{"while asking", "before leaving"} {
		t.Run(when, func(t *testing.T) {
			_, socket := meet(t, s)
			socket.Join("tenant")
			want := []string{socket.ID(), "tenant"}
			leave := func() { socket.Disconnect(false) }
			check := func(at string) {
				if rooms := socket.Rooms(); !slices.Equal(rooms, want) {
					t.Errorf("%s the rooms are %q, want %q", at, rooms, want)
				}
			}
			if when == "while asking" {
				g.asked = leave
				check(when)
			} else {
				g.leaving = func() { check(when) }
				leave()
			}
			check("afterwards")
		})
	}
}

// A connection whose time to connect ends while an observer is told of its first socket, which is disconnected then, has as much time
// again and no more.
func TestConnectTimeoutWhileEntering(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		synctest.Test(t, func(t *testing.T) {
			const timeout = time.Minute
			observer := hosted(func(s *socketio.Socket) {
				time.Sleep(timeout * 3 / 2)
				s.Disconnect(false)
			})
			s := serveInMemory(t, &socketio.Options{ConnectTimeout: timeout, Observers: []socketio.Observer{observer}})
			c := s.open(t, transport)
			c.send("0")
			time.Sleep(timeout * 2)
			c.run(`< 0{"sid":"*"}`, "< 1")
			time.Sleep(timeout/2 - time.Second)
			synctest.Wait()
			if n := s.Stats().Connections; n != 1 {
				t.Errorf("%d connections before the timeout", n)
			}
			time.Sleep(2 * time.Second)
			c.expectClosed()
		})
	})
}

// Neither a heartbeat that is so long that there is none, nor an odd patience, makes the reader give up at once on handlers that do not
// catch up.
func TestPatienceIsNotNegative(t *testing.T) {
	for name, opts := range map[string]socketio.Options{
		"interval": {Engine: engine.Options{PingInterval: math.MaxInt64}},
		"timeout":  {Engine: engine.Options{PingTimeout: math.MaxInt64}},
		"negative": {HandlerPatience: -1},
		"longest":  {HandlerPatience: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts.MaxPendingBytes = 1
				s := serveInMemory(t, &opts).echo()
				release := make(chan struct{})
				s.Handle("wait", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
					<-release
					return nil
				}))
				c := s.join(t, "websocket")
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					c.send(`2["wait"]`, `2["x"]`, `2["x"]`, `2["x"]`)
				}()
				time.Sleep(4 * time.Minute)
				close(release)
				<-sent
				c.sync()
			})
		})
	}
}
