package engine_test

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// inBubble runs a test with a server whose clients connect in memory, in a bubble
// of testing/synctest: time passes when everybody waits, so that a test knows to
// the millisecond what happens when.
func inBubble(t *testing.T, opts *engine.Options, test func(t *testing.T, s *server)) {
	t.Helper()
	inConfiguredBubble(t, opts, func(*http.Server) {}, test)
}

// inConfiguredBubble is inBubble with an http.Server that configure may change.
func inConfiguredBubble(
	t *testing.T, opts *engine.Options, configure func(*http.Server), test func(t *testing.T, s *server),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, opts)
		network := newMemoryListener()
		hs := &http.Server{Handler: s.engine, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		configure(hs)
		var serving sync.WaitGroup
		serving.Go(func() { _ = hs.Serve(network) })
		s.dial, s.limit = network.dial, 24*time.Hour
		defer serving.Wait()
		defer hs.Close()
		defer s.shutdown()
		test(t, s)
	})
}

// A memoryListener accepts connections that never leave the process.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

func (l *memoryListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }
