package engine

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

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
	ts := httptest.NewServer(srv)
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
	return srv, conn
}

// parkedConns returns the number of connections that are read without a goroutine.
func parkedConns(srv *Server) int {
	if srv.parking == nil {
		return 0
	}
	return srv.parking.poller.Len()
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
			// Not before: the client has its answer before the connection is watched.
			if n := parkedConns(srv); n != test.parked {
				t.Errorf("%d connections are parked, want %d", n, test.parked)
			}
		})
	}
}
