package engine_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

func TestUpgrade(t *testing.T) { inBothModes(t, testUpgrade) }

func testUpgrade(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	c := s.openPolling(t)
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	c.expectGet(t, "6")
	c.expectGet(t, "6") // as often as the client polls
	ws.mustText(t, "5", "4hello")
	ws.expect(t, "4hello")
	if got := c.peer.session.Transport(); got != "websocket" {
		t.Errorf("transport %q", got)
	}
	c.peer.session.Send(engine.NewBinaryFrame([]byte{1, 2}), 0)
	ws.expectFrame(t, finBinary, "\x01\x02")
	ws.mustText(t, "1")
	c.peer.expectClose(t, engine.TransportClose)
	c.peer.expectNow(t, text("hello"))
}

// A poll that is pending already when the upgrade begins is answered too, so that
// the client can stop polling.
func TestUpgradeWithAPendingPoll(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	poll := c.poll(t)
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	if res := poll.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "6" {
		t.Errorf("got %d %q, want a noop", res.status, res.body)
	}
	ws.mustText(t, "5", "4hello")
	ws.expect(t, "4hello")
}

func TestUpgradeWithoutAProbe(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	poll := c.poll(t)
	ws := c.probe(t)
	ws.mustText(t, "5", "4hello")
	ws.expect(t, "4hello")
	if res := poll.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "1" {
		t.Errorf("the pending poll got %d %q, want 200 \"1\"", res.status, res.body)
	}
	c.peer.expectOpen(t)
}

func TestRequestsAfterTheUpgrade(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	ws := c.upgrade(t)
	expectRefusal(t, c.get(t), http.StatusBadRequest, 3, "Bad request")
	expectRefusal(t, c.post(t, "4hello"), http.StatusBadRequest, 3, "Bad request")
	s.expectTurnedAway(t, c.sid)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
	c.peer.expectNow(t, text("hello"))
}

func TestSecondProbeIsTurnedAway(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	ws := c.probe(t)
	s.expectTurnedAway(t, c.sid)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	s.expectTurnedAway(t, c.sid)
	ws.mustText(t, "5", "4hello")
	ws.expect(t, "4hello")
}

func TestWebSocketSessionIsNotUpgraded(t *testing.T) {
	s := startEcho(t, nil)
	ws := s.openWS(t)
	s.expectTurnedAway(t, ws.sid)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
}

// Whatever a probe does wrong, the session stays on polling and may try again.
func TestProbesThatFail(t *testing.T) { inBothModes(t, testProbesThatFail) }

func testProbesThatFail(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	c := s.openPolling(t)
	for _, tc := range []struct {
		name  string
		wire  []byte
		codes []int
	}{
		{"other data", appendFrame(nil, finText, "2foo"), []int{noStatus}},
		{"ping without data", appendFrame(nil, finText, "2"), []int{noStatus}},
		{"message", appendFrame(nil, finText, "4hi"), []int{noStatus}},
		{"message after the probe", appendFrame(appendFrame(nil, finText, "2probe"), finText, "4hi"), []int{noStatus}},
		{"pong", appendFrame(nil, finText, "3probe"), []int{noStatus}},
		{"close packet", appendFrame(nil, finText, "1"), []int{noStatus, 1000}},
		{"bad packet", appendFrame(nil, finText, "abc"), []int{noStatus}},
		{"empty packet", appendFrame(nil, finText, ""), []int{noStatus}},
		{"binary", appendFrame(nil, finBinary, "2probe"), []int{noStatus}},
		{"bad frame", []byte("\x81\x06" + "2probe"), []int{1002}},
		{"close frame", appendFrame(nil, finClose, closePayload(1000, "")), []int{1000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ws := c.probe(t)
			if _, err := ws.Write(tc.wire); err != nil {
				t.Fatal(err)
			}
			ws.expectClosing(t, tc.codes...)
			c.mustPost(t, "4hello")
			c.expectGet(t, "4hello")
		})
	}
	c.probe(t).Close() // without a word
	eventually(t, "another probe is let in", func() bool {
		ws, _, err := s.open(t).handshakeWS(websocketQuery+"&sid="+c.sid, string(appendFrame(nil, finText, "2probe")))
		if err != nil || ws == nil {
			return false
		}
		answer, err := ws.readText()
		if err != nil || answer != "3probe" {
			ws.Close()
			return false
		}
		ws.mustText(t, "5", "4done")
		ws.expect(t, "4done")
		return true
	})
	c.peer.expectOpen(t)
}

// During the probe messages go on over polling, in both directions; afterwards
// what is left comes over the WebSocket.
func TestMessagesDuringTheUpgrade(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	ws := c.probe(t)
	c.peer.send("before the probe")
	c.expectGet(t, "4before the probe")
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	c.mustPost(t, "4hello")
	c.peer.expectNow(t, text("hello"))
	c.peer.send("while upgrading")
	c.expectGet(t, "4while upgrading")
	c.peer.send("one")
	c.peer.session.SendAll([]*engine.Frame{engine.NewTextFrame("two"), engine.NewBinaryFrame([]byte{3})}, 0)
	ws.mustText(t, "5")
	ws.expect(t, "4one", "4two")
	ws.expectFrame(t, finBinary, "\x03")
	c.peer.send("four")
	ws.expect(t, "4four")
}

// A volatile message needs a client that takes it at once, as one does whose poll is pending.
func TestVolatileFramesDuringTheUpgrade(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	ws := c.probe(t)
	poll := c.poll(t)
	eventually(t, "the poll is pending", c.peer.session.Writable)
	c.peer.session.Send(engine.NewTextFrame("taken"), engine.Volatile)
	if res := poll.mustReceive(t, http.MethodGet); res.body != "4taken" {
		t.Errorf("the pending poll got %q", res.body)
	}
	c.peer.session.Send(engine.NewTextFrame("dropped"), engine.Volatile)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	c.peer.session.Send(engine.NewTextFrame("dropped"), engine.Volatile)
	c.peer.send("kept")
	ws.mustText(t, "5")
	ws.expect(t, "4kept")
}

// A data request that is being read while the upgrade completes is still
// delivered.
func TestDataRequestDuringTheUpgrade(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	post := s.open(t)
	if err := post.send(http.MethodPost, c.query(), "4hel", "Content-Length: 6"); err != nil {
		t.Fatal(err)
	}
	ws.mustText(t, "5", "4over websocket")
	c.peer.expect(t, text("over websocket"))
	if _, err := post.Write([]byte("lo")); err != nil {
		t.Fatal(err)
	}
	// The request may have reached the server too late to be admitted.
	res := post.mustReceive(t, http.MethodPost)
	switch {
	case res.status == http.StatusOK && res.body == "ok":
		c.peer.expectNow(t, text("hello"))
	case res.status != http.StatusBadRequest:
		t.Errorf("got %d %q", res.status, res.body)
	}
	c.peer.expectOpen(t)
}

func TestSessionThatEndsWhileUpgrading(t *testing.T) {
	inBothModes(t, testSessionThatEndsWhileUpgrading)
}

func testSessionThatEndsWhileUpgrading(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	for name, end := range map[string]func(*testing.T, *pollingClient){
		"by the client":    func(t *testing.T, c *pollingClient) { c.mustPost(t, "1") },
		"by a bad request": func(t *testing.T, c *pollingClient) { c.post(t, "abc") },
		"by Discard":       func(_ *testing.T, c *pollingClient) { c.peer.session.Discard(engine.ForcedClose) },
	} {
		for _, probed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " after probe: ", probed), func(t *testing.T) {
				c := s.openPolling(t)
				ws := c.probe(t)
				if probed {
					ws.mustText(t, "2probe")
					ws.expect(t, "3probe")
				}
				end(t, c)
				<-c.peer.closed
				if probed && name != "by the client" {
					ws.mustText(t, "5") // which the client sends, since it has stopped polling
				}
				ws.expectClosing(t, noStatus, 1000)
			})
		}
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// A session that is closing, with messages that nobody has polled yet, finishes
// over the WebSocket.
func TestUpgradeOfAClosingSession(t *testing.T) { inBothModes(t, testUpgradeOfAClosingSession) }

func testUpgradeOfAClosingSession(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	c := s.openPolling(t)
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	c.peer.send("last words")
	c.peer.session.Close(engine.ForcedClose)
	ws.mustText(t, "5")
	ws.expect(t, "4last words")
	ws.expectClosing(t, noStatus)
	c.peer.expectClose(t, engine.ForcedClose)
}

// An upgrade that the client resets ends the process of several old servers.
func TestFaultResetDuringTheUpgrade(t *testing.T) { inBothModes(t, testFaultResetDuringTheUpgrade) }

func testFaultResetDuringTheUpgrade(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	c := s.openPolling(t)
	reset := func(conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				t.Error(err)
			}
		}
		conn.Close()
	}
	for _, query := range []string{
		websocketQuery + "&sid=" + c.sid, websocketQuery, websocketQuery + "&sid=unknown", "EIO=3&transport=websocket", "",
	} {
		for range 20 {
			conn := s.open(t)
			if err := conn.send(http.MethodGet, query, "", wsHeaders...); err != nil {
				t.Fatal(err)
			}
			reset(conn.Conn)
		}
	}
	eventually(t, "only the polling session is left", func() bool { return s.engine.Len() == 1 })
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
}

// The client's confirmation and its next poll may overtake each other, as they
// travel on two connections; the official test suite sends them back to back.
func TestPollThatRacesTheUpgrade(t *testing.T) { inBothModes(t, testPollThatRacesTheUpgrade) }

func testPollThatRacesTheUpgrade(t *testing.T, opts *engine.Options) {
	const tick = 100 * time.Millisecond // between the answers to polls during an upgrade
	s := startEcho(t, opts)
	for range 50 {
		c := s.openPolling(t)
		get := s.open(t)
		ws := c.probe(t)
		early := appendFrame(appendFrame(nil, finText, "2probe"), finText, "5")
		begin := time.Now()
		if _, err := ws.Write(early); err != nil {
			t.Fatal(err)
		}
		res, err := get.do(http.MethodGet, c.query(), "")
		// A server that takes long between the two packets answers so from time to time.
		for next := begin.Add(tick); err == nil && res.body == "6" && !time.Now().Before(next); next = next.Add(tick) {
			res, err = get.do(http.MethodGet, c.query(), "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if res.status != http.StatusBadRequest {
			t.Fatalf("after %v: got %d %q, want 400", time.Since(begin), res.status, res.body)
		}
		ws.mustText(t, "4hello")
		ws.expect(t, "3probe", "4hello")
	}
}

// A session changes its transport while the server sends and receives all the
// time: nothing may be lost, doubled or reordered in either direction.
func TestOrderAcrossTheUpgrade(t *testing.T) { inBothModes(t, testOrderAcrossTheUpgrade) }

func testOrderAcrossTheUpgrade(t *testing.T, opts *engine.Options) {
	const clients, messages = 10, 300
	s := start(t, opts)
	for range clients {
		c := s.openPolling(t)
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range messages {
				c.peer.send(fmt.Sprint(i))
			}
		})
		next := 0
		c.upgradeWhileBusy(t, func(packet string) {
			if packet == "6" || packet == "2" {
				return
			}
			if want := fmt.Sprint("4", next); packet != want {
				t.Fatalf("got %q, want %q", packet, want)
			}
			next++
		}, func() bool { return next == messages })
		sending.Wait()
		var want []message
		for i := range 20 {
			want = append(want, text(fmt.Sprint(i)))
		}
		c.peer.expect(t, want...)
	}
}

// upgradeWhileBusy upgrades like the JavaScript client: polls go on until the
// probe has been answered; then the last poll is awaited before the upgrade is
// confirmed. Meanwhile it sends the numbers 0 to 19.
func (c *pollingClient) upgradeWhileBusy(t *testing.T, got func(packet string), done func() bool) {
	t.Helper()
	take := func(res response) {
		t.Helper()
		if res.status != http.StatusOK {
			t.Fatalf("poll: %d %q", res.status, res.body)
		}
		for packet := range strings.SplitSeq(res.body, "\x1e") {
			got(packet)
		}
	}
	c.mustPost(t, "40\x1e41\x1e42\x1e43\x1e44")
	take(c.get(t))
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	for i := 5; i < 10; i++ {
		c.mustPost(t, fmt.Sprint("4", i))
		take(c.get(t))
	}
	ws.expect(t, "3probe")
	ws.mustText(t, "5")
	for i := 10; i < 20; i++ {
		ws.mustText(t, fmt.Sprint("4", i))
	}
	for !done() {
		packet, err := ws.readText()
		if err != nil {
			t.Fatal(err)
		}
		got(packet)
	}
}
