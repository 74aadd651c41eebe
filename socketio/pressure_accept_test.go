package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// A handler that is stuck holds up its own socket only: nothing that the client sends is lost, other sockets are served, and the heartbeat
// does not end the connection, though the client's pongs are not read.
func TestStuckHandler(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stuckHandler(t, transport) })
		})
	}
}

func stuckHandler(t *testing.T, transport string) {
	t.Helper()
	s := serveInMemory(t, &socketio.Options{
		MaxPendingBytes: 4000, Engine: engine.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second},
	}).echo()
	bye := new(goodbyes).watch(s.Namespace)
	release := make(chan struct{})
	var handled atomic.Int64
	socketio.On(s, "n", func(_ context.Context, _ *socketio.Socket, n int64) error {
		<-release
		if !handled.CompareAndSwap(n, n+1) {
			t.Errorf("event %d came after %d others", n, handled.Load())
		}
		return nil
	})
	c, other := s.join(t, transport), s.join(t, transport)
	const n = 1000
	go func() {
		for i := range n {
			c.send(`2["n",` + itoa(i) + `]`)
		}
	}()
	for range 4 * 60 {
		time.Sleep(time.Second)
		other.sync()
	}
	if len(c.pings) != 9 || len(bye.list()) > 0 || handled.Load() > 0 { // one each 25 seconds: the client would close the connection else
		t.Fatalf("%d pings, sockets ended as in %q, %d events handled", len(c.pings), bye.list(), handled.Load())
	}
	close(release)
	synctest.Wait()
	if got := handled.Load(); got != n {
		t.Errorf("%d of %d events were handled", got, n)
	}
	time.Sleep(5 * time.Minute)
	c.sync()
}

// The number of events that wait for a stuck handler is bounded, and so is the memory they take.
func TestFloodOfEvents(t *testing.T) {
	s := serve(t, &socketio.Options{MaxPendingBytes: 800_000})
	release := make(chan struct{})
	defer close(release)
	s.Handle("x", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		<-release
		return nil
	}))
	const clients = 4
	before := heap()
	halted := make(chan error, clients)
	for range clients {
		c := s.join(t, "websocket")
		go func() { halted <- pour(c.link.(*wsLink)) }()
	}
	for range clients {
		err := <-halted
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("the server reads on, or has ended the connection: %v", err)
		}
	}
	if grown := heap() - before; grown > 40<<20 {
		t.Errorf("the heap has grown by %d MB", grown>>20)
	}
}

// pour sends 100 MB of events and returns early when the server has not read for a second.
func pour(l *wsLink) error {
	message := `42["x","` + strings.Repeat("y", 100_000) + `"]`
	for range 1000 {
		if err := l.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if err := l.send(message); err != nil {
			return err
		}
	}
	return nil
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Floods of CONNECT packets cost neither sockets nor memory without a bound.
func TestFloodOfConnects(t *testing.T) {
	const n = 50_000
	floods := map[string]func(i int) []string{
		"unknown namespaces":     func(i int) []string { return []string{"0/" + itoa(i) + ","} },
		"refused by a guard":     func(int) []string { return []string{"0/guarded,"} },
		"coming and going":       func(int) []string { return []string{"0/open,", "1/open,"} },
		"kicked":                 func(int) []string { return []string{"0/kick,"} },
		"long unknown namespace": func(i int) []string { return []string{"0/" + strings.Repeat("x", 1000) + itoa(i) + ","} },
	}
	for name, packets := range floods {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, reading %t", name, reads), func(t *testing.T) {
				s := serve(t, &socketio.Options{Engine: engine.Options{MaxQueueBytes: 1 << 20}}).echo()
				s.Of("/guarded").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "no"} })
				open := s.Of("/open")
				var most atomic.Int64
				open.OnConnect(func(context.Context, *socketio.Socket) error {
					most.Store(max(most.Load(), int64(open.Len())))
					return nil
				})
				s.Of("/kick").OnConnect(func(_ context.Context, s *socketio.Socket) error {
					s.Disconnect(false)
					return nil
				})
				before := heap()
				healthy := s.join(t, "websocket")
				flood(t, s, scaled(n), reads, packets)
				healthy.sync()
				if grown := heap() - before; grown > 16<<20 {
					t.Errorf("the heap has grown by %d MB", grown>>20)
				}
				if most.Load() > 1 {
					t.Errorf("one connection had %d sockets in one namespace", most.Load())
				}
			})
		}
	}
}

// flood sends packets over one connection until they have all been sent or the server closes it.
func flood(t *testing.T, s *testServer, n int, reads bool, packets func(i int) []string) {
	t.Helper()
	l, err := dialWebSocket(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if reads {
		go func() {
			for {
				if _, err := l.receive(); err != nil {
					return
				}
			}
		}()
	}
	_ = l.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if l.send("40") != nil {
		return
	}
	for i := range n {
		if l.send(enginePackets(packets(i))...) != nil {
			return
		}
	}
}

// Values that cannot be encoded are refused with an error, and nothing is sent.
func TestUnencodable(t *testing.T) {
	type node struct {
		Next *node
		Blob []byte
	}
	cycle := &node{Blob: []byte("x")}
	cycle.Next = cycle
	list := []any{[]byte("x")}
	list[0] = list
	table := map[string]any{"blob": []byte("x")}
	table["self"] = table
	values := map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(-1), "channel": make(chan int), "function": func() {}, "complex": 1i,
		"cycle of pointers": cycle, "list in itself": list, "map in itself": table, "map with odd keys": map[struct{}]int{{}: 1},
		"NaN in a struct": struct{ F float64 }{math.NaN()}, "channel beside binary": []any{[]byte("x"), make(chan int)},
		"marshaler that fails": failing{}, "marshaler that panics": panicking{},
	}
	s := serve(t, nil).echo()
	s.Handle("ack", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		var name string
		if err := e.Args.Decode(0, &name); err != nil {
			return err
		}
		return e.Ack(1, values[name])
	}))
	eachTransport(t, func(t *testing.T, transport string) {
		c, socket := s.joinSocket(t, transport, "/")
		for name, v := range values {
			t.Run(name, func(t *testing.T) {
				for what, emit := range map[string]func() error{
					"socket":   func() error { return socket.Emit("x", 1, v) },
					"volatile": func() error { return socket.Volatile().Emit("x", v) },
					"room":     func() error { return s.To(socket.ID()).Emit("x", v) },
					"all":      func() error { return s.Emit("x", v) },
					"servers":  func() error { return s.ServerEmit(deadline(t), "x", v) },
					"question": func() error {
						_, err := socket.EmitWithAck(deadline(t), "x", v)
						return err
					},
					"questions": func() error {
						_, err := s.EmitWithAck(deadline(t), "x", v)
						return err
					},
				} {
					if err := attempt(emit); err == nil {
						t.Errorf("%s: no error", what)
					}
				}
				c.tb = t
				c.run(`> 21["ack","`+name+`"]`, `< 31[{"error":{"message":"internal error"}}]`, "sync")
			})
		}
	})
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("it failed") }

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("it panicked") }

// attempt makes an error of a panic: one in a method of the caller's own type is the caller's affair.
func attempt(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}

// What one client sends reaches a thousand others byte by byte, over both transports, and remains theirs.
func TestRelayOfBinary(t *testing.T) {
	s := serve(t, nil).echo()
	s.Use(func(_ context.Context, s *socketio.Socket) error {
		s.Join("room") // which a connect function would do only after the client has been told
		return nil
	})
	socketio.OnWithAck(s, "relay", func(_ context.Context, sock *socketio.Socket, a socketio.Args) (int, error) {
		if err := sock.To("room").Emit("args", a.MarshalArgs()...); err != nil {
			return 0, err
		}
		var first []byte
		var second struct{ B [][]byte }
		if err := a.Bind(&first, &second); err != nil {
			return 0, err
		}
		return len(first), sock.To("room").Emit("typed", first, second.B)
	})
	others := append(s.crowd(t, "websocket", 60), s.crowd(t, "polling", 40)...)
	c := s.join(t, "websocket")
	const p0, p1, p2 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":2}`
	for i := range 20 {
		blobs := []string{strings.Repeat(string(rune(i)), 10*i), "\x00\xff" + itoa(i), strings.Repeat("z", 5000)}
		c.send(`53-1["relay",`+p0+`,{"B":[`+p1+`,`+p2+`]}]`, bin(blobs[0]), bin(blobs[1]), bin(blobs[2]))
		c.expect(`31[` + itoa(len(blobs[0])) + `]`)
		for _, o := range others {
			o.expect(`53-["args",`+p0+`,{"B":[`+p1+`,`+p2+`]}]`, bin(blobs[0]), bin(blobs[1]), bin(blobs[2]))
			o.expect(`53-["typed",`+p0+`,[`+p1+`,`+p2+`]]`, bin(blobs[0]), bin(blobs[1]), bin(blobs[2]))
		}
	}
}
