package socketio_test

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// A pieceClient speaks over a connection that keeps what is written in the pieces in which it is.
type pieceClient struct {
	conn net.Conn
	buf  []byte
}

func dialPieces(t *testing.T, path string) *pieceClient {
	t.Helper()
	conn, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &pieceClient{conn, make([]byte, 1<<16)}
	c.write(t, []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"))
	c.until(t, `{"sid":"`, 1)
	c.write(t, clientFrame("40"))
	c.until(t, `40{"sid":"`, 1)
	return c
}

func (c *pieceClient) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// until reads until a text has come n times, and returns in how many pieces.
func (c *pieceClient) until(t *testing.T, text string, n int) (pieces int) {
	t.Helper()
	for n > 0 {
		size, err := c.conn.Read(c.buf)
		if err != nil {
			t.Fatal(err)
		}
		pieces++
		n -= bytes.Count(c.buf[:size], []byte(text))
	}
	return pieces
}

// What is sent in answer to events that have come together is written together.
func TestAnswersToABurstAreWrittenTogether(t *testing.T) {
	const n, most = 8, 4 // a few: many are written together even if each is sent by itself
	l, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, l, nil).echo()
	socketio.On(s, "emit", func(_ context.Context, s *socketio.Socket, _ socketio.None) error { return s.Emit("answer") })
	c := dialPieces(t, l.Addr().String())
	for name, tt := range map[string]struct{ event, answer string }{
		"acknowledgements": {`421["echo"]`, `431[]`}, "events": {`42["emit"]`, `42["answer"]`},
	} {
		t.Run(name, func(t *testing.T) {
			burst, fewest := bytes.Repeat(clientFrame(tt.event), n), n
			for range 20 { // on a machine that stalls they may be written one by one, too
				c.write(t, burst)
				fewest = min(fewest, c.until(t, tt.answer, n))
			}
			if fewest > most {
				t.Errorf("%d answers came in %d pieces", n, fewest)
			}
		})
	}
}
