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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial returns a client that has been connected to the main namespace.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(),
		"ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(t, ws, `0{"sid":`)
	exchange(t, ws, "40", `40{"sid":`)
	return ws
}

// send sends a message.
func send(t *testing.T, ws *websocket.Conn, msg string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		t.Fatal(err)
	}
}

// expect reads a message, which has to start with prefix.
func expect(t *testing.T, ws *websocket.Conn, prefix string) {
	t.Helper()
	_, msg, err := ws.ReadMessage()
	if err != nil || !strings.HasPrefix(string(msg), prefix) {
		t.Fatalf("read %q, %v; want %q", msg, err, prefix)
	}
}

// exchange sends a message and expects an answer.
func exchange(t *testing.T, ws *websocket.Conn, msg, answer string) {
	t.Helper()
	send(t, ws, msg)
	expect(t, ws, answer)
}

func TestContract(t *testing.T) {
	io := socketio.NewServer(nil)
	register(io)
	srv := httptest.NewServer(io)
	defer srv.Close()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := io.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}()

	member, publisher := dial(t, srv.URL), dial(t, srv.URL)
	exchange(t, member, `421["echo","hello"]`, `431["hello"]`)
	exchange(t, member, `422["echo",{"a":[1,null]}]`, `432[{"a":[1,null]}]`)
	exchange(t, member, `423["join","r"]`, `433[]`)
	send(t, publisher, `42["pub","r",{"b":"é"}]`)
	expect(t, member, `42["msg",{"b":"é"}]`)
	// The server would wait for clients that do not answer its farewell.
	member.Close()
	publisher.Close()
}
