package engine_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A client that sends a bad frame, or goes away, while its id is still being made
// ends the process of old servers (CVE-2022-21676).
func TestFaultBadFrameDuringIDGeneration(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := startEcho(t, &engine.Options{NewID: func(r *http.Request) (string, error) {
		if id := r.URL.Query().Get("wish"); id != "" {
			return id, nil
		}
		entered <- struct{}{}
		<-release
		return "slow", nil
	}})
	for _, wire := range []string{"\x81\x02ab", strings.Repeat("\xff", 20), string(appendFrame(nil, finText, "abc")), ""} {
		conn := s.open(t)
		if err := conn.send(http.MethodGet, websocketQuery, "", wsHeaders...); err != nil {
			t.Fatal(err)
		}
		<-entered
		if _, err := conn.Write([]byte(wire)); err != nil {
			t.Fatal(err)
		}
		if tcp, ok := conn.Conn.(*net.TCPConn); ok && wire == "" {
			if err := tcp.SetLinger(0); err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
		release <- struct{}{}
		if wire != "" {
			conn.awaitEnd(t)
		}
		eventually(t, "the session is gone", func() bool { return s.engine.Len() == 0 })
	}
	res := s.request(t, http.MethodGet, pollingQuery+"&wish=x", "")
	if _, err := parseOpen(res.body); err != nil {
		t.Errorf("got %d %q: %v", res.status, res.body, err)
	}
}

// What the user's functions throw must not end the process (engine.io 6.6.12), nor
// leave half a session behind.
func TestFaultPanicsOfCallbacks(t *testing.T) {
	const trigger = "X-Panic"
	at := func(place string, r *http.Request) {
		if r.Header.Get(trigger) == place {
			panic("boom")
		}
	}
	s := start(t, &engine.Options{
		MaxSessions:  2,
		AllowRequest: func(r *http.Request) error { at("allow", r); return nil },
		NewID:        func(r *http.Request) (string, error) { at("id", r); return fmt.Sprintf("%p", r), nil },
		Header:       func(_ http.Header, r *http.Request, _ bool) { at("header", r) },
		OnRefused:    func(r *http.Request, _ *engine.RequestError) { at("refused", r) },
	})
	s.onAccept = func(p *peer) {
		if p.session.Handshake().Header().Get(trigger) == "accept" {
			panic("boom")
		}
	}
	for _, place := range []string{"allow", "id", "header", "accept", "refused"} {
		query := pollingQuery
		if place == "refused" {
			query = "EIO=4"
		}
		for range 3 { // more often than there are sessions
			conn := s.open(t)
			if err := conn.send(http.MethodGet, query, "", trigger+": "+place, "Connection: close"); err != nil {
				t.Fatal(err)
			}
			conn.awaitEnd(t)
			conn = s.open(t)
			ws, _, err := conn.handshakeWS(strings.Replace(query, "polling", "websocket", 1), "", trigger+": "+place)
			if err == nil && ws != nil {
				ws.awaitEnd(t)
			}
		}
		eventually(t, "nothing is left of the sessions at "+place, func() bool { return s.engine.Len() == 0 })
	}
	s.accepted.drain()
	ws := s.openWS(t)
	ws.mustText(t, "4hello")
	ws.peer.expect(t, text("hello"))
}

// A header of many blanks took old servers minutes to parse (CVE-2021-32640), and
// one with many other headers was taken for an upgrade without its own
// (CVE-2024-37890).
func TestFaultHeadersOfUnusualSize(t *testing.T) {
	s := start(t, &engine.Options{MaxHandshakeBytes: 1 << 20})
	for _, protocols := range []string{
		"A" + strings.Repeat(" ", 500_000) + "B", strings.Repeat(",", 500_000), strings.Repeat(" ,", 250_000) + "a",
	} {
		conn := s.open(t)
		_, res, err := conn.handshakeWS(websocketQuery, "", "Sec-WebSocket-Protocol: "+protocols)
		if err != nil || res.status != http.StatusSwitchingProtocols && res.status != http.StatusBadRequest {
			t.Errorf("got %d, error %v, want 101 or 400", res.status, err)
		}
	}
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: 1", i)
	}
	s.openWS(t, many...)
	res := s.request(t, http.MethodGet, websocketQuery, "", many...)
	expectRefusal(t, res, http.StatusBadRequest, 3, "Bad request")
}

func TestHalfAnUpgrade(t *testing.T) {
	s := start(t, nil)
	for _, headers := range [][]string{
		{"Connection: Upgrade"},
		{"Upgrade: websocket"},
		{"Connection: Upgrade", "Upgrade: h2c"},
		{"Connection: Upgraded", "Upgrade: websocket"},
		{"Connection: Upgrade", "Upgrade: websockets"},
	} {
		conn := s.open(t)
		res, err := conn.do(http.MethodGet, websocketQuery, "", append(headers, wsHeaders[2:]...)...)
		if err != nil || res.status != http.StatusBadRequest {
			t.Errorf("%q: got %d %q, error %v, want 400", headers, res.status, res.body, err)
		}
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

// The reason of an end does not depend on the transport, as it does in the
// reference when the server closes because of what a client sent.
func TestFaultReasonDependsOnTheTransport(t *testing.T) {
	s := start(t, nil)
	s.onMessage = func(p *peer, _ engine.Message) { p.session.Close(engine.ForcedClose) }
	ws := s.openWS(t)
	ws.mustText(t, "4bad")
	ws.expectClosing(t, noStatus)
	ws.peer.expectClose(t, engine.ForcedClose)
	for _, pending := range []bool{false, true} {
		c := s.openPolling(t)
		if pending {
			c.poll(t)
		}
		c.post(t, "4bad")
		if !pending {
			c.get(t)
		}
		c.peer.expectClose(t, engine.ForcedClose)
	}
}

// The limits are for what clients send. What they are sent may be larger.
func TestLargeMessagesToClients(t *testing.T) {
	s := start(t, nil)
	large := strings.Repeat("0123456789abcdef", 5<<20/16)
	ws := s.openWS(t)
	ws.peer.send(large)
	ws.expect(t, "4"+large)
	c := s.openPolling(t)
	c.peer.send(large)
	c.expectGet(t, "4"+large)
	poll := c.poll(t)
	c.peer.send(large)
	if res := poll.mustReceive(t, http.MethodGet); res.body != "4"+large {
		t.Errorf("got %d bytes", len(res.body))
	}
	for _, p := range []*peer{ws.peer, c.peer} {
		p.expectOpen(t)
	}
}

// A body in very many chunks was measured anew with each of them before engine.io
// 6.6.10.
func TestFaultManyChunks(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	const n = 200_000
	body := "1\r\n4\r\n" + strings.Repeat("1\r\na\r\n", n) + "0\r\n\r\n"
	res := s.request(t, http.MethodPost, c.query(), body, "Transfer-Encoding: chunked")
	if res.status != http.StatusOK {
		t.Fatalf("got %d %q", res.status, res.body)
	}
	c.peer.expectNow(t, text(strings.Repeat("a", n)))
}
