package engine

import (
	"context"
	"net/http/httptest"
	"runtime"
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

// dialParked connects a client to a server whose connections are parked.
func dialParked(t *testing.T, accept Accept) (*Server, *websocket.Conn) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("connections are parked on Linux only")
	}
	srv := NewServer(accept, nil)
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

// A plain connection is parked from the beginning, and its messages are answered.
func TestParked(t *testing.T) {
	srv, conn := dialParked(t, func(*Session) Receiver { return echoes{} })
	for range 3 {
		if err := conn.WriteMessage(websocket.TextMessage, []byte("4hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := conn.ReadMessage(); err != nil || string(b) != "4hello" {
			t.Fatalf("got %q, %v", b, err)
		}
	}
	// Not before: the client has its answer before the connection is watched.
	if n := srv.parking.poller.Len(); n != 1 {
		t.Errorf("%d connections are parked, want 1", n)
	}
}
