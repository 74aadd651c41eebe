package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/examples/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a chat of this package that serves.
type running struct {
	url  string
	stop func()
}

// startChat runs the chat, as the program does, until the test ends, and returns its address.
func startChat(t *testing.T, redisURL string) string {
	t.Helper()
	return startChatOn(t, peers.FreePort(t), redisURL).url
}

func startChatOn(t *testing.T, port int, redisURL string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, strconv.Itoa(port), redisURL, time.Minute) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the chat ends with %v", err)
		}
	}
	t.Cleanup(stop)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	hc := http.Client{Timeout: 10 * time.Second}
	for end := time.Now().Add(10 * time.Second); ; {
		res, err := hc.Get(url)
		if err == nil {
			res.Body.Close()
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the chat does not start: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the chat does not answer: %v", err)
		}
	}
	hc.CloseIdleConnections()
	return running{url: url, stop: stop}
}

func TestMessageLogIsBounded(t *testing.T) {
	l := newMessageLog()
	for i := range keepMessages + 5 {
		l.add(message{Room: "lobby", Text: strconv.Itoa(i)})
	}
	got := l.of("lobby")
	if len(got) != keepMessages || got[0].Text != "5" || got[len(got)-1].Text != strconv.Itoa(keepMessages+4) {
		t.Errorf("of %d messages the log keeps %d, from %q", keepMessages+5, len(got), got[0].Text)
	}
	for i := range keepRooms {
		l.add(message{Room: fmt.Sprintf("room %d", i)})
	}
	if len(l.rooms) != keepRooms || len(l.of("lobby")) != 0 || len(l.of("room 0")) != 1 {
		t.Errorf("the log keeps %d rooms, %d messages of the silent one", len(l.rooms), len(l.of("lobby")))
	}
}

func TestEmptyRoomIsAList(t *testing.T) {
	text, err := json.Marshal(newMessageLog().of("nowhere"))
	if err != nil || string(text) != "[]" {
		t.Errorf("the history of an unknown room is %s (%v), want []", text, err)
	}
}

func TestPage(t *testing.T) {
	for _, tt := range []struct{ path, kind, holds string }{
		{"/", "text/html", `src="chat.js"`},
		{"/style.css", "text/css", "color-scheme"},
		{"/chat.js", "text/javascript", "socket.io.esm.min.js"},
		{"/client/socket.io.esm.min.js", "text/javascript", "Socket.IO v4"},
	} {
		w := httptest.NewRecorder()
		page().ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.kind) || !strings.Contains(w.Body.String(), tt.holds) {
			t.Errorf("GET %s = %d, %s, want %s with %q", tt.path, w.Code, w.Header().Get("Content-Type"), tt.kind, tt.holds)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s has no Content-Security-Policy", tt.path)
		}
	}
}

func TestPageWithoutNPM(t *testing.T) {
	w := httptest.NewRecorder()
	client("").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/client/socket.io.esm.min.js", nil))
	if want := clientCDN + "socket.io.esm.min.js"; w.Code != http.StatusFound || w.Header().Get("Location") != want {
		t.Errorf("without npm's folder the client is %d at %q, want %q", w.Code, w.Header().Get("Location"), want)
	}
}

func TestRunRefusesBadSettings(t *testing.T) {
	for _, tt := range []struct{ port, redis string }{{"no port", ""}, {"", "no address"}} {
		if err := run(t.Context(), tt.port, tt.redis, grace); err == nil {
			t.Errorf("run with PORT %q and REDIS_URL %q has no error", tt.port, tt.redis)
		}
	}
}

// The rules of the server, which hold for clients other than the page as well.
func TestChatRules(t *testing.T) {
	url := startChat(t, "")
	tab := peers.Node(t)
	tab.Eval(t, nil, `ctx.s = await connect(args[0], { auth: { name: "  Eve " } })`, url)
	for _, tt := range []struct{ event, arg, want string }{
		{"message", "hello", `{"error":{"message":"join a room first"}}`},
		{"join", " ", `{"error":{"message":"a room has 1 to 32 characters"}}`},
		{"join", strings.Repeat("r", 33), `{"error":{"message":"a room has 1 to 32 characters"}}`},
		{"join", "here", `{"members":[{"id":"me","name":"Eve"}],"history":[]}`},
		{"message", "", `{"error":{"message":"a message has 1 to 2000 characters"}}`},
		{"message", strings.Repeat("m", 2001), `{"error":{"message":"a message has 1 to 2000 characters"}}`},
	} {
		var got string
		tab.Eval(t, &got, `return JSON.stringify(await ctx.s.emitWithAck(args[0], args[1])).replaceAll(ctx.s.id, "me")`, tt.event, tt.arg)
		if got != tt.want {
			t.Errorf("%s %.10q is answered %s, want %s", tt.event, tt.arg, got, tt.want)
		}
	}
	err := tab.Try(nil, `await connect(args[0], { auth: { name: "" } })`, url)
	if err == nil || !strings.Contains(err.Error(), "a name has 1 to 32 characters") {
		t.Errorf("a nameless client is refused with %v", err)
	}
}
