package siotest

import (
	"errors"
	"net"
	"net/http"
	"sync"
)

// serve serves one in-memory connection and returns the client's end of it. stop
// closes both ends and waits for the server's goroutine.
func serve(h http.Handler) (client net.Conn, stop func()) {
	client, server := net.Pipe()
	l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- server
	srv := &http.Server{Handler: h} //nolint:gosec // no network, no slow clients
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with Close
	}()
	return client, sync.OnceFunc(func() {
		_ = client.Close()
		_ = srv.Close()
		<-done
	})
}

// oneConn is a listener with one connection to accept.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var errListenerClosed = errors.New("siotest: listener is closed")

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, errListenerClosed
	}
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return memory{} }

type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "memory" }
