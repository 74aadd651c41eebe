package socketio_test

import (
	"bufio"
	"context"
	"encoding/json"
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

// connectRoom starts a server with n clients in a room, who have been sent nothing else when it returns.
func connectRoom(tb testing.TB, n int) (*socketio.Server, []*benchClient) {
	tb.Helper()
	srv := socketio.NewServer(nil)
	srv.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Join("room")
		return s.Emit("ready")
	})
	url := benchServer(tb, srv)
	clients := make([]*benchClient, n)
	for i := range clients {
		clients[i] = dialBench(tb, url)
		clients[i].next(tb) // ready
	}
	return srv, clients
}

// BenchmarkAckRoundTrip measures an event that is acknowledged, over TCP, with
// both sides in this process.
func BenchmarkAckRoundTrip(b *testing.B) {
	type point struct{ X, Y int }
	text := `"` + strings.Repeat("x", 64) + `"`
	for _, bench := range []struct {
		name, arg string
		register  func(*socketio.Server)
	}{
		{"string", text, func(srv *socketio.Server) {
			socketio.OnWithAck(srv, "echo", func(_ context.Context, _ *socketio.Socket, s string) (string, error) { return s, nil })
		}},
		{"raw", text, func(srv *socketio.Server) {
			socketio.OnWithAck(srv, "echo", func(_ context.Context, _ *socketio.Socket, v json.RawMessage) (json.RawMessage, error) { return v, nil })
		}},
		{"struct", `{"X":1,"Y":2}`, func(srv *socketio.Server) {
			socketio.OnWithAck(srv, "echo", func(_ context.Context, _ *socketio.Socket, p point) (point, error) { return p, nil })
		}},
		{"nothing", text, func(srv *socketio.Server) {
			socketio.On(srv, "echo", func(context.Context, *socketio.Socket, string) error { return nil })
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			srv := socketio.NewServer(nil)
			bench.register(srv)
			c := dialBench(b, benchServer(b, srv))
			frame := clientFrame(`421["echo",` + bench.arg + `]`)
			b.ReportAllocs()
			for b.Loop() {
				c.write(b, frame)
				c.next(b)
			}
		})
	}
}

// BenchmarkBroadcast measures one broadcast, and its reading by all clients.
func BenchmarkBroadcast(b *testing.B) {
	room := func(srv *socketio.Server) socketio.Broadcast { return srv.To("room") }
	for _, bench := range []struct {
		name string
		size int
		to   func(*socketio.Server) socketio.Broadcast
	}{
		{"1", 1, room},
		{"10", 10, room},
		{"1000", 1000, room},
		{"all 100", 100, func(srv *socketio.Server) socketio.Broadcast { return srv.Except() }},
		{"except 100", 100, func(srv *socketio.Server) socketio.Broadcast { return srv.To("room").Except("other") }},
		{"volatile 100", 100, func(srv *socketio.Server) socketio.Broadcast { return srv.To("room").Volatile() }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			srv, clients := connectRoom(b, bench.size)
			payload := strings.Repeat("x", 64)
			to := bench.to(srv)
			one := func() {
				if err := to.Emit("msg", payload); err != nil {
					b.Fatal(err)
				}
				for _, c := range clients {
					c.next(b)
				}
			}
			one() // queues are made
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(bench.size), "ns/delivery")
		})
	}
}
