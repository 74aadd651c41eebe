package engine_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// The default times, which the tests of this file use: a day costs them nothing.
const (
	pingInterval = 25 * time.Second
	pingTimeout  = 20 * time.Second
	// slack is what a timer may be off.
	slack = 20 * time.Millisecond
)

// expectAt checks that something happens at a time after start.
func expectAt(tb testing.TB, what string, start time.Time, want time.Duration) {
	tb.Helper()
	if got := time.Since(start); got < want-slack || got > want+slack {
		tb.Errorf("%s after %v, want %v", what, got, want)
	}
}

func TestPingsOverWebSocket(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		start := time.Now()
		// The next interval begins when the answer to the ping arrives.
		const delay = 3 * time.Second
		for i := range 5 {
			ws.expect(t, "2")
			expectAt(t, "ping", start, pingInterval+time.Duration(i)*(pingInterval+delay))
			time.Sleep(delay)
			ws.mustText(t, "3")
		}
		ws.peer.expectOpen(t)
	})
}

func TestPingsOverPolling(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		start := time.Now()
		for i := range 3 {
			c.expectGet(t, "2")
			expectAt(t, "ping", start, time.Duration(i+1)*pingInterval)
			c.mustPost(t, "3")
		}
		// A ping waits for a poll like any other packet.
		time.Sleep(pingInterval + pingTimeout/2)
		c.peer.send("behind")
		c.expectGet(t, "2\x1e4behind")
		c.mustPost(t, "3")
		time.Sleep(pingInterval - time.Second)
		c.peer.expectOpen(t)
	})
}

func TestPingTimeoutOverWebSocket(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		start := time.Now()
		ws.expect(t, "2")
		ws.expectClosing(t, noStatus)
		<-ws.peer.closed
		expectAt(t, "close", start, pingInterval+pingTimeout)
		ws.peer.expectClose(t, engine.PingTimeout)
	})
}

func TestPingTimeoutOverPolling(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		start := time.Now()
		<-c.peer.closed // without a single poll
		expectAt(t, "close", start, pingInterval+pingTimeout)
		c.peer.expectClose(t, engine.PingTimeout)
		c.expectGone(t)
	})
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.expectGet(t, "2")
		if res := c.get(t); res.status != http.StatusOK || res.body != "1" {
			t.Errorf("the pending poll got %d %q, want 200 \"1\"", res.status, res.body)
		}
		c.peer.expectClose(t, engine.PingTimeout)
		c.expectGone(t)
	})
}

// A client that knows the times of the handshake may count on the session's end
// when they have passed, to the millisecond; the official test suite does.
func TestPingTimeoutIsPunctual(t *testing.T) {
	for offset := range 12 {
		inBubble(t, &engine.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond},
			func(t *testing.T, s *server) {
				time.Sleep(time.Duration(offset) * 511 * time.Microsecond)
				c := s.openPolling(t)
				time.Sleep(500*time.Millisecond + 100*time.Microsecond)
				expectRefusal(t, c.get(t), http.StatusBadRequest, 1, "Session ID unknown")
				c.peer.expectClose(t, engine.PingTimeout)
			})
	}
}

// A client that sends, but does not answer pings, gets one extension a ping.
func TestOtherPacketsDelayThePingTimeoutOnce(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		start := time.Now()
		ws.expect(t, "2")
		time.Sleep(15 * time.Second)
		ws.mustText(t, "4alive")
		time.Sleep(10 * time.Second)
		ws.mustText(t, "4alive", "4alive")
		ws.expectClosing(t, noStatus)
		<-ws.peer.closed
		expectAt(t, "close", start, pingInterval+15*time.Second+pingTimeout)
		ws.peer.expectClose(t, engine.PingTimeout)
	})
}

func TestTrafficIsNoSubstituteForAnswers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		start := time.Now()
		discard := make(chan struct{})
		go func() {
			defer close(discard)
			_, _ = io.Copy(io.Discard, ws.br)
		}()
		for !ws.peer.isClosed() && ws.sendFrame(finText, "4alive") == nil {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		if got := time.Since(start); got > pingInterval+pingTimeout+time.Second {
			t.Errorf("close after %v, want %v", got, pingInterval+pingTimeout)
		}
		ws.peer.expectClose(t, engine.PingTimeout)
		ws.Close()
		<-discard
	})
}

// Each answer that was not asked for started another timer in a library once
// (CVE-2026-48802). It changes nothing.
func TestFaultUnsolicitedPongs(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		opened := time.Now()
		for range 100 {
			ws.mustText(t, "3")
		}
		time.Sleep(pingInterval / 2)
		ws.mustText(t, "3")
		synctest.Wait()
		for i := range 3 {
			ws.expect(t, "2")
			expectAt(t, "ping", opened, time.Duration(i+1)*pingInterval)
			ws.mustText(t, "3")
		}
		// Nothing else has been sent meanwhile, and nothing is.
		if err := ws.SetReadDeadline(time.Now().Add(pingInterval - time.Second)); err != nil {
			t.Fatal(err)
		}
		if f, err := ws.readFrame(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got frame %#x %q, error %v", f.first, f.payload, err)
		}
	})
}

// Once a session has been upgraded while a ping was not answered, the reference
// neither pings nor closes it any more.
func TestFaultImmortalSession(t *testing.T) {
	for name, complete := range map[string]func(*pollingClient, *testing.T) *wsClient{
		"with a probe":    (*pollingClient).upgradeInBubble,
		"without a probe": (*pollingClient).upgradeAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, s *server) {
				c := s.openPolling(t)
				start := time.Now()
				c.expectGet(t, "2")
				time.Sleep(pingTimeout / 2)
				ws := complete(c, t)
				<-c.peer.closed
				// The packets of the upgrade do not come from the session: they do
				// not extend the time.
				if got := time.Since(start); got > pingInterval+pingTimeout*3/2+slack {
					t.Errorf("close after %v, want %v", got, pingInterval+pingTimeout)
				}
				c.peer.expectClose(t, engine.PingTimeout)
				ws.awaitEnd(t)
			})
		})
	}
}

// A ping whose answer comes over the new transport is answered.
func TestPingAcrossTheUpgrade(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		c.expectGet(t, "2")
		ws := c.upgradeInBubble(t)
		time.Sleep(pingTimeout / 2)
		ws.mustText(t, "3")
		synctest.Wait()
		start := time.Now()
		ws.expect(t, "2")
		expectAt(t, "ping", start, pingInterval)
		ws.mustText(t, "3")
		synctest.Wait()
		c.peer.expectOpen(t)
	})
}

func (c *pollingClient) upgradeInBubble(t *testing.T) *wsClient {
	t.Helper()
	ws := c.probe(t)
	ws.mustText(t, "2probe")
	ws.expect(t, "3probe")
	ws.mustText(t, "5")
	synctest.Wait()
	return ws
}

func (c *pollingClient) upgradeAtOnce(t *testing.T) *wsClient {
	t.Helper()
	ws := c.probe(t)
	ws.mustText(t, "5")
	synctest.Wait()
	return ws
}

// A receiver that takes its time holds up the answer to a ping: the client is not
// to blame.
func TestBackpressureSuspendsThePingTimeout(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		release := make(chan struct{})
		s.onMessage = func(*peer, engine.Message) { <-release }
		ws := s.openWS(t)
		ws.mustText(t, "4busy")
		answered := make(chan error, 1)
		go func() { answered <- ws.sendFrame(finText, "3") }()
		for i := range 20 { // or the client would time out
			at := time.Now()
			ws.expect(t, "2")
			expectAt(t, "ping "+strconv.Itoa(i), at, pingInterval)
		}
		time.Sleep(pingInterval / 2)
		ws.peer.expectOpen(t)
		close(release)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		ws.expect(t, "2")
		expectAt(t, "ping", start, pingInterval/2)
		start = time.Now()
		ws.expectClosing(t, noStatus)
		expectAt(t, "close", start, pingTimeout)
		ws.peer.expectClose(t, engine.PingTimeout)
	})
}

func TestUpgradeTimeout(t *testing.T) {
	for _, probed := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, s *server) {
			s.onMessage = sendBack
			c := s.openPolling(t)
			ws := c.probe(t)
			start := time.Now()
			if probed {
				ws.mustText(t, "2probe")
				ws.expect(t, "3probe")
			}
			ws.expectClosing(t, noStatus)
			expectAt(t, "close of the new transport", start, 10*time.Second)
			c.mustPost(t, "4hello")
			c.expectGet(t, "4hello")
			again := c.upgradeInBubble(t)
			again.mustText(t, "4hello")
			again.expect(t, "4hello")
			c.peer.expectOpen(t)
		})
	}
}

// A poll during the upgrade is answered within 100 ms, each time.
func TestPollsAreCutShortDuringTheUpgrade(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		ws := c.probe(t)
		ws.mustText(t, "2probe")
		ws.expect(t, "3probe")
		for range 5 {
			start := time.Now()
			c.expectGet(t, "6")
			if got := time.Since(start); got > 100*time.Millisecond+slack {
				t.Errorf("a poll took %v", got)
			}
		}
	})
}
