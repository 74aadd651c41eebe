package socketio_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/socketio"
)

// A countingListener counts how often the server writes to its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c, l}, nil
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(b)
}

// A corkedConn keeps what is written until it is released.
type corkedConn struct {
	net.Conn
	mu     sync.Mutex
	corked bool
	kept   []byte
}

func (c *corkedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked {
		c.kept = append(c.kept, b...)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *corkedConn) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
}

func (c *corkedConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	_, err := c.Conn.Write(c.kept)
	return err
}

// What is sent in answer to events that have come together is written together.
func TestAnswersOfABurstAreWrittenTogether(t *testing.T) {
	const n, most = 100, 10 // writes, for the pieces in which the events are read
	for name, register := range map[string]func(*testServer){
		"acknowledgements": func(s *testServer) { s.echo() },
		"events": func(s *testServer) {
			s.Handle("echo", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error { return e.Socket.Emit("m") }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
				l := &countingListener{Listener: pipes}
				s := serveOn(t, l, nil)
				register(s)
				var conn *corkedConn
				s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					c, err := pipes.dial(ctx, network, addr)
					conn = &corkedConn{Conn: c}
					return conn, err
				}
				c := s.join(t, "websocket")
				conn.cork()
				for i := range n {
					c.send(`2` + itoa(i) + `["echo"]`)
				}
				before := l.writes.Load()
				if err := conn.release(); err != nil {
					t.Fatal(err)
				}
				for range n {
					c.next()
				}
				if writes := l.writes.Load() - before; writes > most {
					t.Errorf("%d answers were written in %d pieces", n, writes)
				}
			})
		})
	}
}
