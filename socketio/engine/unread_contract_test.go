package engine_test

import (
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A narrowListener accepts connections that take little from a server whose peer does not read.
type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(4096)
	}
	return c, err
}

// A client that tries to upgrade, and does not read what it is answered, is given up at
// once, whatever WriteTimeout is: somebody would have to wait for it, who reads others.
// Its session stays on polling.
func TestTriesThatAreNotReadAreGivenUp(t *testing.T) {
	inBothModes(t, func(t *testing.T, opts *engine.Options) {
		opts.WriteTimeout, opts.UpgradeTimeout = time.Hour, time.Hour
		s := serve(t, opts, nil, func(ts *httptest.Server) { ts.Listener = narrowListener{ts.Listener} })
		s.onMessage = sendBack
		for name, frame := range map[string]string{
			"pings":  string(appendFrame(nil, finPing, strings.Repeat("x", 125))),
			"probes": string(appendFrame(nil, finText, "2probe")),
		} {
			t.Run(name, func(t *testing.T) {
				c := s.openPolling(t)
				ws := c.probe(t)
				if err := ws.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
					t.Fatal(err)
				}
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
			})
		}
	})
}
