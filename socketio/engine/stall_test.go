package engine

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A gatedRaw is a connection to be written to without blocking. Once the gate is closed
// each write waits there until it may fail.
type gatedRaw struct {
	syscall.RawConn

	closed        atomic.Bool
	entered, fail chan struct{}
}

func (g *gatedRaw) Write(fn func(uintptr) bool) error {
	if !g.closed.Load() {
		return g.RawConn.Write(fn)
	}
	g.entered <- struct{}{}
	<-g.fail
	return syscall.EPIPE
}

// A session that ends while its output is being written leaves the connection to the
// writer, who closes it also if writing fails.
func TestWriteFailsAfterTheEnd(t *testing.T) {
	raw := &gatedRaw{entered: make(chan struct{}), fail: make(chan struct{})}
	s, client := dialThrough(t, raw, &raw.RawConn)
	raw.closed.Store(true)
	var sending sync.WaitGroup
	sending.Go(func() { s.Send(NewTextFrame("lost"), 0) })
	<-raw.entered
	flushed := make(chan error, 1)
	go func() { flushed <- s.Flush(t.Context()) }()
	for { // until it waits
		s.mu.Lock()
		waits := s.queue != nil && len(s.queue.marks) > 0
		s.mu.Unlock()
		if waits {
			break
		}
		runtime.Gosched()
	}
	s.Discard(ForcedClose)
	if err := <-flushed; !errors.Is(err, ErrSessionClosed) {
		t.Errorf("Flush: %v", err)
	}
	close(raw.fail)
	sending.Wait()
	if err := client.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.ReadMessage(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// Those who wait until their messages have been taken hear that the session has ended, not how the system puts it.
func TestFlushWhenAWriteFails(t *testing.T) {
	raw := &gatedRaw{entered: make(chan struct{}), fail: make(chan struct{})}
	s, _ := dialThrough(t, raw, &raw.RawConn)
	raw.closed.Store(true)
	receipts := make(chan *receipt, 1)
	var sending sync.WaitGroup
	sending.Go(func() {
		s.mu.Lock()
		s.push([]*Frame{NewTextFrame("lost")}, 0)
		s.mu.Unlock()
		r, _ := s.mark()
		receipts <- r
		s.srv.pool.Flush((*sink)(s))
	})
	<-raw.entered
	close(raw.fail)
	sending.Wait()
	r := <-receipts
	if <-r.done; !errors.Is(r.err, ErrSessionClosed) {
		t.Errorf("got %v", r.err)
	}
}

// A stuckConn takes some time to write and to close, as one with TLS may.
type stuckConn struct {
	net.Conn

	writing chan struct{}
	stuck   chan struct{} // until it is closed
}

func (c *stuckConn) Write(b []byte) (int, error) {
	if strings.HasSuffix(string(b), "4stuck") {
		c.writing <- struct{}{}
		<-c.stuck
	}
	return c.Conn.Write(b)
}

func (c *stuckConn) Close() error {
	<-c.stuck
	return c.Conn.Close()
}

// A stuckListener accepts them.
type stuckListener struct {
	net.Listener

	writing, stuck chan struct{}
}

func (l *stuckListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stuckConn{Conn: c, writing: l.writing, stuck: l.stuck}, nil
}

// Whoever ends a session does not wait until its connection has been closed.
func TestEndDoesNotWaitForTheConnection(t *testing.T) {
	srv := NewServer(func(*Session) Receiver { return echoes{} }, nil)
	ts := httptest.NewUnstartedServer(srv)
	l := &stuckListener{Listener: ts.Listener, writing: make(chan struct{}, 1), stuck: make(chan struct{})}
	ts.Listener = l
	ts.Start()
	dialTo(t, srv, ts)
	var s *Session
	for s = range srv.Sessions() {
	}
	s.Send(NewTextFrame("stuck"), 0)
	<-l.writing
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Discard(ForcedClose)
	}()
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Error("Discard waits for the connection")
	}
	close(l.stuck)
	<-ended
}

// An answer moves the time of the next ping, also one that comes in the moment in which
// the timeout is told: the client is not pinged with nothing to wait for the answer.
func TestPongWhileAPingIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(func(*Session) Receiver { return echoes{} }, nil)
		s, refused := srv.open(httptest.NewRequest(http.MethodGet, "/", nil), srv.newPollState)
		if refused != nil {
			t.Fatal(refused)
		}
		s.awaiting.Store(true)
		s.onPong()
		s.ping()
		if s.awaiting.Load() {
			t.Error("an answer is awaited, and the timer is that of the next ping")
		}
		s.end(ending{})
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
