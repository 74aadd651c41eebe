package engine_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// heartbeatOptions are the reference's defaults, spelled out.
var heartbeatOptions = engine.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}

// granule is how late the server's timers may be.
const granule = 10 * time.Millisecond

// took fails unless d has passed since start.
func took(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if got := time.Since(start); got < d || got > d+granule {
		t.Errorf("took %v, want %v", got, d)
	}
}

// wantReason fails unless the session has been closed once, for the reason.
func (b *bench) wantReason(r engine.Reason) {
	b.t.Helper()
	synctest.Wait()
	if got, _ := b.journal.closed(); len(got) != 1 || got[0] != r {
		b.t.Errorf("closed for %q, want once for %q", got, r)
	}
}

// wantOpen fails if the session has been closed.
func (b *bench) wantOpen() {
	b.t.Helper()
	synctest.Wait()
	if got, _ := b.journal.closed(); len(got) != 0 || b.srv.Len() != 1 {
		b.t.Errorf("closed for %q, want it open", got)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		c := b.dial("")
		defer c.conn.Close()
		start := time.Now()
		c.expect("2")
		took(t, start, 25*time.Second)
		time.Sleep(19 * time.Second)
		c.write("3")
		start = time.Now()
		c.expect("2") // the interval counts from the answer
		took(t, start, 25*time.Second)
		start = time.Now()
		c.read() // the close frame
		took(t, start, 20*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

func TestHeartbeatOnPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		b.http(http.MethodGet, "transport=polling")
		start := time.Now()
		query := "transport=polling&sid=" + b.session.ID()
		if _, body := b.http(http.MethodGet, query); body != "2" {
			t.Errorf("got %q, want a ping", body)
		}
		took(t, start, 25*time.Second)
		if code, body := b.http(http.MethodGet, query); code != http.StatusOK || body != "1" {
			t.Errorf("got %d %q, want the pending poll to be told", code, body)
		}
		took(t, start, 45*time.Second)
		b.wantReason(engine.PingTimeout)
		if code, body := b.http(http.MethodGet, query); code != http.StatusBadRequest || !strings.Contains(body, `"code":1`) {
			t.Errorf("got %d %q afterwards", code, body)
		}
	})
}

func TestPacketExtendsDeadlineOncePerPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		c := b.dial("")
		defer c.conn.Close()
		c.expect("2")
		start := time.Now()
		time.Sleep(15 * time.Second)
		c.write("4alive") // moves the deadline to 35 s
		time.Sleep(15 * time.Second)
		c.write("4still alive") // does not move it
		c.read()
		took(t, start, 35*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

func TestUnsolicitedPongsMoveTheOneTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		c := b.dial("")
		defer c.conn.Close()
		time.Sleep(10 * time.Second)
		for range 100 {
			c.write("3")
		}
		start := time.Now()
		c.expect("2")
		took(t, start, 25*time.Second)
		c.write("3")
		start = time.Now()
		c.expect("2") // one ping, not a hundred
		took(t, start, 25*time.Second)
	})
}

// The reference forgets the deadline of a ping when an upgrade completes: a
// client that never answers lives for ever.
func TestFaultImmortalSessionAfterUpgradeDuringPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		b.http(http.MethodGet, "transport=polling")
		if _, body := b.http(http.MethodGet, "transport=polling&sid="+b.session.ID()); body != "2" {
			t.Fatalf("got %q, want a ping", body)
		}
		start := time.Now()
		c := b.dial(b.session.ID())
		defer c.conn.Close()
		c.write("2probe")
		c.expect("3probe")
		c.write("5")
		c.read() // the close frame
		took(t, start, 20*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

func TestBusyReceiverSuspendsHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		b.journal.onMessage = func(*engine.Session, engine.Message) { time.Sleep(5 * time.Minute) }
		c := b.dial("")
		defer c.conn.Close()
		c.write("4slow down")
		c.expect("2")
		go c.write("3") // is read only after the receiver has returned
		time.Sleep(4 * time.Minute)
		b.wantOpen()
		time.Sleep(45 * time.Second)
		b.wantOpen()
		c.expect("2") // and the heartbeat goes on
		c.read()
		b.wantReason(engine.PingTimeout)
	})
}

func TestUpgradeTimeoutLeavesSessionOnPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &heartbeatOptions)
		defer b.stop()
		b.http(http.MethodGet, "transport=polling")
		c := b.dial(b.session.ID())
		defer c.conn.Close()
		start := time.Now()
		c.write("2probe")
		c.expect("3probe")
		c.read() // the close frame
		took(t, start, 10*time.Second)
		b.wantOpen()
		again := b.dial(b.session.ID()) // another try is welcome
		defer again.conn.Close()
		again.write("2probe")
		again.expect("3probe")
		again.write("5")
		synctest.Wait()
		if got := b.session.Transport(); got != engine.WebSocket {
			t.Errorf("transport = %q", got)
		}
		b.session.Send(engine.NewTextFrame("hi"), 0)
		again.expect("4hi")
	})
}

func TestCloseOfIdlePollingSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.http(http.MethodGet, "transport=polling")
		start := time.Now()
		b.stop() // nothing is queued and nobody polls: no reason to wait long
		took(t, start, time.Second)
		b.wantReason(engine.ServerShutdown)
	})
}

func TestCloseWaitsForPollThatTakesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.http(http.MethodGet, "transport=polling")
		b.session.Send(engine.NewTextFrame("last"), 0)
		b.session.Close(engine.ForcedClose)
		b.session.Send(engine.NewTextFrame("too late"), 0)
		time.Sleep(9 * time.Second)
		b.wantOpen()
		// The close packet must not share an answer with messages.
		for _, want := range []string{"4last", "1"} {
			b.wantOpen()
			if _, body := b.http(http.MethodGet, "transport=polling&sid="+b.session.ID()); body != want {
				t.Errorf("got %q, want %q", body, want)
			}
		}
		b.wantReason(engine.ForcedClose)
		b.stop()
	})
}

func TestCloseGivesUpClientThatDoesNotPollAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.http(http.MethodGet, "transport=polling")
		b.session.Send(engine.NewTextFrame("last"), 0)
		b.session.Close(engine.ForcedClose)
		b.http(http.MethodGet, "transport=polling&sid="+b.session.ID())
		start := time.Now()
		b.stop()
		took(t, start, time.Second)
		b.wantReason(engine.ForcedClose)
	})
}

func TestCloseGivesUpWaitingForPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.http(http.MethodGet, "transport=polling")
		b.session.Send(engine.NewTextFrame("last"), 0)
		start := time.Now()
		b.stop()
		took(t, start, 10*time.Second)
		b.wantReason(engine.ServerShutdown)
	})
}

func TestClientEndsClosingSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		b.http(http.MethodGet, "transport=polling")
		b.session.Send(engine.NewTextFrame("nobody takes it"), 0)
		b.session.Close(engine.ForcedClose)
		w := httptest.NewRecorder()
		r := request(http.MethodPost, "transport=polling&sid="+b.session.ID())
		r.Body = io.NopCloser(strings.NewReader("1"))
		b.srv.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
		b.wantReason(engine.ForcedClose)
	})
}
