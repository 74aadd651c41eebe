package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial returns a connected client.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(t, ws, `0{"sid":"plain"`)
	exchange(t, ws, "40", `40{"sid":"plain"}`)
	return ws
}

// expect reads a message, which has to start with prefix.
func expect(t *testing.T, ws *websocket.Conn, prefix string) {
	t.Helper()
	if _, msg, err := ws.ReadMessage(); err != nil || !strings.HasPrefix(string(msg), prefix) {
		t.Fatalf("read %q, %v; want %q", msg, err, prefix)
	}
}

// exchange sends a message and expects an answer.
func exchange(t *testing.T, ws *websocket.Conn, msg, answer string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	expect(t, ws, answer)
}

func TestWrongArgumentsEndTheConnection(t *testing.T) {
	h := newHub()
	srv := httptest.NewServer(h)
	defer srv.Close()
	for _, msg := range []string{`42["wait","x"]`, `42["spin",]`, `42["burst",x,10]`, `42["burst",1]`, `42["burst",1,7]`} {
		ws := dial(t, srv.URL)
		if err := ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ws.ReadMessage(); err == nil {
			t.Errorf("the connection goes on after %s", msg)
		}
	}
}

func TestContract(t *testing.T) {
	h := newHub()
	srv := httptest.NewServer(h)
	defer srv.Close()
	member, other := dial(t, srv.URL), dial(t, srv.URL)
	exchange(t, member, `421["echo","hello"]`, `431["hello"]`)
	long := strings.Repeat("x", 3000)
	exchange(t, member, `422["echo","`+long+`"]`, `432["`+long+`"]`)
	exchange(t, member, `420["join","r"]`, `430[]`)
	exchange(t, other, `420["join","r"]`, `430[]`)
	exchange(t, other, `42["pub","r","one"]`, `42["msg","one"]`)
	expect(t, member, `42["msg","one"]`)
	exchange(t, member, `42["wait",1]`, `42["started"]`)
	if err := member.WriteMessage(websocket.TextMessage, []byte(`42["spin",50]`)); err != nil {
		t.Fatal(err)
	}
	exchange(t, member, `42["burst",2,10]`, `42["msg","00000001bb"]`)
	expect(t, member, `42["msg","00000002bb"]`)

	// Whoever does something else is sent away, and leaves the room.
	if err := other.WriteMessage(websocket.TextMessage, []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.ReadMessage(); err == nil {
		t.Error("the connection goes on after nonsense")
	}
	h.await(t, "r", 1)
	exchange(t, member, `42["pub","r","two"]`, `42["msg","two"]`)
	member.Close()
	h.await(t, "r", 0)
}

// await waits until a room has n members.
func (h *hub) await(t *testing.T, room string, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		h.mu.RLock()
		got := len(h.rooms[room])
		h.mu.RUnlock()
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the room has %d members, want %d", got, n)
		}
		runtime.Gosched()
	}
}

// A client that polls is served, too.
func TestPolls(t *testing.T) {
	srv := httptest.NewServer(newHub())
	defer srv.Close()
	base := srv.URL + "/socket.io/?EIO=4&transport=polling"
	request := func(method, url, body, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(got), want) {
			t.Fatalf("%s: got %q, %v; want %q", method, got, err, want)
		}
	}
	get := func(url, want string) { t.Helper(); request(http.MethodGet, url, "", want) }
	post := func(url, body, want string) { t.Helper(); request(http.MethodPost, url, body, want) }
	get(base, `0{"sid":"0"`)
	get(base, `0{"sid":"1"`)
	first, second := base+"&sid=0", base+"&sid=1"
	post(first, "40", "ok")
	get(first, `40{"sid":"plain"}`)
	long := strings.Repeat("x", 3000)
	post(first, "420[\"join\",\"r\"]\x1e421[\"echo\",\""+long+"\"]", "ok")
	get(first, "430[]")
	get(first, `431["`+long+`"]`)
	post(second, `42["pub","r","one"]`, "ok")
	get(first, `42["msg","one"]`)
	post(second, "nonsense", errUnsupported.Error())
	get(base+"&sid=2", "unknown session")
}
