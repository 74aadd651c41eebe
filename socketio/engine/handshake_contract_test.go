package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// sidPattern is what ids look like: clients and proxies of the ecosystem know
// them with this length and alphabet.
var sidPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`)

func TestPollingHandshake(t *testing.T) {
	s := start(t, nil)
	res := s.request(t, http.MethodGet, pollingQuery, "")
	if res.status != http.StatusOK {
		t.Fatalf("status %d %q", res.status, res.body)
	}
	o, err := parseOpen(res.body)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(
		`0{"sid":"%s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, o.SID)
	if res.body != want {
		t.Errorf("got %s\nwant %s", res.body, want)
	}
	if !sidPattern.MatchString(o.SID) {
		t.Errorf("the id %q does not match %v", o.SID, sidPattern)
	}
	for name, want := range map[string]string{
		"Content-Type":   "text/plain; charset=UTF-8",
		"Content-Length": strconv.Itoa(len(want)),
		"Cache-Control":  "no-store",
		"Set-Cookie":     "",

		"Access-Control-Allow-Origin": "",
	} {
		if got := res.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p := s.next(t); p.session.ID() != o.SID || p.session.Transport() != "polling" {
		t.Errorf("the server has session %q on %q, want %q on polling", p.session.ID(), p.session.Transport(), o.SID)
	}
}

func TestWebSocketHandshake(t *testing.T) {
	s := start(t, nil)
	ws, _, err := s.open(t).handshakeWS(websocketQuery, "")
	if err != nil || ws == nil {
		t.Fatalf("no upgrade: %v", err)
	}
	if got := ws.res.header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("Sec-WebSocket-Accept %q", got)
	}
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length"} {
		if got := ws.res.header.Get(name); got != "" {
			t.Errorf("%s: %q, want none", name, got)
		}
	}
	packet, err := ws.readText()
	if err != nil {
		t.Fatal(err)
	}
	p := s.next(t)
	want := fmt.Sprintf(
		`0{"sid":"%s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, p.session.ID())
	if packet != want {
		t.Errorf("got %s\nwant %s", packet, want)
	}
	if p.session.Transport() != "websocket" {
		t.Errorf("transport %q", p.session.Transport())
	}
}

func TestHandshakeTellsTheOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts engine.Options
		want string
	}{
		{
			"times and size",
			engine.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 5000},
			`"upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":5000}`,
		},
		{
			"no upgrades",
			engine.Options{DisableUpgrades: true},
			`"upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		},
		{
			"nothing to upgrade to",
			engine.Options{Transports: []string{engine.Polling}},
			`"upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, &tc.opts)
			if res := s.request(t, http.MethodGet, pollingQuery, ""); !strings.HasSuffix(res.body, tc.want) {
				t.Errorf("got %q, want …%s", res.body, tc.want)
			}
		})
	}
}

func TestSubprotocol(t *testing.T) {
	s := start(t, nil)
	for offered, want := range map[string]string{"chat": "chat", "v2.chat, v1.chat": "v2.chat", "a,b": "a"} {
		ws := s.openWS(t, "Sec-WebSocket-Protocol: "+offered)
		if got := ws.res.header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Errorf("offered %q: got %q, want %q", offered, got, want)
		}
	}
}

// Compression of frames is not an option of the engine, so it must not be agreed
// to, however the client asks.
func TestCompressionOfFramesIsDeclined(t *testing.T) {
	s := startEcho(t, nil)
	ws := s.openWS(t, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
		"Sec-WebSocket-Extensions: x-unknown; a=\"b,c\"")
	if got := ws.res.header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("the server agreed to %q", got)
	}
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
}

// Ids of old versions were guessable (CVE-2017-16031), and those of the reference
// end in a counter.
func TestFaultGuessableIDs(t *testing.T) {
	s := start(t, nil)
	conn := s.open(t)
	const n = 400
	seen := make(map[string]bool)
	var columns [20]map[byte]bool
	for range n {
		res, err := conn.do(http.MethodGet, pollingQuery, "")
		if err != nil {
			t.Fatal(err)
		}
		o, err := parseOpen(res.body)
		if err != nil || !sidPattern.MatchString(o.SID) {
			t.Fatalf("id %q, error %v", o.SID, err)
		}
		seen[o.SID] = true
		for i := range columns {
			if columns[i] == nil {
				columns[i] = make(map[byte]bool)
			}
			columns[i][o.SID[i]] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d different ids of %d", len(seen), n)
	}
	// A column of 64 random characters shows more than 32 of them in 400 draws
	// with all but certainty.
	for i, c := range columns {
		if len(c) <= 32 {
			t.Errorf("column %d of the ids has only %d different characters", i, len(c))
		}
	}
}

func TestNewID(t *testing.T) {
	boom := errors.New("boom")
	refused := newMailbox[*engine.RequestError]()
	s := start(t, &engine.Options{
		NewID: func(r *http.Request) (string, error) {
			if id := r.URL.Query().Get("wish"); id != "" {
				return id, nil
			}
			return "", boom
		},
		OnRefused: func(_ *http.Request, e *engine.RequestError) { refused.put(e) },
	})
	expectRefusal(t, s.request(t, http.MethodGet, pollingQuery, ""), http.StatusBadRequest, 3, "Bad request")
	if e, ok := refused.take(patience); !ok || !errors.Is(e, boom) {
		t.Errorf("OnRefused got %v, want %v in it", e, boom)
	}
	s.expectRefusedWS(t, websocketQuery, []int{http.StatusBadRequest}, "Bad request")

	res := s.request(t, http.MethodGet, pollingQuery+"&wish=first", "")
	c := &pollingClient{server: s, sid: "first", peer: s.next(t)}
	if o, err := parseOpen(res.body); err != nil || o.SID != "first" {
		t.Errorf("got %q, error %v", res.body, err)
	}
	// An id that is taken must not let anybody into the session that has it.
	s.request(t, http.MethodGet, pollingQuery+"&wish=first", "")
	c.mustPost(t, "4hello")
	c.peer.expect(t, text("hello"))
	c.peer.expectOpen(t)
}

func TestCookie(t *testing.T) {
	s := start(t, &engine.Options{Cookie: &http.Cookie{
		Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 60,
	}})
	c := s.request(t, http.MethodGet, pollingQuery, "")
	p := s.next(t)
	want := "io=" + p.session.ID() + "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
	if got := c.header.Values("Set-Cookie"); len(got) != 1 || got[0] != want {
		t.Errorf("Set-Cookie %q, want %q", got, want)
	}
	client := &pollingClient{server: s, sid: p.session.ID(), peer: p}
	if res := client.post(t, "4hello"); res.header.Get("Set-Cookie") != "" {
		t.Errorf("a later answer has Set-Cookie %q", res.header.Get("Set-Cookie"))
	}
	if ws := client.probe(t); ws.res.header.Get("Set-Cookie") != "" {
		t.Errorf("the upgrade has Set-Cookie %q", ws.res.header.Get("Set-Cookie"))
	}
}

// The reference sets no cookie if the session begins with WebSocket.
func TestFaultCookieOfWebSocketHandshake(t *testing.T) {
	s := start(t, &engine.Options{Cookie: &http.Cookie{Name: "io"}})
	ws := s.openWS(t)
	if got := ws.res.header.Values("Set-Cookie"); len(got) != 1 || !strings.HasPrefix(got[0], "io="+ws.sid+"; ") {
		t.Errorf("Set-Cookie %q, want io=%s and the defaults", got, ws.sid)
	}
}

func TestHeaderHook(t *testing.T) {
	type call struct {
		query   string
		initial bool
	}
	calls := newMailbox[call]()
	s := startEcho(t, &engine.Options{Header: func(h http.Header, r *http.Request, initial bool) {
		calls.put(call{r.Method, initial})
		h.Set("X-Test", "yes")
	}})
	check := func(what string, res response, want ...call) {
		t.Helper()
		if got := calls.drain(); !slices.Equal(got, want) {
			t.Errorf("%s: the hook was called with %v, want %v", what, got, want)
		}
		if got := res.header.Get("X-Test"); (got == "yes") != (len(want) > 0) {
			t.Errorf("%s: X-Test %q", what, got)
		}
	}
	check("refusal", s.request(t, http.MethodGet, "EIO=4", ""))
	res := s.request(t, http.MethodGet, pollingQuery, "")
	check("handshake", res, call{"GET", true})
	o, err := parseOpen(res.body)
	if err != nil {
		t.Fatal(err)
	}
	c := &pollingClient{server: s, sid: o.SID, peer: s.next(t)}
	check("POST", c.post(t, "4hello"), call{"POST", false})
	check("GET", c.get(t), call{"GET", false})
	check("upgrade", c.probe(t).res, call{"GET", false})
	check("websocket", s.openWS(t).res, call{"GET", true})
}

func TestHandshakeOfASession(t *testing.T) {
	s := start(t, nil)
	before := time.Now()
	s.request(t, http.MethodGet, pollingQuery+"&user=a%20b&user=c", "",
		"X-One: 1", "X-Many: a", "X-Many: b", "Cookie: k=v", "X-Forwarded-For: 10.0.0.1")
	p := s.next(t)
	c := &pollingClient{server: s, sid: p.session.ID(), peer: p}
	c.upgrade(t)

	h := p.session.Handshake()
	if got := h.Header(); got.Get("X-One") != "1" || !slices.Equal(got["X-Many"], []string{"a", "b"}) ||
		got.Get("Cookie") != "k=v" {
		t.Errorf("headers %v", got)
	}
	if got := h.Query(); got.Get("EIO") != "4" || !slices.Equal(got["user"], []string{"a b", "c"}) || got.Has("sid") {
		t.Errorf("query %v", got)
	}
	if !strings.HasPrefix(h.URL(), "/engine.io/?EIO=4&transport=polling&user=") {
		t.Errorf("URL %q", h.URL())
	}
	if !strings.HasPrefix(p.session.RemoteAddr(), "127.0.0.1:") {
		t.Errorf("address %q, want the TCP peer's", p.session.RemoteAddr())
	}
	if h.Secure() || h.Time().Before(before) || h.Time().After(time.Now()) {
		t.Errorf("secure %v, time %v", h.Secure(), h.Time())
	}
	// What a caller does with the header is no concern of the next one.
	h.Header().Set("X-One", "2")
	if got := h.Header().Get("X-One"); got != "1" {
		t.Errorf("X-One %q after a caller changed its copy", got)
	}
}

// What is sent from within Accept comes behind the OPEN packet, and a polling
// client gets it with its first poll.
func TestSendFromAccept(t *testing.T) {
	s := start(t, nil)
	s.onAccept = func(p *peer) {
		p.send("one")
		p.session.SendAll([]*engine.Frame{engine.NewTextFrame("two"), engine.NewBinaryFrame([]byte{1})}, 0)
	}
	c := s.openPolling(t) // fails unless the answer is the OPEN packet alone
	c.expectGet(t, "4one\x1e4two\x1ebAQ==")
	ws := s.openWS(t)
	ws.expect(t, "4one", "4two")
	ws.expectFrame(t, finBinary, "\x01")
}

// The receiver exists before anything of the client is read, so that nothing that
// follows the handshake at once is lost.
func TestEarlyFrames(t *testing.T) { inBothModes(t, testEarlyFrames) }

func testEarlyFrames(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	early := appendFrame(nil, finText, "4one")
	early = appendFrame(early, finBinary, "\x01\x02")
	early = appendFrame(early, finText, "3")
	early = appendFrame(early, finText, "4"+strings.Repeat("x", 20_000))
	for cut := range 3 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			// All with the request, or a frame that is cut in two.
			with := len(early) - cut*9_000
			ws, _, err := s.open(t).handshakeWS(websocketQuery, string(early[:with]))
			if err != nil || ws == nil {
				t.Fatalf("no upgrade: %v", err)
			}
			if err := ws.readOpen(); err != nil {
				t.Fatal(err)
			}
			if _, err := ws.Write(early[with:]); err != nil {
				t.Fatal(err)
			}
			ws.expect(t, "4one")
			ws.expectFrame(t, finBinary, "\x01\x02")
			ws.expect(t, "4"+strings.Repeat("x", 20_000))
		})
	}
}

// An early close, or garbage instead of frames, must neither hang nor harm.
func TestGarbageRightAfterTheHandshake(t *testing.T) {
	inBothModes(t, testGarbageRightAfterTheHandshake)
}

func testGarbageRightAfterTheHandshake(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	for name, early := range map[string]string{
		"HTTP":          "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"zeros":         strings.Repeat("\x00", 100),
		"ones":          strings.Repeat("\xff", 100),
		"bad packet":    string(appendFrame(nil, finText, "abc")),
		"close":         string(appendFrame(nil, finClose, closePayload(1000, ""))),
		"unmasked text": "\x81\x024a",
	} {
		t.Run(name, func(t *testing.T) {
			ws, _, err := s.open(t).handshakeWS(websocketQuery, early)
			if err != nil || ws == nil {
				t.Fatalf("no upgrade: %v", err)
			}
			ws.awaitEnd(t)
			p := s.next(t)
			p.expectClose(t, engine.TransportClose, engine.TransportError, engine.ParseError)
			p.expectNow(t)
		})
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}
