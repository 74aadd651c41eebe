package engine_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// An application that looks at the descriptors of connections may have put them into
// blocking mode. Reading and writing do not wait all the same, so that neither a client
// that says nothing nor one that does not read holds up others.
func TestConnectionsInBlockingMode(t *testing.T) { inBothModes(t, testConnectionsInBlockingMode) }

func testConnectionsInBlockingMode(t *testing.T, opts *engine.Options) {
	files := make(chan *os.File, 16)
	s := serve(t, opts, nil, func(ts *httptest.Server) {
		ts.Config.ConnState = func(c net.Conn, state http.ConnState) {
			if state != http.StateNew {
				return
			}
			f, err := c.(*net.TCPConn).File()
			if err != nil {
				t.Errorf("a copy of the descriptor: %v", err)
				return
			}
			files <- f
		}
	})
	s.onMessage = sendBack
	// net/http itself cannot hand over a connection in blocking mode, so they are put
	// into it afterwards.
	open := func() *wsClient {
		c := s.openWS(t)
		f := <-files
		t.Cleanup(func() { f.Close() })
		f.Fd()
		return c
	}
	silent, deaf, healthy := open(), open(), open()
	whole := "4" + strings.Repeat("x", 32<<10-8-1) // with its header as much as is read at once
	for range 3 {
		silent.mustText(t, whole)
		silent.expect(t, whole)
	}
	large := strings.Repeat("y", 20<<20)
	deaf.peer.send(large)
	for range 3 {
		healthy.mustText(t, "4hello")
		healthy.expect(t, "4hello")
	}
	if got, err := deaf.readText(); err != nil || got != "4"+large {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	// What is left of a session does not wait for its client either.
	deaf.peer.send(large)
	deaf.peer.session.Discard(engine.ForcedClose)
	deaf.peer.expectClose(t, engine.ForcedClose)
	silent.peer.session.Discard(engine.ForcedClose)
	silent.peer.expectClose(t, engine.ForcedClose)
	healthy.mustText(t, "4hello")
	healthy.expect(t, "4hello")
}
