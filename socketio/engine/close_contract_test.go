package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

func TestCloseOfAWebSocketSession(t *testing.T) { inBothModes(t, testCloseOfAWebSocketSession) }

func testCloseOfAWebSocketSession(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	for i := range 100 {
		ws.peer.send(fmt.Sprint(i))
	}
	ws.peer.session.Close("my own reason")
	ws.peer.send("too late")
	for i := range 100 {
		ws.expect(t, fmt.Sprint("4", i))
	}
	ws.expectFrame(t, finClose, "")
	ws.expectEOF(t)
	ws.peer.expectClose(t, "my own reason")
	s.expectTurnedAwayAsUnknown(t, ws.sid)
}

func (s *server) expectTurnedAwayAsUnknown(tb testing.TB, sid string) {
	tb.Helper()
	s.expectRefusedWS(tb, websocketQuery+"&sid="+sid, []int{http.StatusBadRequest}, "Session ID unknown")
}

// Messages and the end come with answers of their own: a JavaScript client acts on
// the end at once, but hands messages of the same answer over only later.
func TestCloseOfAPollingSession(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.peer.send("last")
		c.peer.session.Close(engine.ForcedClose)
		c.peer.send("too late")
		c.expectGet(t, "4last")
		c.expectGet(t, "1")
		c.peer.expectClose(t, engine.ForcedClose)
		c.expectGone(t)
	})
}

func TestCloseOfAPollingSessionWithAPendingPoll(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	poll := c.poll(t)
	c.peer.session.Close(engine.ForcedClose)
	if res := poll.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "1" {
		t.Errorf("got %d %q, want 200 \"1\"", res.status, res.body)
	}
	c.peer.expectClose(t, engine.ForcedClose)
	c.expectGone(t)
}

// A session that is closing waits for its client, but not for ever.
func TestCloseOfAPollingSessionWhoseClientIsGone(t *testing.T) {
	for _, queued := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, s *server) {
			c := s.openPolling(t)
			if queued {
				c.peer.send("last")
			}
			start := time.Now()
			c.peer.session.Close(engine.ForcedClose)
			c.peer.expectClose(t, engine.ForcedClose)
			if got := time.Since(start); got > 10*time.Second+slack {
				t.Errorf("with a message queued: %v: closed after %v", queued, got)
			}
			c.expectGone(t)
		})
	}
}

// The client's own end, which it sends when it hears of the server's, ends a
// session that is closing.
func TestClosePacketForAClosingSession(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.peer.send("last")
		start := time.Now()
		c.peer.session.Close(engine.ForcedClose)
		c.mustPost(t, "1")
		c.peer.expectClose(t, engine.ForcedClose)
		if got := time.Since(start); got > 100*time.Millisecond {
			t.Errorf("closed after %v", got)
		}
	})
}

func TestDiscard(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	c.peer.send("dropped")
	c.peer.session.Discard(engine.ServerShutdown)
	c.peer.expectClose(t, engine.ServerShutdown)
	c.expectGone(t)

	ws := s.openWS(t)
	ws.peer.session.Discard(engine.ServerShutdown)
	ws.expectClosing(t, noStatus)
	ws.peer.expectClose(t, engine.ServerShutdown)
}

func TestClosePacketOverPolling(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	poll := c.poll(t)
	c.mustPost(t, "4before\x1e1\x1e4after")
	if res := poll.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "6" {
		t.Errorf("the pending poll got %d %q, want 200 \"6\"", res.status, res.body)
	}
	c.peer.expectClose(t, engine.TransportClose)
	c.peer.expectNow(t, text("before"))
	c.expectGone(t)
}

// A client that closes sends the packet and its last poll at the same time, on two
// connections; the official test suite does and wants the poll answered.
func TestClosePacketOvertakesPoll(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.mustPost(t, "1")
		c.peer.expectClose(t, engine.TransportClose)
		c.expectGet(t, "6")
		c.expectGone(t)

		c = s.openPolling(t)
		c.mustPost(t, "1")
		c.peer.expectClose(t, engine.TransportClose)
		time.Sleep(5 * time.Second)
		c.expectGone(t)
	})
}

func TestCloseFromWithinTheReceiver(t *testing.T) { inBothModes(t, testCloseFromWithinTheReceiver) }

func testCloseFromWithinTheReceiver(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	s.engine.SetPollingGrace(patience)
	s.onMessage = func(p *peer, m engine.Message) {
		if string(m.Data) == "close" {
			p.send("goodbye")
			p.session.Close(engine.ForcedClose)
		} else {
			p.session.Discard(engine.ForcedClose)
		}
	}
	ws := s.openWS(t)
	ws.mustText(t, "4close", "4ignored")
	ws.expect(t, "4goodbye")
	ws.expectClosing(t, noStatus)
	ws.peer.expectClose(t, engine.ForcedClose)
	ws.peer.expectNow(t, text("close"))

	ws = s.openWS(t)
	ws.mustText(t, "4discard", "4ignored")
	ws.expectClosing(t, noStatus)
	ws.peer.expectNow(t, text("discard"))

	c := s.openPolling(t)
	poll := c.poll(t)
	c.post(t, "4close\x1e4ignored")
	if res := poll.mustReceive(t, http.MethodGet); res.body != "4goodbye" {
		t.Errorf("the pending poll got %d %q", res.status, res.body)
	}
	c.expectGet(t, "1")
	c.peer.expectClose(t, engine.ForcedClose)
	c.peer.expectNow(t, text("close"))
}

func TestCloseFromWithinAccept(t *testing.T) {
	s := start(t, nil)
	s.engine.SetPollingGrace(patience)
	s.onAccept = func(p *peer) {
		p.send("not today")
		p.session.Close(engine.ForcedClose)
	}
	ws, err := s.connectWS()
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	ws.expect(t, "4not today")
	ws.expectClosing(t, noStatus)
	s.next(t).expectClose(t, engine.ForcedClose)

	c := s.openPolling(t)
	c.expectGet(t, "4not today")
	c.expectGet(t, "1")
	c.peer.expectClose(t, engine.ForcedClose)
}

// Whatever ends a session, and however often, its receiver is told once and after
// everything else.
func TestCloseIsToldOnce(t *testing.T) { inBothModes(t, testCloseIsToldOnce) }

func testCloseIsToldOnce(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	var mu sync.Mutex
	late := 0
	s.onMessage = func(p *peer, _ engine.Message) {
		if p.isClosed() {
			mu.Lock()
			late++
			mu.Unlock()
		}
	}
	const rounds = 100
	peers := make([]*peer, 0, rounds)
	for i := range rounds {
		ws := s.openWS(t)
		peers = append(peers, ws.peer)
		session := ws.peer.session
		var wg sync.WaitGroup
		wg.Go(func() { _ = ws.sendFrame(finText, "4hello") })
		wg.Go(func() { _ = ws.sendFrame(finText, []string{"1", "2", "abc", "4x"}[i%4]) })
		wg.Go(func() { session.Close(engine.ForcedClose) })
		wg.Go(func() { session.Discard(engine.ForcedClose) })
		wg.Go(func() { session.Send(engine.NewTextFrame("hello"), 0) })
		wg.Go(func() { ws.Close() })
		wg.Wait()
	}
	for _, p := range peers {
		p.expectClose(t, engine.ForcedClose, engine.TransportClose, engine.TransportError, engine.ParseError)
	}
	eventually(t, "all sessions are gone", func() bool { return s.engine.Len() == 0 })
	for i, p := range peers {
		if n := p.closeCount(); n != 1 {
			t.Errorf("session %d: OnClose was called %d times", i, n)
		}
	}
	if late != 0 {
		t.Errorf("%d messages after OnClose", late)
	}
}

func TestUseOfAClosedSession(t *testing.T) {
	s := start(t, nil)
	ws := s.openWS(t)
	session := ws.peer.session
	ws.Close()
	ws.peer.expectClose(t, engine.TransportClose, engine.TransportError)
	session.Send(engine.NewTextFrame("x"), 0)
	session.SendAll([]*engine.Frame{engine.NewTextFrame("x")}, engine.Volatile)
	batch := s.engine.NewBatch()
	batch.Add(session)
	batch.Send([]*engine.Frame{engine.NewTextFrame("x")}, 0)
	session.Close(engine.ForcedClose)
	session.Discard(engine.ForcedClose)
	if session.Writable() {
		t.Error("a closed session is writable")
	}
	if session.ID() != ws.sid || !strings.HasPrefix(session.RemoteAddr(), "127.0.0.1:") {
		t.Errorf("id %q, address %q", session.ID(), session.RemoteAddr())
	}
	if n := ws.peer.closeCount(); n != 1 {
		t.Errorf("OnClose was called %d times", n)
	}
}

// A receiver that panics ends its own session and nothing else.
func TestPanicOfAReceiver(t *testing.T) { inBothModes(t, testPanicOfAReceiver) }

func testPanicOfAReceiver(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	s.onMessage = func(p *peer, m engine.Message) {
		if string(m.Data) == "panic" {
			panic("boom")
		}
		sendBack(p, m)
	}
	healthy := s.openWS(t)
	ws := s.openWS(t)
	ws.mustText(t, "4panic")
	<-ws.peer.closed
	ws.awaitEnd(t)
	c := s.openPolling(t)
	c.post(t, "4panic")
	<-c.peer.closed
	c.expectGone(t)
	healthy.mustText(t, "4hello")
	healthy.expect(t, "4hello")
}
