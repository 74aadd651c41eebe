//go:build linux && !noparking

package engine_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Polls are left to their handlers where taking the connection over might be noticed.
func TestPollsThatAreNotHeld(t *testing.T) {
	base := func(net.Listener) context.Context { return t.Context() }
	perConn := func(ctx context.Context, _ net.Conn) context.Context { return ctx }
	for name, tc := range map[string]struct {
		opts      engine.Options
		wrap      func(http.Handler) http.Handler
		configure func(*httptest.Server)
		headers   []string
		closing   bool
	}{
		"wrapped writer":    {wrap: wrapped},
		"base context":      {configure: func(s *httptest.Server) { s.Config.BaseContext = base }},
		"context per conn":  {configure: func(s *httptest.Server) { s.Config.ConnContext = perConn }},
		"not kept alive":    {headers: []string{"Connection: close"}, closing: true},
		"header of the app": {opts: engine.Options{Header: func(h http.Header, _ *http.Request, _ bool) { h.Set("Date", "today") }}},
		"without parking":   {opts: engine.Options{DisableParking: true}},
		"tls":               {configure: func(s *httptest.Server) { s.StartTLS() }},
	} {
		t.Run(name, func(t *testing.T) {
			var hijacked atomic.Int64
			s := serve(t, &tc.opts, tc.wrap, func(hs *httptest.Server) {
				hs.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateHijacked {
						hijacked.Add(1)
					}
				}
				if tc.configure != nil {
					tc.configure(hs)
				}
			})
			s.engine.SetPollPatience(0)
			if s.http.TLS != nil {
				addr := s.http.Listener.Addr().String()
				config := &tls.Config{InsecureSkipVerify: true} // It is the test's own.
				s.dial = func() (net.Conn, error) { return tls.Dial("tcp", addr, config) }
			}
			c := s.openPolling(t)
			conn := c.poll(t, tc.headers...)
			eventually(t, "the handler has been asked", func() bool { return s.engine.SettledPolls() == 1 })
			c.peer.send("hello")
			if res := conn.mustReceive(t, http.MethodGet); res.body != "4hello" || res.closing != tc.closing {
				t.Errorf("got %+v", res)
			}
			if hijacked.Load() != 0 {
				t.Error("the poll was held")
			}
		})
	}
}

// Nor can a connection be held that cannot be watched. The client is told that there is
// nothing yet, and later polls are left alone.
func TestPollOnAConnectionThatCannotBeWatched(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	s.engine.StopWatching()
	expectNotHeld(t, s)
}

// wrappingListener accepts connections that are not of a type of the net package.
type wrappingListener struct{ net.Listener }

func (l wrappingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

// It is known only once it has been taken over that a connection cannot be held. The
// client is told that there is nothing yet, and later polls are left alone.
func TestPollOnAConnectionOfAnotherType(t *testing.T) {
	s, _, _ := serveHeld(t, nil, func(s *httptest.Server) { s.Listener = wrappingListener{s.Listener} })
	expectNotHeld(t, s)
}

// expectNotHeld checks what becomes of polls whose connections turn out to be ones that
// cannot be held.
func expectNotHeld(t *testing.T, s *server) {
	t.Helper()
	c := s.openPolling(t)
	conn := s.open(t)
	if res, err := conn.do(http.MethodGet, c.query(), ""); err != nil || res.body != "6" {
		t.Fatalf("got %+v, %v", res, err)
	}
	for range 2 {
		if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the handler has been asked", func() bool { return s.engine.SettledPolls() == 1 })
		c.peer.send("hello")
		if res := conn.mustReceive(t, http.MethodGet); res.body != "4hello" {
			t.Fatalf("got %+v", res)
		}
	}
	if res, err := conn.do(http.MethodPost, c.query(), "4world"); err != nil || res.body != "ok" {
		t.Fatalf("got %+v, %v", res, err)
	}
	c.peer.expectNow(t, text("world"))
}

// A client that sends much is left to net/http.
func TestConnectionsOfManyDataRequests(t *testing.T) {
	var hijacked atomic.Int64
	s, _, _ := serveHeld(t, nil, func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateHijacked {
				hijacked.Add(1)
			}
		}
	})
	c := s.openPolling(t)
	conn := s.open(t)
	start := time.Now()
	for range 50 {
		if res, err := conn.do(http.MethodPost, c.query(), "4x"); err != nil || res.body != "ok" {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
	few := int64(4 * (1 + time.Since(start)/time.Second))
	if n := hijacked.Load(); n == 0 || n > few {
		t.Errorf("the connection was taken over %d times, want 1 to %d", n, few)
	}
}
