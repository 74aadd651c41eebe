package engine_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// The texts of the protocol's error codes.
var refusals = []string{
	"Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
	"Unsupported protocol version",
}

func TestRequestsThatAreNotAdmitted(t *testing.T) {
	s := start(t, nil)
	polling := s.openPolling(t)
	ws := s.openWS(t)
	for _, tc := range []struct {
		name, method, query string
		code                int
	}{
		{"no transport", "GET", "EIO=4", 0},
		{"empty transport", "GET", "EIO=4&transport=", 0},
		{"unknown transport", "GET", "EIO=4&transport=abc", 0},
		{"transport in capitals", "GET", "EIO=4&transport=POLLING", 0},
		{"transport that is not for HTTP", "GET", "EIO=4&transport=webtransport", 0},
		{"transport named like a property", "GET", "EIO=4&transport=__proto__", 0},
		{"transport named like a method", "GET", "EIO=4&transport=constructor", 0},
		{"last transport counts", "GET", "EIO=4&transport=polling&transport=abc", 0},
		{"transport comes before the session", "GET", "EIO=4&transport=abc&sid=unknown", 0},
		{"transport comes before the method", "PUT", "EIO=4&transport=abc", 0},

		{"unknown session", "GET", pollingQuery + "&sid=abc", 1},
		{"unknown session, POST", "POST", pollingQuery + "&sid=abc", 1},
		{"unknown session comes before the method", "DELETE", pollingQuery + "&sid=abc", 1},
		{"unknown session comes before the revision", "GET", "EIO=3&transport=polling&sid=abc", 1},
		{"session named like a property", "GET", pollingQuery + "&sid=__proto__", 1},
		{"session id with a null byte", "GET", pollingQuery + "&sid=a%00b", 1},
		{"last session counts", "GET", pollingQuery + "&sid=" + polling.sid + "&sid=abc", 1},

		{"POST", "POST", pollingQuery, 2},
		{"PUT", "PUT", pollingQuery, 2},
		{"DELETE", "DELETE", pollingQuery, 2},
		{"OPTIONS without CORS", "OPTIONS", pollingQuery, 2},
		{"POST with an empty session", "POST", pollingQuery + "&sid=", 2},
		{"method comes before the revision", "POST", "EIO=3&transport=polling", 2},

		{"websocket without an upgrade", "GET", websocketQuery, 3},
		{"websocket session over polling", "GET", pollingQuery + "&sid=" + ws.sid, 3},
		{"websocket session over polling, POST", "POST", pollingQuery + "&sid=" + ws.sid, 3},
		{"polling session as websocket without an upgrade", "GET", websocketQuery + "&sid=" + polling.sid, 3},
		{"other revision than the session's", "GET", "EIO=3&transport=polling&sid=" + polling.sid, 3},
		{"other revision than the session's, POST", "POST", "EIO=3&transport=polling&sid=" + polling.sid, 3},
		{"no revision, with a session", "GET", "transport=polling&sid=" + polling.sid, 3},

		{"no revision", "GET", "transport=polling", 5},
		{"empty revision", "GET", "EIO=&transport=polling", 5},
		{"revision 3", "GET", "EIO=3&transport=polling", 5},
		{"revision 5", "GET", "EIO=5&transport=polling", 5},
		{"revision that is no number", "GET", "EIO=abc&transport=polling", 5},
		{"revision 4 in other words", "GET", "EIO=04&transport=polling", 5},
		{"revision 4 with a space", "GET", "EIO=4%20&transport=polling", 5},
		{"last revision counts", "GET", "EIO=4&EIO=3&transport=polling", 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := s.request(t, tc.method, tc.query, "")
			expectRefusal(t, res, http.StatusBadRequest, tc.code, refusals[tc.code])
			if cc := res.header.Get("Cache-Control"); cc != "" {
				t.Errorf("a refusal has Cache-Control %q", cc)
			}
		})
	}
	polling.peer.expectOpen(t)
	ws.peer.expectOpen(t)
	if n := s.engine.Len(); n != 2 {
		t.Errorf("%d sessions, want the 2 that were opened", n)
	}
}

func TestHandshakesThatAreAdmitted(t *testing.T) {
	s := start(t, nil)
	for _, query := range []string{
		pollingQuery,
		pollingQuery + "&sid=",
		"transport=polling&EIO=4",
		"EIO=3&transport=abc&EIO=4&transport=polling",
		pollingQuery + "&t=%",
		pollingQuery + "&x=%zz&y=%E0%A4%A",
		pollingQuery + "&a;b=1",
		pollingQuery + "&j=0&b64=1&=&&",
		"EIO=%34&transport=%70olling",
	} {
		t.Run(query, func(t *testing.T) {
			res := s.request(t, http.MethodGet, query, "")
			if _, err := parseOpen(res.body); res.status != http.StatusOK || err != nil {
				t.Errorf("got %d %q, want a session", res.status, res.body)
			}
		})
	}
}

func TestRefusedHead(t *testing.T) {
	s := start(t, nil)
	if res := s.request(t, http.MethodHead, pollingQuery, ""); res.status != http.StatusBadRequest || res.body != "" {
		t.Errorf("got %d %q, want 400 without a body", res.status, res.body)
	}
}

func TestOriginWithControlCharacters(t *testing.T) {
	s := start(t, nil)
	for _, origin := range []string{"http://a\x01b", "http://a\x7f", "\x00"} {
		if res := s.request(t, http.MethodGet, pollingQuery, "", "Origin: "+origin); res.status != http.StatusBadRequest {
			t.Errorf("Origin %q: status %d, want 400", origin, res.status)
		}
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

func TestUpgradesThatAreNotAdmitted(t *testing.T) {
	s := start(t, nil)
	polling := s.openPolling(t)
	bad := []int{http.StatusBadRequest}
	for _, tc := range []struct{ name, query, text string }{
		{"unknown transport", "EIO=4&transport=abc", "Transport unknown"},
		{"transport named like a property", "EIO=4&transport=__proto__", "Transport unknown"},
		{"no transport", "EIO=4", "Transport unknown"},
		{"unknown session", websocketQuery + "&sid=abc", "Session ID unknown"},
		{"no revision", "transport=websocket", "Unsupported protocol version"},
		{"bad revision", "EIO=abc&transport=websocket", "Unsupported protocol version"},
		{"other revision than the session's", "EIO=3&transport=websocket&sid=" + polling.sid, "Bad request"},
		{"no revision, with a session", "transport=websocket&sid=" + polling.sid, "Bad request"},
	} {
		t.Run(tc.name, func(t *testing.T) { s.expectRefusedWS(t, tc.query, bad, tc.text) })
	}
	polling.peer.expectOpen(t)
	if n := s.engine.Len(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// The reference accepts the upgrade and then writes its answer, status line and
// all, into the WebSocket stream.
func TestFaultRevisionIsCheckedBeforeUpgrading(t *testing.T) {
	s := start(t, nil)
	conn := s.open(t)
	ws, res, err := conn.handshakeWS("EIO=3&transport=websocket", "")
	if err != nil {
		t.Fatal(err)
	}
	if ws != nil || res.status != http.StatusBadRequest {
		t.Fatalf("got status %d, want 400", res.status)
	}
	conn.expectEOF(t)
}

// A session of revision 4 that a WebSocket of revision 3 joins, and that sends a
// ping then, ends the process of older reference servers.
func TestFaultRevisionIsBoundToTheSession(t *testing.T) {
	s := startEcho(t, nil)
	polling := s.openPolling(t)
	query := "EIO=3&transport=websocket&sid=" + polling.sid
	early := string(appendFrame(appendFrame(nil, finText, "2probe"), finText, "2"))
	ws, res, err := s.open(t).handshakeWS(query, early)
	if err != nil || ws != nil || res.status != http.StatusBadRequest {
		t.Fatalf("got status %d, error %v, want 400", res.status, err)
	}
	polling.mustPost(t, "4still here")
	polling.expectGet(t, "4still here")
}

func TestWebSocketHandshakeRules(t *testing.T) {
	s := start(t, nil)
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	for _, tc := range []struct {
		name    string
		headers []string
	}{
		{"other version", []string{"Sec-WebSocket-Version: 12", key}},
		{"no version", []string{key}},
		{"no key", []string{"Sec-WebSocket-Version: 13"}},
		{"short key", []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: abc"}},
		{"key that is not base64", []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: ????????????????????????"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headers := append([]string{"Connection: Upgrade", "Upgrade: websocket"}, tc.headers...)
			res := s.request(t, http.MethodGet, websocketQuery, "", headers...)
			if res.status != http.StatusBadRequest {
				t.Errorf("got %d %q, want 400", res.status, res.body)
			}
		})
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

func TestWrongVersionIsToldTheRightOne(t *testing.T) {
	s := start(t, nil)
	res := s.request(t, http.MethodGet, websocketQuery, "",
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 7", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	if got := res.header.Get("Sec-WebSocket-Version"); got != "13" && got != "13, 8" {
		t.Errorf("Sec-WebSocket-Version %q, want 13", got)
	}
}

func TestUpgradeHeadersInOtherWords(t *testing.T) {
	s := start(t, nil)
	for _, headers := range [][]string{
		{"Connection: keep-alive, Upgrade", "Upgrade: WebSocket"},
		{"connection: upgrade", "upgrade: WEBSOCKET"},
		{"Connection: keep-alive", "Connection: upgrade", "Upgrade: websocket"},
	} {
		conn := s.open(t)
		res, err := conn.do(http.MethodGet, websocketQuery, "", append(headers, wsHeaders[2], wsHeaders[3])...)
		if err != nil || res.status != http.StatusSwitchingProtocols {
			t.Errorf("%q: got %d %q, error %v, want 101", headers, res.status, res.body, err)
		}
	}
}

// The answers to what the reference lets through only to close it at once may be
// either refusals or closed WebSockets, but leave nothing behind.
func TestUpgradeWithThePollingTransport(t *testing.T) {
	s := start(t, nil)
	polling := s.openPolling(t)
	for _, query := range []string{pollingQuery, polling.query()} {
		conn := s.open(t)
		ws, res, err := conn.handshakeWS(query, "")
		switch {
		case err != nil:
			t.Fatal(err)
		case ws != nil:
			ws.expectClosing(t, noStatus, 1000)
		case res.status != http.StatusBadRequest:
			t.Errorf("?%s: got status %d, want 101 or 400", query, res.status)
		}
	}
	polling.peer.expectOpen(t)
	eventually(t, "only the polling session is left", func() bool { return s.engine.Len() == 1 })
}

func TestTransportsThatAreDisabled(t *testing.T) {
	onlyPolling := start(t, &engine.Options{Transports: []string{engine.Polling}})
	p := onlyPolling.openPolling(t)
	for _, query := range []string{websocketQuery, websocketQuery + "&sid=" + p.sid} {
		res := onlyPolling.request(t, http.MethodGet, query, "", wsHeaders...)
		if res.status != http.StatusBadRequest || !strings.Contains(res.body, "Transport unknown") {
			t.Errorf("upgrade ?%s: got %d %q, want 400", query, res.status, res.body)
		}
	}
	p.peer.expectOpen(t)

	onlyWS := startEcho(t, &engine.Options{Transports: []string{engine.WebSocket}})
	expectRefusal(t, onlyWS.request(t, http.MethodGet, pollingQuery, ""), http.StatusBadRequest, 0, refusals[0])
	ws := onlyWS.openWS(t)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
}

func TestAllowRequest(t *testing.T) {
	var asked atomic.Int32
	s := start(t, &engine.Options{AllowRequest: func(r *http.Request) error {
		asked.Add(1)
		switch r.Header.Get("Authorization") {
		case "":
			return &engine.RefusedError{Message: "who are you?"}
		case "broken":
			return errors.New("database password is hunter2")
		default:
			return nil
		}
	}})
	refused := []int{http.StatusBadRequest, http.StatusForbidden}
	expectRefusal(t, s.request(t, http.MethodGet, pollingQuery, ""), http.StatusForbidden, 4, "who are you?")
	expectRefusal(t, s.request(t, http.MethodGet, pollingQuery, "", "Authorization: broken"),
		http.StatusForbidden, 4, "Forbidden")
	expectRefusal(t, s.request(t, http.MethodGet, "EIO=3&transport=polling", ""), http.StatusForbidden, 4, "who are you?")
	s.expectRefusedWS(t, websocketQuery, refused, "who are you?")
	s.expectRefusedWS(t, websocketQuery, refused, "Forbidden", "Authorization: broken")
	if n := asked.Load(); n != 5 {
		t.Errorf("asked %d times, want 5", n)
	}

	s.openWS(t, "Authorization: me")
	res := s.request(t, http.MethodGet, pollingQuery, "", "Authorization: me")
	o, err := parseOpen(res.body)
	if err != nil {
		t.Fatal(err)
	}
	// What is no handshake is not asked for.
	asked.Store(0)
	c := &pollingClient{server: s, sid: o.SID, peer: s.next(t)}
	c.mustPost(t, "4hello")
	c.peer.expect(t, text("hello"))
	s.request(t, http.MethodPost, pollingQuery, "")
	s.request(t, http.MethodGet, "EIO=4&transport=abc", "")
	c.upgrade(t)
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times for requests that are no handshakes", n)
	}
}

func TestOnRefused(t *testing.T) {
	refused := newMailbox[*engine.RequestError]()
	cause := errors.New("cause")
	s := start(t, &engine.Options{
		OnRefused:    func(_ *http.Request, e *engine.RequestError) { refused.put(e) },
		AllowRequest: func(*http.Request) error { return cause },
	})
	for _, tc := range []struct {
		query string
		code  engine.Code
		err   error
	}{
		{"EIO=4&transport=abc", engine.UnknownTransport, nil},
		{pollingQuery + "&sid=abc", engine.UnknownSession, nil},
		{pollingQuery, engine.Forbidden, cause},
	} {
		s.request(t, http.MethodGet, tc.query, "")
		e, ok := refused.take(patience)
		if !ok || e.Code != tc.code || e.Message != refusals[tc.code] || tc.err != nil && !errors.Is(e, tc.err) {
			t.Errorf("?%s: OnRefused got %v, want code %d", tc.query, e, tc.code)
		}
	}
	s.expectRefusedWS(t, "EIO=4&transport=abc", []int{http.StatusBadRequest}, "Transport unknown")
	if e, ok := refused.take(patience); !ok || e.Code != engine.UnknownTransport {
		t.Errorf("refused upgrade: OnRefused got %v", e)
	}
}

// The reference answers these with status 500.
func TestFaultOtherMethodsOfASession(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	for _, method := range []string{"PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"} {
		if res := s.request(t, method, c.query(), ""); res.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d %q, want 405", method, res.status, res.body)
		}
	}
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
}

func TestUpgradeWithOtherMethods(t *testing.T) {
	s := start(t, nil)
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		res := s.request(t, method, websocketQuery, "", wsHeaders...)
		if res.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %q, want 400", method, res.status, res.body)
		}
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}
