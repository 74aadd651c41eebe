package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
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
	server := socketio.NewServer(nil)
	register(server)
	srv := httptest.NewServer(server)
	defer srv.Close()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}()

	member, publisher := dial(t, srv.URL), dial(t, srv.URL)
	exchange(t, member, `421["echo","hello"]`, `431["hello"]`)
	exchange(t, member, `422["echo",{"a":[1,null]}]`, `432[{"a":[1,null]}]`)
	exchange(t, member, `423["join","r"]`, `433[]`)
	send(t, publisher, `42["pub","r",{"b":"é"}]`)
	expect(t, member, `42["msg",{"b":"é"}]`)
	send(t, publisher, `451-["pub","r",{"_placeholder":true,"num":0}]`)
	if err := publisher.WriteMessage(websocket.BinaryMessage, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	expect(t, member, `451-["msg",{"_placeholder":true,"num":0}]`)
	expect(t, member, "\x01\x02\x03")
	exchange(t, member, `42["wait",1]`, `42["started"]`)
	send(t, member, `42["spin",50]`)
	exchange(t, member, `42["burst",2,10]`, `42["msg","00000001bb"]`)
	expect(t, member, `42["msg","00000002bb"]`)
	send(t, member, `42["burst",2,7]`) // too small for a number
	exchange(t, member, `424["echo",1]`, `434[1]`)
	// The server would wait for clients that do not answer its farewell.
	member.Close()
	publisher.Close()
}

func TestOptions(t *testing.T) {
	opts, err := options()
	if err != nil || opts.Engine.PingInterval != 0 || opts.Engine.DisableParking {
		t.Errorf("options without an environment = %+v, %v", opts.Engine, err)
	}
	t.Setenv("PING_INTERVAL", "1500")
	t.Setenv("TANDEM_PARKING", "off")
	opts, err = options()
	if err != nil || opts.Engine.PingInterval != 1500*time.Millisecond || !opts.Engine.DisableParking {
		t.Errorf("options = %+v, %v", opts.Engine, err)
	}
	t.Setenv("PING_INTERVAL", "soon")
	if _, err := options(); err == nil {
		t.Error("an interval that is no number is accepted")
	}
}

func TestProfilesAreServed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serveProfiles(ctx, listener)
	}()
	for _, path := range []string{"cpu/start", "cpu/stop", "pprof/allocs", "pprof/mutex", "pprof/block"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/debug/"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		// A profile is compressed.
		if profile := bytes.HasPrefix(body, []byte{0x1f, 0x8b}); err != nil || resp.StatusCode != http.StatusOK || profile != (path != "cpu/start") {
			t.Errorf("%s: %s, %d bytes, %v", path, resp.Status, len(body), err)
		}
	}
	cancel()
	<-ended
}
