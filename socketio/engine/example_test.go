package engine_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
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

// Long polls are pending requests: the Shutdown of the http.Server waits for them
// unless the engine ends them.
func ExampleServer_Shutdown() {
	srv := engine.NewServer(func(*engine.Session) engine.Receiver { return echoReceiver{} }, nil)
	ts := httptest.NewServer(srv)
	defer ts.Close()
	ended := make(chan error, 1)
	ts.Config.RegisterOnShutdown(func() { ended <- srv.Shutdown(context.Background()) })

	get := func(query string) string {
		resp, err := http.Get(ts.URL + "/?EIO=4&transport=polling" + query)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	fmt.Println(get("")[:1]) // the client has a session
	var session *engine.Session
	for session = range srv.Sessions() {
	}
	poll := make(chan string)
	go func() { poll <- get("&sid=" + session.ID()) }()
	for !session.Writable() { // until the poll is pending
		runtime.Gosched()
	}
	fmt.Println(ts.Config.Shutdown(context.Background()), <-ended)
	fmt.Println(<-poll) // a close packet
	// Output:
	// 0
	// <nil> <nil>
	// 1
}
