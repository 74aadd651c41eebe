package engine

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/park"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// handback gives connections back to the http.Server that they were taken from. It
// is a listener of that server: those that have brought another request are accepted
// from it and served from the beginning, by the server's handler and with all its
// settings. Those that wait for another request are kept.
type handback struct {
	poller   *park.Poller // of the polls that are held
	wheel    *wheel.Wheel
	patience *wheel.Class  // how long to keep them; nil for ever
	unfit    atomic.Bool   // the server's connections cannot be held: found out once, true for good
	done     chan struct{} // closed when nothing is served any more

	mu     sync.Mutex
	ready  sync.Cond
	queue  []net.Conn
	idle   map[*heldPoll]struct{}
	closed bool
}

// handback returns the one for a server, which is served from then on. It returns nil
// if there can be none.
func (srv *Server) handback(server *http.Server) *handback {
	hold := &srv.holding
	hold.mu.Lock()
	defer hold.mu.Unlock()
	if b := hold.backs[server]; b != nil || hold.closed {
		if b == nil || b.unfit.Load() || b.isClosed() {
			return nil
		}
		return b
	}
	b := &handback{poller: srv.park().poller, wheel: srv.wheel, done: make(chan struct{}), idle: make(map[*heldPoll]struct{})}
	b.ready.L = &b.mu
	if d := idleTimeout(server); d > 0 {
		b.patience = srv.wheel.Class(d)
	}
	if hold.backs == nil {
		hold.backs = make(map[*http.Server]*handback)
	}
	hold.backs[server] = b
	go srv.serveHandback(server, b)
	return b
}

// serveHandback serves what is given back until one of the servers ends, which is no
// error.
func (srv *Server) serveHandback(server *http.Server, b *handback) {
	defer close(b.done)
	_ = server.Serve(b)
	_ = b.Close()
	srv.holding.mu.Lock()
	defer srv.holding.mu.Unlock()
	delete(srv.holding.backs, server)
}

// idleTimeout returns how long a server keeps a connection without a request.
func idleTimeout(server *http.Server) time.Duration {
	if server.IdleTimeout != 0 {
		return server.IdleTimeout
	}
	return server.ReadTimeout
}

// close closes what is kept and waits for the goroutines. No poll is held any more.
func (hold *holding) close() {
	hold.mu.Lock()
	hold.closed = true
	backs := slices.Collect(maps.Values(hold.backs))
	hold.mu.Unlock()
	for _, b := range backs {
		_ = b.Close()
		<-b.done
	}
}

// Accept returns a connection that has brought another request.
func (b *handback) Accept() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) == 0 && !b.closed {
		b.ready.Wait()
	}
	if b.closed {
		return nil, net.ErrClosed
	}
	conn := b.queue[0]
	b.queue[0] = nil
	b.queue = b.queue[1:]
	return conn, nil
}

// Close closes the connections that have not been accepted. Polls that are pending
// are answered all the same.
func (b *handback) Close() error {
	b.mu.Lock()
	queue, idle := b.queue, b.idle
	b.queue, b.idle, b.closed = nil, nil, true
	b.ready.Broadcast()
	b.mu.Unlock()
	for _, conn := range queue {
		_ = conn.Close()
	}
	for h := range idle {
		h.closeIdle()
	}
	return nil
}

// isClosed reports whether connections cannot be given back any more.
func (b *handback) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// handbackAddr is the address of a listener that is none of the network.
type handbackAddr struct{}

func (handbackAddr) Network() string { return "tcp" }
func (handbackAddr) String() string  { return "held connections" }

// Addr returns no address that could be connected to.
func (b *handback) Addr() net.Addr { return handbackAddr{} }

// give gives a connection back. early is what has been read from it already.
func (b *handback) give(conn net.Conn, early []byte) {
	if len(early) > 0 {
		conn = &earlyConn{Conn: conn, early: early}
	}
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.queue = append(b.queue, conn)
		b.ready.Signal()
	}
	b.mu.Unlock()
	if closed {
		_ = conn.Close()
	}
}

// keep keeps a connection that waits for its next request. It reports false if the
// server does not want it any more.
func (b *handback) keep(h *heldPoll) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.idle[h] = struct{}{}
	if b.patience != nil {
		b.patience.Arm(&h.idle)
	}
	return true
}

// forget is the opposite of keep.
func (b *handback) forget(h *heldPoll) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.idle, h)
	b.wheel.Disarm(&h.idle)
}

// earlyConn is a connection from which something has been read already.
type earlyConn struct {
	net.Conn
	early []byte // owned by the one who reads
}

// Read returns what has been read first.
func (c *earlyConn) Read(b []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.early)
	c.early = c.early[n:]
	return n, nil
}

// unwrapEarly returns the connection itself, once everything has been read that had
// been read before.
func unwrapEarly(conn net.Conn) net.Conn {
	if c, ok := conn.(*earlyConn); ok && len(c.early) == 0 {
		return c.Conn
	}
	return conn
}
