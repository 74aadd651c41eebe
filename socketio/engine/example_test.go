package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/tandem-go/tandem/socketio/engine"
)

// echoReceiver sends every message back.
type echoReceiver struct{}

func (echoReceiver) OnMessage(s *engine.Session, m engine.Message) {
	if m.Binary {
		s.Send(engine.NewBinaryFrame(m.Data), 0)
		return
	}
	s.Send(engine.NewTextFrame(string(m.Data)), 0)
}

func (echoReceiver) OnClose(*engine.Session, engine.Reason, error) {}

// An echo server, and a client that talks to it over a plain WebSocket.
func Example() {
	srv := engine.NewServer(func(*engine.Session) engine.Receiver { return echoReceiver{} }, nil)
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", srv)
	ts := httptest.NewServer(mux)
	defer ts.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()

	url := "ws" + strings.TrimPrefix(ts.URL, "http") + "/engine.io/?EIO=4&transport=websocket"
	conn, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	defer conn.Close()
	_, open, _ := conn.ReadMessage()
	fmt.Println(string(open[:1]))
	_ = conn.WriteMessage(websocket.TextMessage, []byte("4hello"))
	_, msg, _ := conn.ReadMessage()
	fmt.Println(string(msg))
	// Output:
	// 0
	// 4hello
}

// A broadcast: one frame, encoded once, to all sessions.
func ExampleServer_NewBatch() {
	srv := engine.NewServer(func(*engine.Session) engine.Receiver { return echoReceiver{} }, nil)
	defer func() { _ = srv.Shutdown(context.Background()) }()

	batch := srv.NewBatch()
	for s := range srv.Sessions() {
		batch.Add(s)
	}
	batch.Send([]*engine.Frame{engine.NewTextFrame("good night")}, engine.Volatile)
	fmt.Println(srv.Len())
	// Output: 0
}
