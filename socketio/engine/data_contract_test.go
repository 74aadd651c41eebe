package engine_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/engine"
)

// dataTimeout is the default of engine.Options.DataTimeout.
const dataTimeout = 30 * time.Second

// hidden is a ResponseWriter as careless middleware wraps it: neither a method nor
// Unwrap leads to what the one below can do.
type hidden struct{ http.ResponseWriter }

// eachWriter runs a test in bubbles, with the writers that the handler of a data request
// may be given. handlers tells how many requests are being handled.
func eachWriter(t *testing.T, test func(t *testing.T, s *server, handlers *atomic.Int64)) {
	t.Helper()
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"of net/http": func(next http.Handler) http.Handler { return next },
		"wrapped":     wrapped,
		"wrapped away": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hidden{w}, r) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var handlers atomic.Int64
			inConfiguredBubble(t, nil, func(hs *http.Server) {
				others, data := hs.Handler, wrap(hs.Handler)
				hs.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					handlers.Add(1)
					defer handlers.Add(-1)
					if r.Method == http.MethodPost {
						data.ServeHTTP(w, r)
					} else {
						others.ServeHTTP(w, r)
					}
				})
			}, func(t *testing.T, s *server) { test(t, s, &handlers) })
		})
	}
}

// postPart begins a data request whose body does not arrive completely.
func (c *pollingClient) postPart(t *testing.T) *rawConn {
	t.Helper()
	conn := c.server.open(t)
	if err := conn.send(http.MethodPost, c.query(), "4x", "Content-Length: 1000"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return conn
}

// expectTimeout checks that a data request has taken too long, and its session ended.
func (c *pollingClient) expectTimeout(t *testing.T, conn *rawConn, since time.Time) {
	t.Helper()
	if res := conn.mustReceive(t, http.MethodPost); res.status != http.StatusRequestTimeout || !res.closing {
		t.Errorf("got %+v, want 408 and the end of the connection", res)
	}
	took(t, since, dataTimeout)
	if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrDataTimeout) {
		t.Errorf("error %v, want %v", err, engine.ErrDataTimeout)
	}
	c.peer.expectNow(t)
}

func TestDataRequestThatStopsArriving(t *testing.T) {
	eachWriter(t, func(t *testing.T, s *server, handlers *atomic.Int64) {
		c := s.openPolling(t)
		start := time.Now()
		conn := c.postPart(t)
		c.expectTimeout(t, conn, start)
		synctest.Wait()
		if n := handlers.Load(); n != 0 {
			t.Errorf("%d handlers are left", n)
		}
		conn.Close()
		c.expectGone(t)
	})
}

func TestDataRequestThatArrivesSlowly(t *testing.T) {
	eachWriter(t, func(t *testing.T, s *server, handlers *atomic.Int64) {
		c := s.openPolling(t)
		start := time.Now()
		conn := c.postPart(t)
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			time.Sleep(time.Second / 2)
			for {
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		c.expectTimeout(t, conn, start)
		synctest.Wait()
		if n := handlers.Load(); n != 0 {
			t.Errorf("%d handlers are left", n)
		}
		conn.Close()
		<-dripped
	})
}

func TestDataRequestThatDoesNotArriveBeforeAnUpgrade(t *testing.T) {
	eachWriter(t, func(t *testing.T, s *server, _ *atomic.Int64) {
		c := s.openPolling(t)
		start := time.Now()
		conn := c.postPart(t)
		ws := c.upgradeInBubble(t)
		c.expectTimeout(t, conn, start)
		conn.Close()
		ws.Close()
	})
}

// When the session ends nobody waits for the rest of a body.
func TestSessionEndsWhileADataRequestArrives(t *testing.T) {
	eachWriter(t, func(t *testing.T, s *server, handlers *atomic.Int64) {
		c := s.openPolling(t)
		conn := c.postPart(t)
		c.peer.session.Discard(engine.ForcedClose)
		expectEmpty(t, conn.mustReceive(t, http.MethodPost), http.StatusBadRequest)
		synctest.Wait()
		if n := handlers.Load(); n != 0 {
			t.Errorf("%d handlers are left", n)
		}
		c.peer.expectClose(t, engine.ForcedClose)
		conn.Close()
	})
}

// Nor after an upgrade, though what arrives until the time is up is read.
func TestUpgradedSessionEndsWhileADataRequestArrives(t *testing.T) {
	inConfiguredBubble(t, nil, func(*http.Server) {}, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		start := time.Now()
		conn := c.postPart(t)
		ws := c.upgradeInBubble(t)
		c.peer.session.Discard(engine.ForcedClose)
		expectEmpty(t, conn.mustReceive(t, http.MethodPost), http.StatusBadRequest)
		if got := time.Since(start); got > dataTimeout {
			t.Errorf("it has taken %v", got)
		}
		c.peer.expectClose(t, engine.ForcedClose)
		ws.Close()
	})
}

// A ReadTimeout of the http.Server that is shorter stays in force.
func TestReadTimeoutOfADataRequest(t *testing.T) {
	const limit = 5 * time.Second
	inConfiguredBubble(t, nil, func(hs *http.Server) { hs.ReadTimeout = limit }, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		start := time.Now()
		expectEmpty(t, c.postPart(t).mustReceive(t, http.MethodPost), http.StatusRequestTimeout)
		took(t, start, limit)
		if err := c.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrDataTimeout) {
			t.Errorf("error %v, want %v", err, engine.ErrDataTimeout)
		}
	})
}

// The time is for the body: what the receiver takes does not count, nor is it limited by
// the timeouts of the http.Server.
func TestReceiverTakesLongerThanABodyMay(t *testing.T) {
	opts := &engine.Options{PingInterval: time.Hour}
	inConfiguredBubble(t, opts, limitTo(5*time.Second), func(t *testing.T, s *server) {
		s.onMessage = func(*peer, engine.Message) { time.Sleep(2 * dataTimeout) }
		c := s.openPolling(t)
		conn := s.open(t)
		for range 2 {
			if res, err := conn.do(http.MethodPost, c.query(), "4hello"); err != nil || res.body != "ok" || res.closing {
				t.Fatalf("got %+v, %v", res, err)
			}
		}
		c.peer.expectNow(t, text("hello"), text("hello"))
	})
}

func TestDataRequestThatStopsArrivingInMemory(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		r := request(http.MethodPost, b.poll())
		body, client := io.Pipe()
		r.Body, r.ContentLength = body, 100
		w := httptest.NewRecorder()
		start := time.Now()
		b.srv.ServeHTTP(w, r)
		took(t, start, dataTimeout)
		if w.Code != http.StatusRequestTimeout {
			t.Errorf("status %d, want 408", w.Code)
		}
		b.wantReason(engine.TransportError)
		client.Close() // Until then something may read it.
	})
}

// What middleware panics with while a body is read reaches net/http, which reports it.
func TestBodyPanics(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		r := request(http.MethodPost, b.poll())
		r.Body, r.ContentLength = io.NopCloser(panicReader{}), 100
		defer func() {
			if v := recover(); v != "of the body" {
				t.Errorf("recovered %v", v)
			}
		}()
		b.srv.ServeHTTP(httptest.NewRecorder(), r)
		t.Error("there was no panic")
	})
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("of the body") }

func TestDataRequestThatStopsArrivingOverHTTP2(t *testing.T) {
	s := startTLS(t, &engine.Options{DataTimeout: 100 * time.Millisecond})
	client := s.http.Client()
	res, err := client.Get(s.http.URL + "/engine.io/?" + pollingQuery)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p := s.next(t)
	body, writer := io.Pipe()
	defer writer.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+"/engine.io/?"+pollingQuery+"&sid="+p.session.ID(), body)
	if err != nil {
		t.Fatal(err)
	}
	res, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("HTTP/%d: status %d, want 408", res.ProtoMajor, res.StatusCode)
	}
	if err := p.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrDataTimeout) {
		t.Errorf("error %v, want %v", err, engine.ErrDataTimeout)
	}
}

func TestPiecesOfADataRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limit  int64
		pieces int
		status int
	}{
		"as many as there may be":        {0, 10_000, http.StatusOK},
		"one more":                       {0, 10_001, http.StatusRequestEntityTooLarge},
		"as many of a small limit":       {10_000, 10_000, http.StatusOK},
		"as many of a large limit":       {2_000_000, 20_000, http.StatusOK},
		"one more than of a large limit": {2_000_000, 20_001, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			benchInBubble(t, &engine.Options{MaxPayload: tc.limit}, func(t *testing.T, b *bench) {
				r := request(http.MethodPost, b.poll())
				r.Body = io.NopCloser(iotest.OneByteReader(strings.NewReader("4" + strings.Repeat("x", tc.pieces-1))))
				r.ContentLength = -1
				w := httptest.NewRecorder()
				b.srv.ServeHTTP(w, r)
				synctest.Wait()
				if w.Code != tc.status {
					t.Errorf("status %d, want %d", w.Code, tc.status)
				}
				if tc.status == http.StatusOK {
					b.wantOpen()
					return
				}
				b.wantReason(engine.TransportError)
				if _, errs := b.journal.closed(); !errors.Is(errs[0], engine.ErrTooManyChunks) {
					t.Errorf("error %v, want %v", errs[0], engine.ErrTooManyChunks)
				}
			})
		})
	}
}

// A limit of the application's own is told in the same way.
func TestBodyBeyondTheLimitOfMiddleware(t *testing.T) {
	s := serve(t, nil, func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, 100) }, nil)
	c := s.openPolling(t)
	expectEmpty(t, c.post(t, "4"+strings.Repeat("x", 100)), http.StatusRequestEntityTooLarge)
	c.expectTooLarge(t)
}

// What a client of the official package sends may be too large over each transport; the
// server says so.
func TestJSClientSendsTooMuch(t *testing.T) {
	node := peers.Node(t)
	for _, tr := range clientTransports {
		t.Run(tr.name, func(t *testing.T) {
			s := start(t, &engine.Options{MaxPayload: 1000})
			node.Eval(t, nil, openClient, s.http.URL, tr.transports, tr.final)
			p := s.next(t)
			eventually(t, "the server is on "+tr.final, func() bool { return p.session.Transport() == tr.final })
			node.Eval(t, nil, `ctx.ended = once(ctx.c, "close"); ctx.c.send("x".repeat(1000)); await ctx.ended;`)
			if err := p.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrPayloadTooLarge) {
				t.Errorf("error %v, want %v", err, engine.ErrPayloadTooLarge)
			}
		})
	}
}
