package engine_test

import (
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// serveUnix serves an engine that sends every message back on a Unix socket, whose buffers
// have one size, and are full or not.
func serveUnix(t *testing.T, opts *engine.Options) *server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	s := serve(t, opts, nil, func(ts *httptest.Server) {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		ts.Listener.Close()
		ts.Listener = l
	})
	s.onMessage = sendBack
	s.dial = func() (net.Conn, error) { return net.DialTimeout("unix", path, patience) }
	return s
}

// A client that tries to upgrade, and does not read what it is answered, is given up at
// once, whatever WriteTimeout is: somebody would have to wait for it, who reads others.
// Its session stays on polling.
func TestTriesThatAreNotReadAreGivenUp(t *testing.T) {
	inBothModes(t, func(t *testing.T, opts *engine.Options) {
		opts.WriteTimeout, opts.UpgradeTimeout = time.Hour, time.Hour
		s := serveUnix(t, opts)
		for name, frame := range map[string]string{
			"pings":  string(appendFrame(nil, finPing, strings.Repeat("x", 125))),
			"probes": string(appendFrame(nil, finText, "2probe")),
		} {
			t.Run(name, func(t *testing.T) {
				c := s.openPolling(t)
				ws := c.probe(t)
				frames := []byte(strings.Repeat(frame, 1000))
				var err error
				for err == nil {
					_, err = ws.Write(frames)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the connection is not closed")
				}
				c.mustPost(t, "4hello")
				c.expectGet(t, "4hello")
				c.upgrade(t).mustText(t, "4again")
				c.peer.expect(t, text("hello"), text("again"))
			})
		}
	})
}
