package siotest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// Server is a server for one test, which is shut down when the test ends.
type Server struct {
	*socketio.Server

	// Handler is what clients connect to: the server itself. A test may put middleware
	// around it before it connects any.
	Handler http.Handler

	tb testing.TB
}

// shutdownTimeout is how long the end of a test waits for the server.
const shutdownTimeout = 10 * time.Second

// New starts a server for a test, or for a benchmark. It is shut down when the test ends,
// after its clients have been closed, and the test fails if its handlers do not return
// within 10 seconds. In a bubble of [testing/synctest] call it with the bubble's t. A nil
// opts means the defaults, except that the server logs to the output of the test.
func New(tb testing.TB, opts *socketio.Options) *Server {
	tb.Helper()
	var o socketio.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	s := &Server{Server: socketio.NewServer(&o), tb: tb}
	s.Handler = s.Server
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("siotest: shut the server down: %v", err)
		}
	})
	return s
}

// Connect connects a client to the server, and ends the test if the server refuses it. The
// client is closed when the test ends. Call it on the goroutine of the test. See [Connect]
// for a client that may be refused. A nil opts means the defaults.
func (s *Server) Connect(opts *Options) *Client {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), connectTimeout)
	defer cancel()
	c, err := Connect(ctx, s.Handler, opts)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// connectTimeout is how long a client of a test may take to connect.
const connectTimeout = time.Minute
