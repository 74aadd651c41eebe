package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// opaque is a ResponseWriter as middleware wraps it: it has no other method of the
// one below than Unwrap.
type opaque struct {
	http.ResponseWriter
	status int
}

func (w *opaque) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *opaque) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func wrapped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Middleware", "yes")
		next.ServeHTTP(&opaque{ResponseWriter: w}, r)
	})
}

func TestBehindMiddleware(t *testing.T) {
	s := serve(t, nil, func(h http.Handler) http.Handler { return wrapped(wrapped(h)) }, nil)
	s.onMessage = sendBack
	ws := s.openWS(t)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
	if got := ws.res.header.Get("X-Middleware"); got != "yes" {
		t.Errorf("the header of the middleware is lost in the upgrade: %q", got)
	}
	c := s.openPolling(t)
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
	up := c.upgrade(t)
	up.mustText(t, "4hello")
	up.expect(t, "4hello")
}

// bare is a ResponseWriter that hides what the one below can do.
type bare struct{ http.ResponseWriter }

// Where a connection cannot be taken over, the client can stay on polling, and the
// application is told.
func TestWithoutHijacking(t *testing.T) {
	var logs logBook
	refused := newMailbox[*engine.RequestError]()
	s := serve(t, &engine.Options{
		Logger:    logs.logger(slog.LevelInfo),
		OnRefused: func(_ *http.Request, e *engine.RequestError) { refused.put(e) },
	}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(bare{w}, r) })
	}, nil)
	s.onMessage = sendBack
	res := s.request(t, http.MethodGet, pollingQuery, "")
	if o, err := parseOpen(res.body); err != nil || len(o.Upgrades) != 0 {
		t.Errorf("upgrades %q are offered, error %v", o.Upgrades, err)
	}
	s.next(t)
	c := s.openPolling(t)
	for _, query := range []string{websocketQuery, websocketQuery + "&sid=" + c.sid} {
		ws, res, err := s.open(t).handshakeWS(query, "")
		if err != nil || ws != nil || res.status != http.StatusNotImplemented {
			t.Errorf("got %d %q, error %v", res.status, res.body, err)
		}
		e, ok := refused.take(patience)
		if !ok || e.Code != engine.NoWebSocket || !errors.Is(e, http.ErrNotSupported) || !strings.Contains(e.Error(), "engine_test.bare") {
			t.Errorf("OnRefused got %v", e)
		}
	}
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
	if n := s.engine.Len(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	if lines := logs.lines("level=WARN", "engine_test.bare"); len(lines) != 1 || len(logs.lines()) != 1 {
		t.Errorf("logged: %q", logs.lines())
	}
}

// careless panics as gin's writer does if the one below cannot do what it can.
type careless struct{ http.ResponseWriter }

func (w careless) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w careless) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

func (w careless) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// A writer whose methods panic is not asked if the one below it lacks them.
func TestBehindCarelessWriters(t *testing.T) {
	for name, below := range map[string]func(w http.ResponseWriter) http.ResponseWriter{
		"that unwraps": func(w http.ResponseWriter) http.ResponseWriter { return &opaque{ResponseWriter: w} },
		"that hides":   func(w http.ResponseWriter) http.ResponseWriter { return bare{w} },
	} {
		t.Run(name, func(t *testing.T) {
			var logs logBook
			s := serve(t, nil, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(careless{below(w)}, r) })
			}, func(hs *httptest.Server) {
				hs.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&logs, nil), slog.LevelError)
			})
			s.onMessage = sendBack
			c := s.openPolling(t)
			large := "4" + strings.Repeat("x", 3000) // which waits in a buffer of net/http until the handler has returned or panicked
			c.mustPost(t, large)
			c.expectGet(t, large)
			ws, res, err := s.open(t).handshakeWS(websocketQuery, "")
			if hidden := name == "that hides"; err != nil || hidden != (ws == nil) || hidden && res.status != http.StatusNotImplemented {
				t.Errorf("websocket: got %d %q, error %v", res.status, res.body, err)
			}
			if lines := logs.lines(); len(lines) != 0 {
				t.Errorf("the HTTP server logged %.300q", lines)
			}
		})
	}
}

// The reference serves whatever begins with its path.
func TestFaultPrefixOfThePath(t *testing.T) {
	s := start(t, &engine.Options{Path: "/socket.io/"})
	for path, want := range map[string]int{
		"/socket.io/":             http.StatusOK,
		"/app/socket.io/":         http.StatusOK,
		"/":                       http.StatusOK,
		"/socket.io":              http.StatusOK,
		"/app/socket.io":          http.StatusOK,
		"/engine.io/":             http.StatusNotFound,
		"/socket.io/x":            http.StatusNotFound,
		"/socket.io/socket.io.js": http.StatusNotFound,
		"/xsocket.io":             http.StatusNotFound,
		"/xsocket.io/":            http.StatusNotFound,
	} {
		conn := s.open(t)
		request := strings.Replace(formatRequest(http.MethodGet, pollingQuery, ""), "/engine.io/", path, 1)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if res := conn.mustReceive(t, http.MethodGet); res.status != want {
			t.Errorf("%s: got %d, want %d", path, res.status, want)
		}
	}
}

// An upgrade on a path that is not the engine's, and is reset, ends the process of
// reference servers before 6.6.12.
func TestFaultUpgradeOnAForeignPath(t *testing.T) {
	s := start(t, &engine.Options{Path: "/socket.io/"})
	for range 20 {
		conn := s.open(t)
		if err := conn.send(http.MethodGet, websocketQuery, "", wsHeaders...); err != nil {
			t.Fatal(err)
		}
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	conn := s.open(t)
	res, err := conn.do(http.MethodGet, websocketQuery, "", wsHeaders...)
	if err != nil || res.status != http.StatusNotFound {
		t.Errorf("got %d, error %v, want 404", res.status, err)
	}
}

// The timeouts of an http.Server are for requests. A poll takes longer than one,
// and a WebSocket is none.
func TestTimeoutsOfTheHTTPServer(t *testing.T) {
	inConfiguredBubble(t, nil, limitTo(300*time.Millisecond), testTimeoutsOfTheHTTPServer)
}

// With sockets a slow machine has to serve each request within the limit.
func TestTimeoutsOfTheHTTPServerWithSockets(t *testing.T) {
	t.Parallel()
	limit := limitTo(3 * time.Second)
	s := serve(t, nil, nil, func(hs *httptest.Server) { limit(hs.Config) })
	testTimeoutsOfTheHTTPServer(t, s)
}

// limitTo sets all timeouts of an http.Server.
func limitTo(limit time.Duration) func(*http.Server) {
	return func(hs *http.Server) {
		hs.ReadTimeout, hs.WriteTimeout, hs.IdleTimeout, hs.ReadHeaderTimeout = limit, limit, limit, limit
	}
}

func testTimeoutsOfTheHTTPServer(t *testing.T, s *server) {
	s.onMessage = sendBack
	ws := s.openWS(t)
	c := s.openPolling(t)
	poll := c.poll(t)
	upgraded := s.openPolling(t)
	up := upgraded.upgrade(t)
	// Once a later connection has run into its timeout, these are past theirs.
	s.open(t).expectEOF(t)
	c.peer.send("late")
	if res := poll.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "4late" {
		t.Errorf("the poll got %d %q", res.status, res.body)
	}
	for _, client := range []*wsClient{ws, up} {
		client.mustText(t, "4hello")
		client.expect(t, "4hello")
	}
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
}

// startTLS serves an engine with TLS and HTTP/2. Clients of the raw kind speak
// HTTP/1.1.
func startTLS(t *testing.T, opts *engine.Options) *server {
	t.Helper()
	s := serve(t, opts, nil, func(hs *httptest.Server) {
		hs.EnableHTTP2 = true
		hs.StartTLS()
	})
	s.onMessage = sendBack
	addr := s.http.Listener.Addr().String()
	config := &tls.Config{RootCAs: s.http.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	s.dial = func() (net.Conn, error) { return tls.Dial("tcp", addr, config) }
	return s
}

func TestTLS(t *testing.T) {
	s := startTLS(t, nil)
	ws := s.openWS(t)
	if !ws.peer.session.Handshake().Secure() {
		t.Error("the handshake is not marked as secure")
	}
	for _, n := range sizes {
		m := strings.Repeat("x", n)
		ws.mustText(t, "4"+m)
		ws.expect(t, "4"+m)
	}
	ws.must(t, finPing, "?")
	ws.expectFrame(t, finPong, "?")
	c := s.openPolling(t)
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
	up := c.upgrade(t)
	up.mustText(t, "4hello")
	up.expect(t, "4hello")
	up.mustText(t, "1")
	c.peer.expectClose(t, engine.TransportClose)
	ws.peer.session.Close(engine.ForcedClose)
	ws.expectClosing(t, noStatus)
}

// A client that does not read must not hold others up where writes cannot be tried
// without blocking.
func TestSlowReaderWithTLS(t *testing.T) {
	s := startTLS(t, slowly())
	slow, healthy := s.openWS(t), s.openWS(t)
	frame := engine.NewTextFrame(strings.Repeat("x", 32<<10))
	for i := 0; slow.peer.session.State() != engine.StateClosed; i++ {
		if i > 10_000 {
			t.Fatal("a client that does not read gets 320 MB queued")
		}
		slow.peer.session.Send(frame, 0)
		healthy.peer.session.Send(frame, 0)
		if f, err := healthy.readMessage(); err != nil || len(f.payload) != 1+32<<10 {
			t.Fatalf("the healthy client got %d bytes, error %v", len(f.payload), err)
		}
	}
	slow.peer.expectClose(t, engine.SlowConsumer)
}

func TestPollingOverHTTP2(t *testing.T) {
	s := startTLS(t, nil)
	client := s.http.Client()
	do := func(ctx context.Context, method, query, body string) (int, string, error) {
		request, err := http.NewRequestWithContext(ctx, method, s.http.URL+"/engine.io/?"+query, bytes.NewBufferString(body))
		if err != nil {
			return 0, "", err
		}
		res, err := client.Do(request)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		if res.ProtoMajor != 2 {
			t.Errorf("HTTP/%d, want 2", res.ProtoMajor)
		}
		b, err := io.ReadAll(res.Body)
		if len(b) > 1024 && !res.Uncompressed {
			t.Errorf("%d bytes were not compressed", len(b))
		}
		return res.StatusCode, string(b), err
	}
	must := func(method, query, body, want string) string {
		t.Helper()
		status, got, err := do(t.Context(), method, query, body)
		if err != nil || status != http.StatusOK || want != "" && got != want {
			t.Fatalf("%s: got %d %q, error %v", method, status, got, err)
		}
		return got
	}
	o, err := parseOpen(must(http.MethodGet, pollingQuery, "", ""))
	if err != nil || len(o.Upgrades) != 1 { // A WebSocket has a connection of its own.
		t.Fatalf("upgrades %q, error %v", o.Upgrades, err)
	}
	p := s.next(t)
	query := pollingQuery + "&sid=" + o.SID
	for range 10 {
		polled := make(chan string, 1)
		go func() {
			_, body, _ := do(t.Context(), http.MethodGet, query, "")
			polled <- body
		}()
		eventually(t, "the server holds the poll", p.session.Writable)
		must(http.MethodPost, query, "4hello\x1ebAQI=", "ok")
		if got := <-polled; got != "4hello" && got != "4hello\x1ebAQI=" {
			t.Fatalf("the pending poll got %q", got)
		} else if got == "4hello" {
			must(http.MethodGet, query, "", "bAQI=")
		}
	}
	large := strings.Repeat("x", 3000)
	p.send(large)
	must(http.MethodGet, query, "", "4"+large)
	// A poll that is cancelled closes its stream and not the connection.
	ctx, cancel := context.WithCancel(t.Context())
	polled := make(chan error, 1)
	go func() {
		_, _, err := do(ctx, http.MethodGet, query, "")
		polled <- err
	}()
	eventually(t, "the server holds the poll", p.session.Writable)
	cancel()
	if err := <-polled; err == nil {
		t.Error("the cancelled poll was answered")
	}
	p.expectClose(t, engine.TransportError)
}

// OnRefused is told of requests that are no WebSocket handshakes, too.
func TestBadWebSocketHandshakesAreRefusals(t *testing.T) {
	refused := newMailbox[*engine.RequestError]()
	s := start(t, &engine.Options{OnRefused: func(_ *http.Request, e *engine.RequestError) { refused.put(e) }})
	res := s.request(t, http.MethodGet, websocketQuery, "", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short")
	if res.status != http.StatusBadRequest {
		t.Errorf("got %d %q", res.status, res.body)
	}
	if e, ok := refused.take(patience); !ok || e.Code != engine.BadRequest || e.Message != res.body[:len(res.body)-1] {
		t.Errorf("OnRefused got %v, the client %q", e, res.body)
	}
}

// An answer is compressed only if nobody else can do that: a writer in between may, and need not look at the headers.
func TestCompressionIsLeftToMiddleware(t *testing.T) {
	around := func(wrap func(w http.ResponseWriter) http.ResponseWriter) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrap(w), r) })
		}
	}
	for name, tt := range map[string]struct {
		wrap func(http.Handler) http.Handler
		want string
	}{
		"nothing":             {nil, "gzip"},
		"a writer":            {around(func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }), ""},
		"one that unwraps":    {around(func(w http.ResponseWriter) http.ResponseWriter { return &opaque{ResponseWriter: w} }), ""},
		"http.TimeoutHandler": {func(h http.Handler) http.Handler { return http.TimeoutHandler(h, patience, "") }, ""},
		"a header": {around(func(w http.ResponseWriter) http.ResponseWriter {
			w.Header().Set("Content-Encoding", "identity")
			return w
		}), "identity"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &engine.Options{Logger: slog.New(slog.DiscardHandler)}, tt.wrap, nil)
			c := s.openPolling(t)
			c.peer.send(strings.Repeat("x", 3000))
			res := s.request(t, http.MethodGet, c.query(), "", "Accept-Encoding: gzip")
			if got := res.header.Get("Content-Encoding"); got != tt.want || got != "gzip" && len(res.body) != 3001 {
				t.Errorf("Content-Encoding %q, %d bytes, want %q", got, len(res.body), tt.want)
			}
		})
	}
}
