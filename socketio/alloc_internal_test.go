//go:build !race

package socketio

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/engine"
)

func stop(t *testing.T, srv *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("shut down: %v", err)
	}
}

// Reading an event, finding its handler and calling it costs no allocation as long as nobody decodes the arguments.
func TestDispatchDoesNotAllocate(t *testing.T) {
	srv := NewServer(nil)
	defer stop(t, srv)
	handled := make(chan struct{}, 1)
	srv.Handle("event", HandlerFunc(func(context.Context, *Event) error {
		handled <- struct{}{}
		return nil
	}))
	srv.OnAny(HandlerFunc(func(context.Context, *Event) error { return nil }))
	srv.Wrap(func(next Handler) Handler { return next })
	c := &conn{server: srv}
	srv.engine.Wheel().Init(&c.timer, c)
	s := &Socket{nsp: srv.Namespace, conn: c, id: newID(), state: stateConnected}
	c.sockets = []*Socket{s}
	for name, message := range map[string]string{
		"event with an object":          `2["event",{"a":[1,2,3],"b":"text"},true]`,
		"event without arguments":       `2["event"]`,
		"event with an acknowledgement": `217["event",1]`,
	} {
		t.Run(name, func(t *testing.T) {
			m := engine.Message{Data: []byte(message)}
			allocs := testing.AllocsPerRun(2000, func() {
				c.OnMessage(nil, m)
				<-handled
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

// reader counts what a WebSocket client is sent. It allocates nothing.
func reader(t *testing.T, addr string, total *atomic.Int64) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+"\x81\x82\x00\x00\x00\x0040")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	go func() {
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			total.Add(int64(n))
		}
	}()
}

// serveRoom starts a server with n clients in a room, and returns how many bytes they have received.
func serveRoom(t *testing.T, n int) (*Server, *atomic.Int64) {
	t.Helper()
	srv := NewServer(nil)
	srv.OnConnect(func(_ context.Context, s *Socket) error {
		s.Join("room")
		return nil
	})
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(peers.FreePort(t)))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: srv, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hs.Serve(l)
	}()
	t.Cleanup(func() {
		stop(t, srv)
		hs.Close()
		<-served
	})
	total := new(atomic.Int64)
	for range n {
		reader(t, addr, total)
	}
	for range 2000 {
		if found, err := srv.To("room").FetchSockets(t.Context()); err == nil && len(found) == n {
			return srv, total
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the clients do not connect")
	return nil, nil
}

// broadcastAllocations returns the allocations of a broadcast to n clients, from Emit until the last client has it.
func broadcastAllocations(t *testing.T, n int, emit func(Broadcast) error) float64 {
	t.Helper()
	srv, total := serveRoom(t, n)
	room := srv.To("room")
	// Everything that the clients were sent on connecting has to be there before.
	for last := int64(-1); last != total.Load(); time.Sleep(50 * time.Millisecond) {
		last = total.Load()
	}
	one := func() {
		if err := emit(room); err != nil {
			t.Error(err)
		}
	}
	before := total.Load()
	one()
	time.Sleep(200 * time.Millisecond)
	size := total.Load() - before
	if size == 0 || size%int64(n) != 0 {
		t.Fatalf("%d clients received %d bytes", n, size)
	}
	return testing.AllocsPerRun(100, func() {
		want := total.Load() + size
		one()
		for total.Load() < want {
			time.Sleep(50 * time.Microsecond)
		}
	})
}

// A broadcast costs no allocation for each of its recipients.
func TestBroadcastDoesNotAllocatePerRecipient(t *testing.T) {
	for name, emit := range map[string]func(Broadcast) error{
		"text":     func(b Broadcast) error { return b.Emit("event", 1, "text") },
		"binary":   func(b Broadcast) error { return b.Emit("event", []byte("binary")) },
		"volatile": func(b Broadcast) error { return b.Volatile().Emit("event", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			few, many := broadcastAllocations(t, 10, emit), broadcastAllocations(t, 300, emit)
			t.Logf("%v allocations to 10 clients, %v to 300", few, many)
			if many > few+8 {
				t.Errorf("%v allocations to 10 clients, %v to 300", few, many)
			}
		})
	}
}
