package socketio_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// patience is how long a test waits for something that should be there within milliseconds.
const patience = 20 * time.Second

// A testServer is a server on a port of its own, or on a network in memory.
type testServer struct {
	*socketio.Server

	tb   testing.TB
	url  string
	http *http.Server
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	log  *logBuffer
}

// serve starts a server that is shut down when the test ends, which must not take long.
func serve(tb testing.TB, opts *socketio.Options) *testServer {
	tb.Helper()
	s := serveOn(tb, peers.Listen(tb), opts)
	s.dial = new(net.Dialer).DialContext
	return s
}

// serveInMemory starts a server that is reached through pipes, which suits the bubble of a synctest.
func serveInMemory(tb testing.TB, opts *socketio.Options) *testServer {
	tb.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s := serveOn(tb, l, opts)
	s.dial = l.dial
	return s
}

func serveOn(tb testing.TB, l net.Listener, opts *socketio.Options) *testServer {
	tb.Helper()
	var o socketio.Options
	if opts != nil {
		o = *opts
	}
	s := &testServer{tb: tb, url: "http://" + l.Addr().String(), log: &logBuffer{}}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	}
	s.Server = socketio.NewServer(&o)
	s.http = &http.Server{Handler: s.Server, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.http.Serve(l) // ends with Close
	}()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("shut the server down: %v\n%s", err, goroutines())
		}
		s.http.Close()
		<-served
	})
	return s
}

// goroutines returns the stacks of all goroutines.
func goroutines() []byte {
	buf := make([]byte, 1<<16)
	return buf[:runtime.Stack(buf, true)]
}

// echo makes the server acknowledge the event "echo" with its arguments, which [client.sync] relies on.
func (s *testServer) echo() *testServer {
	socketio.OnWithAck(s, "echo", func(_ context.Context, _ *socketio.Socket, a socketio.Args) (socketio.Args, error) {
		return a, nil
	})
	return s
}

// logBuffer keeps what the server logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 1<<20 {
		return len(b), nil
	}
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A pipeListener is a network in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "127.0.0.1:10000" }

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// eachTransport runs a test on both transports.
func eachTransport(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			test(t, transport)
		})
	}
}

// eventually polls a condition and fails the test if it does not come true.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	end := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// await receives from a channel, and fails the test if nothing comes.
func await[T any](tb testing.TB, what string, c <-chan T) T {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		tb.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// deadline returns a context for what should take milliseconds.
func deadline(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}
