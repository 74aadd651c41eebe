package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 20 * time.Second

// dial starts the server in one of its modes and connects to it.
func dial(t *testing.T, bare bool, path string) *websocket.Conn {
	t.Helper()
	h := newHandler(bare, socketio.Options{ConnectTimeout: time.Hour, Engine: engine.Options{PingInterval: time.Hour}})
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	url := "ws" + strings.TrimPrefix(srv.URL, "http") + path + "?EIO=4&transport=websocket"
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	expect(t, ws, `0{"sid":"`)
	return ws
}

// send sends messages; those that begin with a null byte as binary.
func send(t *testing.T, ws *websocket.Conn, packets ...string) {
	t.Helper()
	for _, p := range packets {
		kind := websocket.TextMessage
		if strings.HasPrefix(p, "\x00") {
			kind = websocket.BinaryMessage
		}
		if err := ws.WriteMessage(kind, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

// expect reads messages, which must begin as given.
func expect(t *testing.T, ws *websocket.Conn, prefixes ...string) {
	t.Helper()
	for _, prefix := range prefixes {
		_, got, err := ws.ReadMessage()
		if err != nil || !strings.HasPrefix(string(got), prefix) {
			t.Fatalf("got %q, error %v, want %q", got, err, prefix)
		}
	}
}

func TestBareEngine(t *testing.T) {
	ws := dial(t, true, "/engine.io/")
	send(t, ws, "4hello", "\x00\x01")
	expect(t, ws, "4hello", "\x00\x01")
}

func TestSocketIO(t *testing.T) {
	for _, nsp := range []string{"", "/custom,"} {
		ws := dial(t, false, "/socket.io/")
		send(t, ws, "40"+nsp)
		expect(t, ws, "40"+nsp+`{"sid":"`, "42"+nsp+`["auth",{}]`)
		send(t, ws, "42"+nsp+`["message",1,"2",{"3":[true]}]`)
		expect(t, ws, "42"+nsp+`["message-back",1,"2",{"3":[true]}]`)
		send(t, ws, "452-"+nsp+`789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x00\x01", "\x00\x02")
		expect(t, ws, "462-"+nsp+`789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x00\x01", "\x00\x02")
	}
}

func TestAuth(t *testing.T) {
	ws := dial(t, false, "/socket.io/")
	send(t, ws, `40/custom,{"token":"123"}`)
	expect(t, ws, `40/custom,{"sid":"`, `42/custom,["auth",{"token":"123"}]`)
	send(t, ws, "40/random")
	expect(t, ws, `44/random,{"message":"Invalid namespace"}`)
}
