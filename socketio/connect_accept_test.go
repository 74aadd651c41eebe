package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// scaled returns a number of clients that fits the time there is.
func scaled(n int) int {
	if raceEnabled || testing.Short() {
		return n / 5
	}
	return n
}

// inParallel calls work n times on several goroutines, and stops at the first error.
func inParallel(t *testing.T, workers, n int, work func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(i); err != nil {
					err = fmt.Errorf("client %d: %w", i, err)
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}

// visit connects, makes a round trip, and leaves.
func (s *testServer) visit(transport string, leave func(c *client) error) error {
	c, err := s.dialClient(transport)
	if err != nil {
		return err
	}
	if err := c.link.send("40"); err != nil { // before anything has been read
		return err
	}
	c.start()
	defer c.close()
	m, err := c.receive(patience)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if normalize(m) != `0{"sid":"*"}` {
		return fmt.Errorf("CONNECT is answered with %q", m)
	}
	return leave(c)
}

// No client hangs that sends its CONNECT at once.
func TestConnectAtOnce(t *testing.T) {
	stay := func(*client) error { return nil }
	for _, workers := range []int{1, 64} {
		t.Run(itoa(workers)+" at a time", func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				inParallel(t, workers, scaled(3000), func(int) error { return s.visit(transport, stay) })
				eventually(t, "all clients have gone", func() bool { return s.Stats() == socketio.Stats{} })
			})
		})
	}
}

// A client may send its CONNECT with the request already, before it has seen the answer.
func TestConnectWithTheRequest(t *testing.T) {
	s := serve(t, nil)
	inParallel(t, 8, scaled(1000), func(int) error {
		conn, err := s.dial(context.Background(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte(earlyConnect)); err != nil {
			return err
		}
		r := bufio.NewReader(conn)
		for {
			part, err := r.ReadString('}')
			if err != nil {
				return fmt.Errorf("no answer to CONNECT: %w", err)
			}
			if strings.Contains(part, `40{"sid":`) {
				return nil
			}
		}
	})
}

// earlyConnect is a WebSocket request with a CONNECT behind it.
const earlyConnect = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + "\x81\x82\x00\x00\x00\x0040"

// openFiles returns the number of open file descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not tell the open files")
	}
	return len(files)
}

// Connections that have ended leave nothing behind, whoever ended them: no goroutine, no file, no socket, no room.
func TestNothingIsLeftBehind(t *testing.T) {
	leavings := map[string]func(c *client) error{
		"client": func(c *client) error { return c.link.send("41") },
		"server": func(c *client) error {
			if err := c.link.send(`42["kick"]`); err != nil {
				return err
			}
			m, err := c.receive(patience)
			if err == nil && m != "1" {
				err = fmt.Errorf("%q came instead of a DISCONNECT", m)
			}
			return err
		},
	}
	for by, leave := range leavings {
		t.Run("by the "+by, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				var connects, disconnects atomic.Int64
				s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
					connects.Add(1)
					s.Join("room", "of "+s.ID())
					return nil
				})
				s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { disconnects.Add(1) })
				socketio.On(s, "kick", func(_ context.Context, s *socketio.Socket, _ socketio.None) error {
					s.Disconnect(true)
					return nil
				})
				const workers = 16
				inParallel(t, workers, 4*workers, func(int) error { return s.visit(transport, leave) })
				settle(t, s)
				goroutines, files := runtime.NumGoroutine(), openFiles(t)
				n := scaled(10_000)
				inParallel(t, workers, n, func(int) error { return s.visit(transport, leave) })
				settle(t, s)
				eventually(t, "goroutines and files are back", func() bool {
					return runtime.NumGoroutine() <= goroutines+64*runtime.GOMAXPROCS(0) && openFiles(t) <= files+4
				})
				want := int64(n + 4*workers)
				eventually(t, "the last disconnect functions have run", func() bool { return disconnects.Load() >= want })
				if connects.Load() != want || disconnects.Load() != want {
					t.Errorf("%d connected and %d disconnected, want %d", connects.Load(), disconnects.Load(), want)
				}
				if found, err := s.To("room").FetchSockets(deadline(t)); len(found) > 0 || err != nil {
					t.Errorf("%d sockets are still in the room (%v)", len(found), err)
				}
			})
		})
	}
}

// settle waits until a server has no connection left.
func settle(t *testing.T, s *testServer) {
	t.Helper()
	eventually(t, "all clients have gone", func() bool { return s.Stats().Connections == 0 && s.Stats().Sockets == 0 })
}

// All of many clients learn that they have been disconnected, and get what was emitted before.
func TestKick(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		for _, closeConn := range []bool{false, true} {
			t.Run(fmt.Sprintf("close %t", closeConn), func(t *testing.T) {
				// What is left for a client that polls too late is dropped.
				s := serve(t, &socketio.Options{Engine: engine.Options{WriteTimeout: time.Minute}})
				clients := s.crowd(t, transport, 1000)
				if err := s.Emit("last", []byte("x")); err != nil {
					t.Fatal(err)
				}
				if err := s.DisconnectSockets(deadline(t), closeConn); err != nil {
					t.Fatal(err)
				}
				for _, c := range clients {
					c.expect(`51-["last",{"_placeholder":true,"num":0}]`, bin("x"), "1")
					if closeConn {
						c.expectClosed()
					}
				}
				eventually(t, "all sockets have gone", func() bool { return s.Len() == 0 })
			})
		}
	})
}

// crowd connects many clients to the main namespace.
func (s *testServer) crowd(t *testing.T, transport string, n int) []*client {
	t.Helper()
	clients := make([]*client, n)
	inParallel(t, 16, n, func(i int) error {
		c, err := s.dialClient(transport)
		if err != nil {
			return err
		}
		c.tb = t
		c.start()
		clients[i] = c
		_, err = c.tryConnect("/", "")
		return err
	})
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, c := range clients {
			if c != nil {
				wg.Go(c.close)
			}
		}
		wg.Wait()
	})
	return clients
}

// The server closes a WebSocket without delay when the client does.
func TestCloseLatency(t *testing.T) {
	s := serve(t, nil)
	gone := make(chan struct{}, 1)
	s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { gone <- struct{}{} })
	took := make([]time.Duration, 21)
	for i := range took {
		c := s.join(t, "websocket")
		conn, ok := c.link.(*wsLink)
		if !ok {
			t.Fatal("not a WebSocket")
		}
		start := time.Now()
		if err := conn.conn.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "the disconnect", gone)
		took[i] = time.Since(start)
	}
	// The machine may stall now and then.
	slices.Sort(took)
	if median := took[len(took)/2]; median > time.Second {
		t.Errorf("it took %v", median)
	}
}
