package engine_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// patience is how long a test waits for what must happen. It is generous: only a
// failing test ever waits that long.
const patience = 20 * time.Second

// A server is an engine behind a real HTTP server, with what it has accepted.
type server struct {
	tb       testing.TB
	engine   *engine.Server
	http     *httptest.Server
	dial     func() (net.Conn, error)
	limit    time.Duration // for everything that happens on one connection
	accepted *mailbox[*peer]

	// What a test may set before the first client connects.
	onAccept  func(*peer)
	onMessage func(*peer, engine.Message)
}

// start serves an engine that records what its sessions receive.
func start(tb testing.TB, opts *engine.Options) *server {
	tb.Helper()
	return serve(tb, opts, nil, nil)
}

// startEcho serves an engine that sends every message back, as the one of the
// protocol's own test suite does.
func startEcho(tb testing.TB, opts *engine.Options) *server {
	tb.Helper()
	s := start(tb, opts)
	s.onMessage = sendBack
	return s
}

// inBothModes runs a test with connections that are parked while they are idle, where
// there are such, and with connections that have a goroutine each.
func inBothModes(t *testing.T, test func(t *testing.T, opts *engine.Options)) {
	t.Helper()
	if engine.Parks {
		t.Run("parked", func(t *testing.T) { test(t, new(engine.Options)) })
	}
	t.Run("goroutines", func(t *testing.T) { test(t, &engine.Options{DisableParking: true}) })
}

// serve mounts an engine with wrap around it, on an HTTP server that configure
// may change.
func serve(
	tb testing.TB, opts *engine.Options, wrap func(http.Handler) http.Handler, configure func(*httptest.Server),
) *server {
	tb.Helper()
	s := newServer(tb, opts)
	var handler http.Handler = s.engine
	if wrap != nil {
		handler = wrap(handler)
	}
	s.http = httptest.NewUnstartedServer(handler)
	s.http.Listener.Close()
	s.http.Listener = listen(tb)
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if configure != nil {
		configure(s.http)
	}
	if s.http.TLS == nil {
		s.http.Start()
	}
	addr := s.http.Listener.Addr().String()
	s.dial = func() (net.Conn, error) { return net.DialTimeout("tcp", addr, patience) }
	tb.Cleanup(s.http.Close)
	tb.Cleanup(s.shutdown)
	return s
}

// newServer returns a server that nothing serves yet.
func newServer(tb testing.TB, opts *engine.Options) *server {
	tb.Helper()
	s := &server{tb: tb, limit: 3 * patience, accepted: newMailbox[*peer]()}
	var o engine.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s.engine = engine.NewServer(s.accept, &o)
	return s
}

func (s *server) accept(session *engine.Session) engine.Receiver {
	p := &peer{server: s, session: session, messages: newMailbox[message](), closed: make(chan struct{})}
	if s.onAccept != nil {
		s.onAccept(p)
	}
	s.accepted.put(p)
	return p
}

// shutdown ends the engine and fails the test if it does not end. The sessions
// that are left are dropped, so that nothing waits for clients that are gone.
func (s *server) shutdown() {
	s.tb.Helper()
	for session := range s.engine.Sessions() {
		session.Discard(engine.ForcedClose)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.engine.Shutdown(ctx); err != nil {
		s.tb.Errorf("Shutdown: %v", err)
	}
}

// next returns the next session that is accepted.
func (s *server) next(tb testing.TB) *peer {
	tb.Helper()
	p, ok := s.accepted.take(patience)
	if !ok {
		tb.Fatal("no session was accepted")
	}
	return p
}

// listen returns a listener on a free port of 127.0.0.1 below the range that
// outgoing connections use, so that no client of another test can hold the port.
func listen(tb testing.TB) net.Listener {
	tb.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l
		}
	}
	tb.Fatal("no free port")
	return nil
}

// A message is a copy of an engine.Message.
type message struct {
	data   string
	binary bool
}

func text(s string) message { return message{data: s} }

func bin(s string) message { return message{data: s, binary: true} }

// A peer is the receiver of one session and records what it is told.
type peer struct {
	server   *server
	session  *engine.Session
	messages *mailbox[message]

	mu     sync.Mutex
	closes int
	reason engine.Reason
	err    error
	closed chan struct{} // closed by the first OnClose
}

func (p *peer) OnMessage(_ *engine.Session, m engine.Message) {
	p.messages.put(message{string(m.Data), m.Binary})
	if p.server.onMessage != nil {
		p.server.onMessage(p, m)
	}
}

func (p *peer) OnClose(_ *engine.Session, r engine.Reason, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closes++
	if p.closes == 1 {
		p.reason, p.err = r, err
		close(p.closed)
	}
}

// sendBack sends a message back to where it came from.
func sendBack(p *peer, m engine.Message) {
	if m.Binary {
		p.session.Send(engine.NewBinaryFrame(m.Data), 0)
		return
	}
	p.session.Send(engine.NewTextFrame(string(m.Data)), 0)
}

func (p *peer) send(s string) { p.session.Send(engine.NewTextFrame(s), 0) }

// expect fails the test unless these messages are the next ones received.
func (p *peer) expect(tb testing.TB, want ...message) {
	tb.Helper()
	for i, w := range want {
		got, ok := p.messages.take(patience)
		if !ok {
			tb.Fatalf("message %d of %d was not received", i+1, len(want))
		}
		if got != w {
			tb.Fatalf("message %d of %d: got %.100q (binary: %v), want %.100q (binary: %v)",
				i+1, len(want), got.data, got.binary, w.data, w.binary)
		}
	}
}

// expectNow fails the test unless exactly these messages have been received, and
// not looked at, up to now.
func (p *peer) expectNow(tb testing.TB, want ...message) {
	tb.Helper()
	got := p.messages.drain()
	if len(got) != len(want) {
		tb.Fatalf("got %d messages %.200v, want %d", len(got), got, len(want))
	}
	for i, w := range want {
		if got[i] != w {
			tb.Fatalf("message %d: got %.100q, want %.100q", i+1, got[i].data, w.data)
		}
	}
}

// expectClose waits for the end of the session and checks its reason.
func (p *peer) expectClose(tb testing.TB, want ...engine.Reason) error {
	tb.Helper()
	select {
	case <-p.closed:
	case <-time.After(patience):
		tb.Fatalf("the session was not closed, want %q", want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(want, p.reason) {
		tb.Errorf("the session was closed with %q (%v), want %q", p.reason, p.err, want)
	}
	return p.err
}

// expectOpen fails the test if the session has been closed.
func (p *peer) expectOpen(tb testing.TB) {
	tb.Helper()
	select {
	case <-p.closed:
		tb.Fatalf("the session was closed with %q (%v)", p.reason, p.err)
	default:
	}
}

// isClosed reports whether OnClose was called.
func (p *peer) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// closeCount returns how many times OnClose was called.
func (p *peer) closeCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closes
}

// eventually polls a condition that no channel announces.
func eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			tb.Fatalf("it did not come true: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// A mailbox is an unbounded queue, so that recording never holds the engine up.
type mailbox[T any] struct {
	mu     sync.Mutex
	items  []T
	signal chan struct{}
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{signal: make(chan struct{}, 1)} }

func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	m.items = append(m.items, v)
	m.mu.Unlock()
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

// take waits for an item. It has one user at a time.
func (m *mailbox[T]) take(limit time.Duration) (T, bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		m.mu.Lock()
		if len(m.items) > 0 {
			v := m.items[0]
			m.items = m.items[1:]
			m.mu.Unlock()
			return v, true
		}
		m.mu.Unlock()
		select {
		case <-m.signal:
		case <-timer.C:
			var zero T
			return zero, false
		}
	}
}

// drain returns what is there without waiting.
func (m *mailbox[T]) drain() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
