//go:build linux && !noparking

package engine_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// serveHeld serves an engine that holds polls at once, and counts the requests that
// its handler is busy with.
func serveHeld(t *testing.T, opts *engine.Options, configure func(*httptest.Server)) (s *server, busy, served *atomic.Int64) {
	t.Helper()
	busy, served = new(atomic.Int64), new(atomic.Int64)
	s = serve(t, opts, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			busy.Add(1)
			served.Add(1)
			defer busy.Add(-1)
			w.Header().Set("X-Middleware", r.RemoteAddr)
			next.ServeHTTP(w, r)
		})
	}, configure)
	s.engine.SetPollPatience(0)
	return s, busy, served
}

// hold sends a poll and waits until it is held.
func (c *pollingClient) hold(t *testing.T, conn *rawConn, headers ...string) {
	t.Helper()
	if err := conn.send(http.MethodGet, c.query(), "", headers...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the poll is held", func() bool { return c.server.engine.HeldPolls() == 1 })
}

// A held poll has no handler. Its answer is the one that a handler would have given,
// and the connection goes on being served by all that the server consists of.
func TestHeldPoll(t *testing.T) {
	s, busy, served := serveHeld(t, &engine.Options{
		CORS: &engine.CORS{Origins: []string{"http://a.example"}, Credentials: true},
		Header: func(h http.Header, r *http.Request, _ bool) {
			h.Set("X-User-Agent", r.UserAgent())
		},
	}, nil)
	c := s.openPolling(t)
	headers := []string{"Origin: http://a.example", "User-Agent: Trident/7"}
	conn := s.open(t)
	c.peer.send("queued")
	want, err := conn.do(http.MethodGet, c.query(), "", headers...)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		before := served.Load()
		c.hold(t, conn, headers...)
		eventually(t, "the handler returns", func() bool { return busy.Load() == 0 })
		if !c.peer.session.Writable() {
			t.Error("not writable though a poll is held")
		}
		c.peer.send("hello!")
		got := conn.mustReceive(t, http.MethodGet)
		if got.status != http.StatusOK || got.body != "4hello!" || got.closing {
			t.Fatalf("got %+v", got)
		}
		if _, err := http.ParseTime(got.header.Get("Date")); err != nil {
			t.Errorf("Date: %v", err)
		}
		got.header["Date"] = want.header["Date"]
		if len(got.header) != len(want.header) {
			t.Errorf("headers %v, want %v", got.header, want.header)
		}
		for name := range want.header {
			if got.header.Get(name) != want.header.Get(name) {
				t.Errorf("%s: %q, want %q", name, got.header.Get(name), want.header.Get(name))
			}
		}
		if res, err := conn.do(http.MethodPost, c.query(), "4on the same connection", headers...); err != nil || res.body != "ok" {
			t.Fatalf("a data request: %+v, %v", res, err)
		}
		c.peer.expect(t, text("on the same connection"))
		if n := served.Load() - before; n != 2 {
			t.Errorf("the handler saw %d requests, want 2", n)
		}
	}
}

func TestHeldPollIsAborted(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	c.hold(t, conn)
	conn.Close()
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPollAborted) {
		t.Errorf("error %v, want %v", err, engine.ErrPollAborted)
	}
	c.expectGone(t)
}

func TestHeldPollOverlaps(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	c.hold(t, conn)
	expectEmpty(t, c.get(t), http.StatusBadRequest)
	if res := conn.mustReceive(t, http.MethodGet); res.body != "1" {
		t.Errorf("got %q, want 1", res.body)
	}
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPollOverlap) {
		t.Errorf("error %v, want %v", err, engine.ErrPollOverlap)
	}
}

// A client may send its next request before it has been answered.
func TestHeldPollWithAnotherRequestBehindIt(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	for range 3 { // also on a connection on which that has happened before
		c.hold(t, conn)
		if err := conn.send(http.MethodPost, c.query(), "4early"); err != nil {
			t.Fatal(err)
		}
		c.peer.send("late")
		if res := conn.mustReceive(t, http.MethodGet); res.body != "4late" {
			t.Fatalf("got %q", res.body)
		}
		if res := conn.mustReceive(t, http.MethodPost); res.body != "ok" {
			t.Fatalf("got %q", res.body)
		}
		c.peer.expect(t, text("early"))
	}
	// In one piece, so that net/http has read some of it.
	both := formatRequest(http.MethodGet, c.query(), "") + formatRequest(http.MethodPost, c.query(), "4early")
	if _, err := io.WriteString(conn, both); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the poll is pending", c.peer.session.Writable)
	c.peer.send("late")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4late" {
		t.Fatalf("got %q", res.body)
	}
	if res := conn.mustReceive(t, http.MethodPost); res.body != "ok" {
		t.Fatalf("got %q", res.body)
	}
	c.peer.expect(t, text("early"))
	if res, err := conn.do(http.MethodPost, c.query(), "4again"); err != nil || res.body != "ok" {
		t.Fatalf("got %+v, %v", res, err)
	}
}

func TestHeldPollIsCompressed(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	c := s.openPolling(t)
	long := strings.Repeat("compress me ", 1000)
	for name, tc := range map[string]struct {
		accept   string
		option   engine.SendOption
		encoding string
	}{
		"gzip": {"gzip, br", 0, "gzip"}, "identity": {"br", 0, ""}, "not wanted": {"gzip", engine.NoCompress, ""},
	} {
		conn := s.open(t)
		c.hold(t, conn, "Accept-Encoding: "+tc.accept)
		c.peer.session.Send(engine.NewTextFrame(long), tc.option)
		res := conn.mustReceive(t, http.MethodGet)
		if got := res.header.Get("Content-Encoding"); got != tc.encoding {
			t.Errorf("%s: Content-Encoding %q, want %q", name, got, tc.encoding)
		}
		if vary := res.header.Get("Vary"); (vary == "Accept-Encoding") != (tc.option == 0) {
			t.Errorf("%s: Vary %q", name, vary)
		}
		body := res.body
		if tc.encoding == "gzip" {
			r, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			body = string(plain)
		}
		if body != "4"+long {
			t.Errorf("%s: got %d bytes", name, len(body))
		}
	}
}

// An answer that the socket does not take at once is written as the client reads.
func TestLargeAnswerOfHeldPoll(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	large := strings.Repeat("x", 16<<20)
	for range 2 {
		c.hold(t, conn)
		c.peer.send(large)
		if res := conn.mustReceive(t, http.MethodGet); len(res.body) != len(large)+1 {
			t.Fatalf("got %d bytes", len(res.body))
		}
	}
}

func TestLargeAnswerOfHeldPollThatIsNotRead(t *testing.T) {
	s, _, _ := serveHeld(t, &engine.Options{WriteTimeout: 50 * time.Millisecond}, nil)
	c := s.openPolling(t)
	conn := s.open(t)
	c.hold(t, conn)
	c.peer.send(strings.Repeat("x", 16<<20))
	c.peer.expectClose(t, engine.SlowConsumer)
	_, err := io.Copy(io.Discard, conn)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		t.Error("the connection has not been closed")
	}
}

// The connection of a poll that has been answered is kept as long as the http.Server
// would keep it.
func TestConnectionOfHeldPollIsIdle(t *testing.T) {
	s, _, _ := serveHeld(t, nil, func(s *httptest.Server) { s.Config.IdleTimeout = 100 * time.Millisecond })
	c := s.openPolling(t)
	conn := s.open(t)
	c.hold(t, conn)
	c.peer.send("hello")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4hello" {
		t.Fatalf("got %+v", res)
	}
	conn.expectEOF(t)
	c.peer.expectOpen(t)
}

func TestShutdownWithHeldPolls(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	answered, pending := s.openPolling(t), s.openPolling(t)
	idle, held := s.open(t), s.open(t)
	answered.hold(t, idle)
	answered.peer.send("hello")
	if res := idle.mustReceive(t, http.MethodGet); res.body != "4hello" {
		t.Fatalf("got %+v", res)
	}
	pending.hold(t, held)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// It waits for no poll that is held, and closes connections without a request.
	if err := s.http.Config.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	idle.expectEOF(t)
	pending.peer.expectOpen(t)
	if err := s.engine.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if res := held.mustReceive(t, http.MethodGet); res.body != "1" || !res.closing {
		t.Errorf("got %+v, want the end", res)
	}
	held.expectEOF(t)
}

func TestUpgradeWithHeldPoll(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	s.onMessage = sendBack
	c := s.openPolling(t)
	conn := s.open(t)
	c.hold(t, conn)
	ws := s.open(t)
	up, res, err := ws.handshakeWS(websocketQuery+"&sid="+c.sid, "")
	if err != nil || up == nil {
		t.Fatalf("got %+v, %v", res, err)
	}
	up.mustText(t, "2probe")
	up.expect(t, "3probe")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "6" {
		t.Errorf("got %+v, want a noop packet", res)
	}
	up.mustText(t, "5")
	up.mustText(t, "4hello")
	up.expect(t, "4hello")
	if res, err := conn.do(http.MethodGet, c.query(), ""); err != nil || res.status != http.StatusBadRequest {
		t.Errorf("a poll after the upgrade: %+v, %v", res, err)
	}
}

// Clients to which much is sent are left to their handlers for longer, but not those
// that have just been told that they are connected, and in a room.
func TestBusyPollsAreNotHeld(t *testing.T) {
	s, _, _ := serveHeld(t, nil, nil)
	s.engine.SetBusyPollPatience(time.Hour)
	c := s.openPolling(t)
	conn := s.open(t)
	for range 3 {
		c.hold(t, conn)
		c.peer.send("soon")
		conn.mustReceive(t, http.MethodGet)
	}
	if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the poll is pending", c.peer.session.Writable)
	if n := s.engine.HeldPolls(); n != 0 {
		t.Fatalf("%d polls are held", n)
	}
	// Another client's poll, which came later, is held before.
	other := s.openPolling(t)
	others := s.open(t)
	other.hold(t, others)
	other.peer.send("soon")
	others.mustReceive(t, http.MethodGet)
	if n := s.engine.HeldPolls(); n != 0 {
		t.Errorf("%d polls are held once the other client's has been answered", n)
	}
	c.peer.send("again")
	if res := conn.mustReceive(t, http.MethodGet); res.body != "4again" {
		t.Errorf("got %+v", res)
	}
}

// Polls that are held cost no goroutine each.
func TestHeldPollsHaveNoGoroutine(t *testing.T) {
	const n = 200
	s, _, _ := serveHeld(t, nil, nil)
	before := runtime.NumGoroutine()
	readers := make([]*bufio.Reader, n)
	for i := range readers {
		c := s.openPolling(t)
		conn := s.open(t)
		if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
			t.Fatal(err)
		}
		readers[i] = conn.br
	}
	eventually(t, "all polls are held, by few goroutines", func() bool {
		return s.engine.HeldPolls() == n && runtime.NumGoroutine() < before+n/4
	})
	for session := range s.engine.Sessions() {
		session.Send(engine.NewTextFrame("all of you"), 0)
	}
	for _, br := range readers {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "4all of you" {
			t.Fatalf("got %q, %v", body, err)
		}
		res.Body.Close()
	}
}

// Nor do the connections on which such clients have sent something.
func TestConnectionsOfDataRequestsHaveNoGoroutine(t *testing.T) {
	const n = 100
	s, _, _ := serveHeld(t, nil, nil)
	before := runtime.NumGoroutine()
	clients, conns := make([]*pollingClient, n), make([]*rawConn, n)
	post := func(i int, payload string) {
		t.Helper()
		if res, err := conns[i].do(http.MethodPost, clients[i].query(), payload); err != nil || res.body != "ok" || res.closing {
			t.Fatalf("got %+v, %v", res, err)
		}
		clients[i].peer.expectNow(t, text(payload[1:]))
	}
	for i := range n {
		clients[i], conns[i] = s.openPolling(t), s.open(t)
		post(i, "4first")
	}
	eventually(t, "there are few goroutines", func() bool { return runtime.NumGoroutine() < before+n/4 })
	for i := range n {
		post(i, "4second")
	}
}
