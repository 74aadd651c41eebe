package socketio_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A gatekeeper is a guard that lets the test decide about each socket.
type gatekeeper struct {
	sockets chan *socketio.Socket
	decide  func(ctx context.Context, s *socketio.Socket) error // about the first one; the others pass
	asked   atomic.Int32
}

func (g *gatekeeper) guard(ctx context.Context, s *socketio.Socket) error {
	first := g.asked.Add(1) == 1
	g.sockets <- s
	if first {
		return g.decide(ctx, s)
	}
	return nil
}

// A client that asks for a namespace again before it has been admitted gets one socket, the second, whatever becomes of the first one's
// guard, and its other namespaces do not notice.
func TestConnectAgainWhileConnecting(t *testing.T) {
	for name, decide := range map[string]func(s *socketio.Socket) error{
		"passes":               func(*socketio.Socket) error { return nil },
		"refuses":              func(*socketio.Socket) error { return &socketio.Error{Message: "no"} },
		"fails":                func(*socketio.Socket) error { return errors.New("it failed") },
		"panics":               func(*socketio.Socket) error { panic("it panicked") },
		"ends its goroutine":   func(*socketio.Socket) error { runtime.Goexit(); return nil },
		"disconnects":          func(s *socketio.Socket) error { s.Disconnect(false); return nil },
		"disconnects all":      func(s *socketio.Socket) error { s.Disconnect(true); return nil },
		"emits":                func(s *socketio.Socket) error { return s.Emit("early") },
		"joins a room of both": func(s *socketio.Socket) error { s.Join("room"); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) { connectAgain(t, transport, decide) })
		})
	}
}

func connectAgain(t *testing.T, transport string, decide func(s *socketio.Socket) error) {
	t.Helper()
	w := &watcher{}
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{w.observer()}}).echo()
	slow := s.Of("/slow")
	g := &gatekeeper{sockets: make(chan *socketio.Socket, 2), decide: func(ctx context.Context, s *socketio.Socket) error {
		<-ctx.Done()
		return decide(s)
	}}
	slow.Use(g.guard)
	var connected []*socketio.Socket
	slow.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		connected = append(connected, s)
		s.Join("room")
		return s.Emit("hi")
	})
	bye := new(goodbyes).watch(s.Namespace, slow)
	c := s.join(t, transport)
	c.send(`0/slow,{"n":1}`)
	first := await(t, "the guard", g.sockets)
	c.send(`0/slow,{"n":2}`)
	second := await(t, "the second guard", g.sockets)
	c.run(`< 0/slow,{"sid":"*"}`, `< 2/slow,["hi"]`, "sync")
	eventually(t, "the first guard's task ends", func() bool {
		c.sync()
		return !first.Connected() && first.Emit("x") != nil
	})
	if err := slow.To("room").Emit("news"); err != nil {
		t.Error(err)
	}
	c.run(`< 2/slow,["news"]`, "sync") // one copy
	var auth struct{ N int }
	if err := second.Auth(&auth); err != nil || auth.N != 2 || !slices.Equal(connected, []*socketio.Socket{second}) {
		t.Errorf("connected are %v, the auth of the second is %+v (%v)", connected, auth, err)
	}
	if err := first.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) || first.Context().Err() == nil || slow.Len() != 1 {
		t.Errorf("emitting to the first one gives %v; %d sockets", err, slow.Len())
	}
	if got := bye.list(); len(got) > 0 {
		t.Errorf("sockets have ended with %q", got)
	}
	c.run(`> 0/slow,`, "closed") // it has been joined
	bye.expect(t, "/: forced close", "/slow: forced close")
	for _, line := range w.read() {
		if line == "refusal /slow no" {
			t.Error("an observer was told of a refusal")
		}
	}
}

// The guards of sockets that a client has given up count as long as they run: it may leave 32 behind.
func TestGuardsOfSocketsThatWereGivenUp(t *testing.T) {
	for limit, allowed := range map[int]int{0: 32, 1: 32, 40: 40} {
		t.Run("limit "+itoa(limit), func(t *testing.T) {
			s := serve(t, &socketio.Options{MaxNamespaces: limit})
			release := make(chan struct{})
			end := sync.OnceFunc(func() { close(release) })
			t.Cleanup(end)
			running := make(chan struct{}, 100)
			s.Use(func(context.Context, *socketio.Socket) error {
				running <- struct{}{}
				<-release
				return nil
			})
			s.Use(func(_ context.Context, s *socketio.Socket) error {
				if s.Context().Err() != nil {
					t.Error("the next guard was asked about a socket that has been given up")
				}
				return nil
			})
			c := s.open(t, "websocket")
			for range allowed {
				c.send("0")
				await(t, "the guard", running)
			}
			for range 3 {
				c.run("> 0", `< 4{"message":"too many disconnected sockets are busy"}`)
			}
			if len(running) > 0 {
				t.Error("more guards run")
			}
			end()
			eventually(t, "the client is let in again", func() bool {
				c.send("0")
				return normalize(c.next()) == `0{"sid":"*"}`
			})
			if n := s.Len(); n != 1 {
				t.Errorf("%d sockets", n)
			}
		})
	}
}

// A burst of CONNECTs makes at most one socket, whether the first ones are given up or the connection is closed.
func TestBurstOfConnects(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		burst := s.open(t, transport)
		burst.send(append(slices.Repeat([]string{"0"}, 500), "0/nowhere,")...)
		sockets := 0
		for {
			m, err := burst.receive(patience)
			if err != nil || m == `4/nowhere,{"message":"Invalid namespace"}` {
				break
			}
			if normalize(m) == `0{"sid":"*"}` { // else it is told that there are too many
				sockets++
			}
		}
		if n := s.Len(); sockets > 1 || n > 1 {
			t.Errorf("500 CONNECTs in a burst made %d sockets, of which %d are left", sockets, n)
		}
	})
}

// A flood of CONNECTs while the first is still being admitted leaves nothing behind.
func TestFloodOfConnectsWhileConnecting(t *testing.T) {
	for name, patient := range map[string]bool{"guards that end with their sockets": false, "guards that do not": true} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil).echo()
			release := make(chan struct{})
			slow := s.Of("/slow")
			slow.Use(func(ctx context.Context, _ *socketio.Socket) error {
				select {
				case <-release:
				case <-ctx.Done():
					if patient {
						<-release
					}
				}
				return nil
			})
			healthy := s.join(t, "websocket")
			before, goroutines := heap(), runtime.NumGoroutine()
			flood(t, s, scaled(10_000), true, func(int) []string { return []string{`0/slow,{"token":"0123456789abcdef"}`} })
			healthy.sync()
			if grown := heap() - before; grown > 4<<20 {
				t.Errorf("the heap has grown by %d KB", grown>>10)
			}
			close(release)
			eventually(t, "nothing is left", func() bool {
				return slow.Len() == 0 && s.Stats().Connections == 1 && runtime.NumGoroutine() <= goroutines+64*runtime.GOMAXPROCS(0)
			})
			healthy.sync()
		})
	}
}
