package engine

import (
	"net/http/httptest"
	"runtime"
	"strings"
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

// A connection is parked while it is idle, has a goroutine while it is busy, and
// is parked again; nothing is lost on the way.
func TestParkedBusyParked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("connections are parked on Linux only")
	}
	srv := NewServer(func(*Session) Receiver { return echoes{} }, &Options{PingInterval: 250 * time.Millisecond, PingTimeout: 10 * time.Second})
	ts := httptest.NewServer(srv)
	defer ts.Close()
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(ts.URL, "http")+"/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	resp.Body.Close()

	// next reads the next message that is no ping, which it answers.
	next := func() string {
		for {
			_, b, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if string(b) != "2" {
				return string(b)
			}
			if err := conn.WriteMessage(websocket.TextMessage, []byte("3")); err != nil {
				t.Fatal(err)
			}
		}
	}
	echo := func() {
		if err := conn.WriteMessage(websocket.TextMessage, []byte("4hello")); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != "4hello" {
			t.Fatalf("got %q", got)
		}
	}
	next() // the open packet
	for range 3 {
		deadline := time.Now().Add(20 * time.Second)
		for echo(); srv.parking.poller.Len() != 0; echo() {
			if time.Now().After(deadline) {
				t.Fatal("a busy connection did not get a goroutine")
			}
		}
		// Only heartbeats from now on, until the connection is parked.
		for srv.parking.poller.Len() != 1 {
			if time.Now().After(deadline) {
				t.Fatal("an idle connection was not parked again")
			}
			_, b, err := conn.ReadMessage()
			if err != nil || string(b) != "2" {
				t.Fatalf("got %q, %v", b, err)
			}
			if err := conn.WriteMessage(websocket.TextMessage, []byte("3")); err != nil {
				t.Fatal(err)
			}
		}
		echo()
	}
	conn.Close()
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
