package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// echoes is a receiver that sends back what it gets.
type echoes struct{}

func (echoes) OnMessage(s *Session, m Message) {
	s.Send(NewTextFrame(string(m.Data)), 0)
}

func (echoes) OnClose(*Session, Reason, error) {}

// dialEcho connects a client to a server that sends everything back.
func dialEcho(t *testing.T, opts *Options) (*Server, *websocket.Conn) {
	t.Helper()
	srv := NewServer(func(*Session) Receiver { return echoes{} }, opts)
	return srv, dialTo(t, srv, httptest.NewServer(srv))
}

// dialTo connects a client to a server, and ends both with the test.
func dialTo(t *testing.T, srv *Server, ts *httptest.Server) *websocket.Conn {
	t.Helper()
	t.Cleanup(ts.Close)
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(ts.URL, "http")+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() {
		conn.Close()
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := conn.ReadMessage(); err != nil { // the open packet
		t.Fatal(err)
	}
	return conn
}

// parkedConns returns the number of connections that are read without a goroutine.
func parkedConns(srv *Server) int {
	if poller := srv.parking.poller.Load(); poller != nil {
		return poller.Len()
	}
	return 0
}

// A plain connection is parked from the beginning, unless that is disabled by the
// option, by the platform or by the build tag noparking, which the whole suite is also
// run with. Its messages are answered in any case.
func TestParked(t *testing.T) {
	byDefault := 0
	if Parks {
		byDefault = 1
	}
	for name, test := range map[string]struct {
		opts   *Options
		parked int
	}{
		"by default": {nil, byDefault},
		"disabled":   {&Options{DisableParking: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			srv, conn := dialEcho(t, test.opts)
			for range 3 {
				if err := conn.WriteMessage(websocket.TextMessage, []byte("4hello")); err != nil {
					t.Fatal(err)
				}
				if _, b, err := conn.ReadMessage(); err != nil || string(b) != "4hello" {
					t.Fatalf("got %q, %v", b, err)
				}
			}
			if n := parkedConns(srv); n != test.parked {
				t.Errorf("%d connections are parked, want %d", n, test.parked)
			}
		})
	}
}

// adopted returns a connection that a server without sessions has adopted, and its
// other end.
func adopted(t *testing.T) (*wsConn, net.Conn) {
	t.Helper()
	srv := NewServer(func(*Session) Receiver { return nil }, nil)
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := &wsConn{session: &Session{srv: srv}}
	c.share(c.adopt(conn))
	t.Cleanup(c.link().close)
	return c, other
}

// A closed connection is read on for some time only, however much its client sends.
func TestDrainEndsInTime(t *testing.T) {
	c, client := adopted(t)
	if !c.isParked() {
		t.Skip("deadlines are those of package net")
	}
	if _, err := client.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	arrived := func() bool { return c.parked.state.Load() == parkedAgain }
	for end := time.Now().Add(15 * time.Second); !arrived(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what was sent does not arrive")
		}
	}
	c.link().drain(time.Now())
	var b [8]byte
	if n, err := c.parked.conn.TryRead(b[:]); err != nil || string(b[:n]) != "more" {
		t.Errorf("something has been read after the end: %q, %v are left", b[:n], err)
	}
}

// A try may be cancelled, since its session ends, while its client ends it.
func TestTryIsCancelledWhileItsClientEndsIt(t *testing.T) {
	for range 20 { // The race detector does not see everything at once.
		testTryIsCancelledWhileItsClientEndsIt(t)
	}
}

func testTryIsCancelledWhileItsClientEndsIt(t *testing.T) {
	t.Helper()
	c, client := adopted(t)
	c.try = &upgradeTry{session: c.session, conn: c}
	var wg sync.WaitGroup
	wg.Go(c.try.cancel)
	wg.Go(func() {
		if err := c.onClose(1000); !errors.Is(err, errEnded) {
			t.Errorf("reading goes on: %v", err)
		}
		c.try.abandon(errEnded) // as its reader does then
	})
	wg.Wait()
	c.link().close()
	b, err := io.ReadAll(client)
	if got := string(b); err != nil || got != "\x88\x00" && got != "\x88\x02\x03\xe8" {
		t.Errorf("the client got %q, %v, want one close frame", b, err)
	}
}
