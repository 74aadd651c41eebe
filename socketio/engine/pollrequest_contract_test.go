package engine_test

import (
	"bytes"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A pending poll is a pending request of the application's http.Server: what that says
// of requests, and does to them, holds for polls.

// rounds lets a client poll on one connection and be answered, several times.
func (c *pollingClient) rounds(t *testing.T, conn *rawConn) {
	t.Helper()
	for range 5 {
		if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the poll is pending", c.peer.session.Writable)
		c.peer.send("hello")
		if res := conn.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "4hello" {
			t.Fatalf("got %+v", res)
		}
		if res, err := conn.do(http.MethodPost, c.query(), "4hello"); err != nil || res.body != "ok" {
			t.Fatalf("a data request: %+v, %v", res, err)
		}
		c.peer.expectNow(t, text("hello"))
	}
}

func TestGaugeOfRequestsCountsPendingPolls(t *testing.T) {
	var inFlight atomic.Int64
	s := serve(t, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inFlight.Add(1)
			defer inFlight.Add(-1)
			next.ServeHTTP(w, r)
		})
	}, nil)
	c := s.openPolling(t)
	eventually(t, "the handshake is over", func() bool { return inFlight.Load() == 0 })
	conn := c.poll(t)
	if n := inFlight.Load(); n != 1 {
		t.Errorf("%d requests in flight while a poll is pending, want 1", n)
	}
	c.peer.send("hello")
	conn.mustReceive(t, http.MethodGet)
	eventually(t, "no request is in flight", func() bool { return inFlight.Load() == 0 })
}

// syncBuffer is a buffer for loggers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestMiddlewareThatFlushesAfterPolls(t *testing.T) {
	var logged syncBuffer
	s := serve(t, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flushing: %v", err)
			}
		})
	}, func(hs *httptest.Server) { hs.Config.ErrorLog = log.New(&logged, "", 0) })
	c := s.openPolling(t)
	c.rounds(t, s.open(t))
	s.shutdown()
	s.http.Close() // All handlers have returned.
	if got := logged.String(); got != "" {
		t.Errorf("the http.Server has logged %q", got)
	}
}

func TestConnStateCountsEachConnectionOnce(t *testing.T) {
	var mu sync.Mutex
	fresh := map[string]int{}
	s := serve(t, nil, nil, func(hs *httptest.Server) {
		hs.Config.ConnState = func(conn net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			switch state {
			case http.StateNew:
				fresh[conn.RemoteAddr().String()]++
			case http.StateHijacked:
				t.Error("a connection has been taken over")
			}
		}
	})
	c := s.openPolling(t)
	conn := s.open(t)
	c.rounds(t, conn)
	mu.Lock()
	defer mu.Unlock()
	if n := fresh[conn.LocalAddr().String()]; n != 1 {
		t.Errorf("the connection was new %d times", n)
	}
}

func TestKeepAlivesAreDisabledWhilePollsArePending(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	conn := c.poll(t)
	s.http.Config.SetKeepAlivesEnabled(false)
	c.peer.send("hello")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4hello" || !res.closing {
		t.Errorf("got %+v, want an answer that closes the connection", res)
	}
	conn.expectEOF(t)
	c.peer.expectOpen(t)
}

func TestHTTPServerIsClosedWhilePollsArePending(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	conn := c.poll(t)
	if err := s.http.Config.Close(); err != nil {
		t.Fatal(err)
	}
	conn.expectEOF(t)
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPollAborted) {
		t.Errorf("error %v, want %v", err, engine.ErrPollAborted)
	}
}

// Like every handler's answer, that of a poll is waited for when the server of a test
// is closed.
func TestHTTPTestServerIsClosedWhilePollsArePending(t *testing.T) {
	s := start(t, nil)
	clients, conns := make([]*pollingClient, 8), make([]*rawConn, 8)
	for i := range clients {
		clients[i] = s.openPolling(t)
		conns[i] = clients[i].poll(t)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.http.Close()
	}()
	for i, c := range clients {
		c.peer.send("hello")
		if res := conns[i].mustReceive(t, http.MethodGet); res.body != "4hello" {
			t.Errorf("got %+v", res)
		}
	}
	<-closed
	for _, conn := range conns {
		conn.expectEOF(t)
	}
}

// The Shutdown of an http.Server waits for pending polls as for all requests; when the
// engine shuts down with it they are answered at once.
func TestHTTPServerShutsDownWithPendingPolls(t *testing.T) {
	s := start(t, nil)
	ended := make(chan error, 1) // http.Server.Shutdown does not wait for the function.
	s.http.Config.RegisterOnShutdown(func() { ended <- s.engine.Shutdown(t.Context()) })
	c := s.openPolling(t)
	conn := c.poll(t)
	if err := s.http.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if res := conn.mustReceive(t, http.MethodGet); res.body != "1" || !res.closing {
		t.Errorf("got %+v, want the end", res)
	}
	c.peer.expectClose(t, engine.ServerShutdown)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
