package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio"
)

// benchClient is a client whose own work costs next to nothing: prepared frames
// out, counted frames in.
type benchClient struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

func clientFrame(text string) []byte {
	f := ws.MaskFrameInPlaceWith(ws.NewTextFrame([]byte(text)), [4]byte{1, 2, 3, 4})
	b, err := ws.CompileFrame(f)
	check(err)
	return b
}

func dialBench(tb testing.TB, url string) *benchClient {
	tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	c := &benchClient{conn: conn, r: bufio.NewReader(conn), buf: make([]byte, 4096)}
	fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n")
	if _, err := http.ReadResponse(c.r, nil); err != nil {
		tb.Fatal(err)
	}
	c.next(tb) // open
	c.write(tb, clientFrame("40"))
	c.next(tb) // connected
	return c
}

func (c *benchClient) write(tb testing.TB, frame []byte) {
	if _, err := c.conn.Write(frame); err != nil {
		tb.Fatal(err)
	}
}

// next reads a frame.
func (c *benchClient) next(tb testing.TB) []byte {
	n, err := c.r.ReadByte()
	if err == nil {
		n, err = c.r.ReadByte()
	}
	size := int(n)
	if err == nil && size == 126 {
		var hi, lo byte
		hi, _ = c.r.ReadByte()
		lo, err = c.r.ReadByte()
		size = int(hi)<<8 | int(lo)
	}
	if err == nil {
		_, err = io.ReadFull(c.r, c.buf[:size])
	}
	if err != nil {
		tb.Fatal(err)
	}
	return c.buf[:size]
}

func benchServer(tb testing.TB, io *socketio.Server) string {
	tb.Helper()
	srv := httptest.NewServer(io)
	tb.Cleanup(func() {
		ctx, cancel := exampleContext()
		defer cancel()
		if err := io.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
		srv.Close()
	})
	return srv.URL
}

// BenchmarkAckRoundTrip measures an event that is acknowledged, over TCP, with
// both sides in this process.
func BenchmarkAckRoundTrip(b *testing.B) {
	srv := socketio.NewServer(nil)
	socketio.OnWithAck(srv, "echo", func(_ context.Context, _ *socketio.Socket, s string) (string, error) { return s, nil })
	c := dialBench(b, benchServer(b, srv))
	frame := clientFrame(`421["echo","` + strings.Repeat("x", 64) + `"]`)
	b.ReportAllocs()
	for b.Loop() {
		c.write(b, frame)
		c.next(b)
	}
}

// BenchmarkBroadcast measures one broadcast to a room, and its reading by all
// clients.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			srv := socketio.NewServer(nil)
			srv.OnConnect(func(_ context.Context, s *socketio.Socket) error {
				s.Join("room")
				return s.Emit("ready")
			})
			url := benchServer(b, srv)
			clients := make([]*benchClient, size)
			for i := range clients {
				clients[i] = dialBench(b, url)
				clients[i].next(b) // ready
			}
			payload := strings.Repeat("x", 64)
			to := srv.To("room")
			b.ReportAllocs()
			for b.Loop() {
				if err := to.Emit("msg", payload); err != nil {
					b.Fatal(err)
				}
				for _, c := range clients {
					c.next(b)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/delivery")
		})
	}
}
