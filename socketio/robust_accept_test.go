package socketio_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/socketio"
)

// A selfish type panics when it is decoded.
type selfish struct{}

func (*selfish) UnmarshalJSON([]byte) error { panic("it panicked while decoding") }

// greedy panics when it takes its arguments.
type greedy struct{}

func (*greedy) UnmarshalArgs(socketio.Args) error { panic("it panicked while binding") }

func raise(v any) error { panic(v) }

// Panics in any function of the user's are logged with their stack, and the server and the socket live on.
func TestPanics(t *testing.T) {
	boom := func(context.Context, *socketio.Socket) error { panic("it panicked") }
	const internal = `31[{"error":{"message":"internal error"}}]`
	for name, tt := range map[string]struct {
		set    func(s *testServer)
		script []string
	}{
		"guard":   {func(s *testServer) { s.Of("/n").Use(boom) }, []string{`> 0/n,`, `< 4/n,{"message":"internal error"}`, "sync"}},
		"connect": {func(s *testServer) { s.Of("/n").OnConnect(boom) }, []string{`> 0/n,`, `< 0/n,{"sid":"*"}`, "sync", `> 2/n,["x"]`, "sync"}},
		"disconnect": {func(s *testServer) {
			s.Of("/n").OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { panic("it panicked") })
		}, []string{`> 0/n,`, `< 0/n,{"sid":"*"}`, `> 1/n,`, "sync", `> 0/n,`, `< 0/n,{"sid":"*"}`, "sync"}},
		"handler": {func(s *testServer) {
			socketio.On(s, "x", func(context.Context, *socketio.Socket, socketio.None) error { panic("it panicked") })
		}, []string{`> 2["x"]`, `> 21["x"]`, "< " + internal, "sync"}},
		"nil dereference": {func(s *testServer) {
			socketio.On(s, "x", func(_ context.Context, _ *socketio.Socket, p *struct{ N *int }) error { _ = *p.N; return nil })
		}, []string{`> 21["x",{}]`, "< " + internal, "sync"}},
		"catch-all": {func(s *testServer) {
			s.OnAny(socketio.HandlerFunc(func(context.Context, *socketio.Event) error { panic("it panicked") }))
		}, []string{`> 2["x"]`, "sync"}},
		"middleware": {func(s *testServer) {
			s.Wrap(func(next socketio.Handler) socketio.Handler {
				return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
					if e.Name == "x" {
						panic("it panicked")
					}
					return next.ServeEvent(ctx, e)
				})
			})
		}, []string{`> 2["x"]`, `> 21["x"]`, "< " + internal, "sync"}},
		"decoding": {func(s *testServer) {
			socketio.On(s, "x", func(context.Context, *socketio.Socket, selfish) error { return nil })
		}, []string{`> 21["x",1]`, "< " + internal, "sync"}},
		"binding": {func(s *testServer) {
			socketio.On(s, "x", func(context.Context, *socketio.Socket, greedy) error { return nil })
		}, []string{`> 21["x",1]`, "< " + internal, "sync"}},
		"encoding": {func(s *testServer) {
			socketio.OnWithAck(s, "x", func(context.Context, *socketio.Socket, socketio.None) (panicking, error) { return panicking{}, nil })
		}, []string{`> 21["x"]`, "< " + internal, "sync"}},
		"nil panic": {func(s *testServer) {
			socketio.On(s, "x", func(context.Context, *socketio.Socket, socketio.None) error { return raise(nil) })
		}, []string{`> 21["x"]`, "< " + internal, "sync"}},
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				tt.set(s)
				s.join(t, transport).run(tt.script...)
				eventually(t, "the panic is logged", func() bool { return strings.Contains(s.log.String(), "panic") })
				if log := s.log.String(); !strings.Contains(log, "_test.go") {
					t.Errorf("the log does not tell where:\n%.1000s", log)
				}
			})
		})
	}
}

// Code of the user's that ends its goroutine, as a failing test does, ends nothing else.
func TestGoexit(t *testing.T) {
	s := serve(t, nil).echo()
	var guards atomic.Int64
	s.Of("/guard").Use(func(context.Context, *socketio.Socket) error {
		guards.Add(1)
		runtime.Goexit()
		return nil
	})
	s.Of("/connect").OnConnect(func(context.Context, *socketio.Socket) error {
		runtime.Goexit()
		return nil
	})
	s.Of("/disconnect").OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { runtime.Goexit() })
	s.Handle("exit", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		runtime.Goexit()
		return nil
	}))
	c := s.join(t, "websocket")
	c.run(`> 2["exit"]`, "sync", `> 0/connect,`, `< 0/connect,{"sid":"*"}`, `> 2/connect,["x"]`, "sync")
	c.run(`> 0/disconnect,`, `< 0/disconnect,{"sid":"*"}`, `> 1/disconnect,`, "sync")
	c.run(`> 0/guard,`, `< 4/guard,{"message":"internal error"}`, "sync")
	if n := guards.Load(); n != 1 {
		t.Errorf("the guard was asked %d times", n)
	}
}

// A guard that disconnects its socket refuses it.
func TestDisconnectInGuard(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		n := s.Of("/n")
		n.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Disconnect(false)
			return nil
		})
		n.OnConnect(func(context.Context, *socketio.Socket) error {
			t.Error("it connected")
			return nil
		})
		c := s.join(t, transport)
		c.send("0/n,")
		if m := c.next(); !strings.HasPrefix(m, `4/n,{"message":`) {
			t.Errorf("the client is told %q", m)
		}
		c.sync()
	})
}

// Ten thousand mutations of valid traffic harm nobody else: a hundred clients beside get every message, in order.
func TestMutatedTraffic(t *testing.T) {
	s := serve(t, nil).echo()
	custom := s.Of("/custom")
	socketio.On(s, "blob", func(_ context.Context, s *socketio.Socket, a socketio.Args2[any, []byte]) error {
		return s.Volatile().Emit("blob", a.A, a.B)
	})
	socketio.On(custom, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	s.Use(func(_ context.Context, s *socketio.Socket) error { // the room is joined before the client is told
		var auth struct{ Healthy bool }
		if err := s.Auth(&auth); err == nil && auth.Healthy {
			s.Join("healthy")
		}
		return nil
	})
	healthy := append(s.healthy(t, "websocket", 70), s.healthy(t, "polling", 30)...)

	stop := make(chan struct{})
	var sent int
	emitted := make(chan error, 1)
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				emitted <- nil
				return
			case <-ticker.C:
			}
			if err := s.To("healthy").Emit("n", sent, []byte("blob")); err != nil {
				emitted <- err
				return
			}
			sent++
		}
	}()
	var received sync.WaitGroup
	total := make(chan int, len(healthy))
	for _, c := range healthy {
		received.Go(func() { total <- c.count(t) })
	}
	const seed = 42
	inParallel(t, 32, scaled(10_000), func(i int) error {
		s.attack(rand.New(rand.NewPCG(seed, uint64(i))))
		return nil
	})
	close(stop)
	if err := await(t, "the last event", emitted); err != nil {
		t.Fatal(err)
	}
	if err := s.To("healthy").Emit("end"); err != nil {
		t.Fatal(err)
	}
	received.Wait()
	for range healthy {
		if got := <-total; got != sent {
			t.Errorf("a healthy client got %d of %d events", got, sent)
		}
	}
	if n := s.Stats().BadPackets; n == 0 {
		t.Error("no packet was bad")
	}
	t.Logf("%d events to %d clients, %d bad packets", sent, len(healthy), s.Stats().BadPackets)
}

func (s *testServer) healthy(t *testing.T, transport string, n int) []*client {
	t.Helper()
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = s.open(t, transport)
		clients[i].connect("/", `{"Healthy":true}`)
	}
	return clients
}

// count reads numbered events until "end" and returns how many came in order.
func (c *client) count(t *testing.T) int {
	for n := 0; ; n++ {
		m, err := c.receive(patience)
		if err != nil {
			t.Errorf("after %d events: %v", n, err)
			return n
		}
		if m == `2["end"]` {
			return n
		}
		if m != `51-["n",`+itoa(n)+`,{"_placeholder":true,"num":0}]` {
			t.Errorf("event %d is %.200q", n, m)
			return n
		}
		if m, err = c.receive(patience); m != bin("blob") {
			t.Errorf("the attachment of event %d is %.200q (%v)", n, m, err)
			return n
		}
	}
}

// validTraffic is what a client might send.
var validTraffic = [][]string{
	{`0`, `2["echo",1,{"a":[true,null]}]`, `21["echo","text"]`},
	{`0{"token":"x"}`, `0/custom,`, `2/custom,["join","room"]`, `1/custom,`, `1`},
	{`0`, `51-["blob",{"a":1},{"_placeholder":true,"num":0}]`, bin("\x01\x02\x03"), `3`},
	{`0`, `52-7["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, bin("abc"), bin("")},
	{`0`, `35["late"]`, `61-6[{"_placeholder":true,"num":0}]`, bin("x"), `2["echo","ü€😀"]`},
}

// attack sends a mutation of valid traffic over a connection of its own.
func (s *testServer) attack(rnd *rand.Rand) {
	transport := transports[0]
	if rnd.IntN(8) == 0 {
		transport = transports[1]
	}
	c, err := s.dialClient(transport)
	if err != nil {
		return
	}
	c.start()
	defer c.close()
	packets := enginePackets(validTraffic[rnd.IntN(len(validTraffic))])
	for range 1 + rnd.IntN(3) {
		packets = mutate(rnd, packets)
	}
	for _, p := range packets {
		if _, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p, "b")); strings.HasPrefix(p, "b") && err != nil {
			continue // the test's client cannot send it
		}
		if c.link.send(p) != nil {
			return
		}
	}
	// What has been sent is handled before the connection is closed.
	if c.link.send(`425["echo"]`) == nil {
		for {
			if m, err := c.receive(10 * time.Millisecond); err != nil || strings.HasPrefix(m, "35[") {
				return
			}
		}
	}
}

// mutate changes one thing.
func mutate(rnd *rand.Rand, packets []string) []string {
	out := append([]string(nil), packets...)
	i := rnd.IntN(len(out))
	p := out[i]
	at := rnd.IntN(len(p) + 1)
	switch rnd.IntN(7) {
	case 0:
		out[i] = p[:at]
	case 1:
		out[i] = p[:at] + string(rune(rnd.IntN(128))) + p[at:]
	case 2:
		if at < len(p) {
			b := []byte(p)
			b[at] ^= 1 << rnd.IntN(7)
			out[i] = string(b)
		}
	case 3:
		out = append(out[:i:i], out[i+1:]...)
	case 4:
		out = append(out, p)
	case 5:
		j := rnd.IntN(len(out))
		out[i], out[j] = out[j], out[i]
	case 6:
		out[i] = p[:at] + strings.Repeat(p[at:], 1+rnd.IntN(50))
	}
	if len(out) == 0 {
		out = append(out, "4")
	}
	for i, p := range out {
		if !utf8.ValidString(p) || p == "" {
			out[i] = "4" + p
		}
	}
	return out
}

// Emitting from many goroutines at once to the same sockets, with different modifiers, mixes nothing up.
func TestConcurrentEmits(t *testing.T) {
	s := serve(t, nil).echo()
	c, socket := s.joinSocket(t, "websocket", "/")
	const workers, each = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			to := []socketio.Emitter{socket, s.To(socket.ID()), s, socket.Compress(false)}[w%4]
			for i := range each {
				if err := to.Emit("n", w, i, []byte{byte(w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, workers)
	for range workers * each {
		m := c.next()
		var w, i int
		if _, err := fmt.Sscanf(m, `51-["n",%d,%d,`, &w, &i); err != nil || i != next[w] {
			t.Fatalf("%q came in place of number %d (%v)", m, next[w], err)
		}
		next[w]++
		c.expect(bin(string([]byte{byte(w)})))
	}
	wg.Wait()
}
