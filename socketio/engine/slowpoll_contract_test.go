package engine_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// writeTimeout is the default of engine.Options.WriteTimeout.
const writeTimeout = 10 * time.Second

// pollLarge polls for a message of 15 MB, which is one answer, and returns that.
func (c *pollingClient) pollLarge(t *testing.T, binary bool) (conn *rawConn, want string) {
	t.Helper()
	const n = 5_000_000
	if binary {
		c.peer.session.Send(engine.NewBinaryFrame(bytes.Repeat([]byte("xxx"), n)), 0)
		want = "b" + strings.Repeat("eHh4", n)
	} else {
		c.peer.send(strings.Repeat("xxx", n))
		want = "4" + strings.Repeat("xxx", n)
	}
	conn = c.server.open(t)
	if err := conn.send(http.MethodGet, c.query(), ""); err != nil {
		t.Fatal(err)
	}
	return conn, want
}

// A client that takes an answer slowly, but takes something all the time, gets all of it.
func TestSlowPollerGetsEverything(t *testing.T) {
	for name, binary := range map[string]bool{"text": false, "binary": true} {
		t.Run(name, func(t *testing.T) {
			opts := &engine.Options{PingInterval: 24 * time.Hour}
			inConfiguredBubble(t, opts, func(*http.Server) {}, func(t *testing.T, s *server) {
				c := s.openPolling(t)
				start := time.Now()
				conn, want := c.pollLarge(t, binary)
				conn.br = bufio.NewReaderSize(slowReader{conn.Conn}, 32<<10)
				if res := conn.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != want {
					t.Errorf("got %d, %d bytes, want %d", res.status, len(res.body), len(want))
				}
				if took := time.Since(start); took < 10*writeTimeout {
					t.Errorf("it has taken %v only", took)
				}
				c.peer.expectOpen(t)
			})
		})
	}
}

// slowReader reads half a piece of an answer at a time, now and then.
type slowReader struct{ net.Conn }

func (r slowReader) Read(b []byte) (int, error) {
	time.Sleep(writeTimeout / 3)
	return r.Conn.Read(b[:min(len(b), 32<<10)])
}

// One that stops is given up when it has taken nothing for the WriteTimeout.
func TestPollerThatStopsReading(t *testing.T) {
	for name, taken := range map[string]int64{"at once": 0, "in the middle": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			opts := &engine.Options{PingInterval: 24 * time.Hour}
			inConfiguredBubble(t, opts, func(*http.Server) {}, func(t *testing.T, s *server) {
				c := s.openPolling(t)
				conn, _ := c.pollLarge(t, false)
				synctest.Wait()
				time.Sleep(writeTimeout / 2)
				if taken > 0 {
					if _, err := io.CopyN(io.Discard, conn, taken); err != nil {
						t.Fatal(err)
					}
					time.Sleep(writeTimeout - time.Second)
				}
				c.peer.expectOpen(t)
				last := time.Now()
				if err := c.peer.expectClose(t, engine.SlowConsumer); !errors.Is(err, engine.ErrNoProgress) {
					t.Errorf("error %v, want %v", err, engine.ErrNoProgress)
				}
				if waited := time.Since(last); waited > writeTimeout {
					t.Errorf("given up %v later", waited)
				}
				if n, _ := io.Copy(io.Discard, conn); n > 100_000 {
					t.Errorf("%d more bytes", n)
				}
			})
		})
	}
}
