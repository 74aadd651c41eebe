package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
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

// benchInBubble runs a test with a fake clock and a server of its own, which is shut down afterwards.
func benchInBubble(t *testing.T, opts *engine.Options, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, opts)
		defer b.stop()
		test(t, b)
	})
}

// queueLast opens a session by polling that has a last message to send, and returns the query of its
// requests.
func (b *bench) queueLast() (query string) {
	b.t.Helper()
	query = b.poll()
	b.session.Send(engine.NewTextFrame("last"), 0)
	return query
}

// dialAndProbe opens a WebSocket for a session that polls, and begins the upgrade.
func (b *bench) dialAndProbe() *pipeClient {
	b.t.Helper()
	c := b.dial(b.session.ID())
	c.write("2probe")
	c.expect("3probe")
	return c
}

func TestHeartbeat(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
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
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		query := b.poll()
		start := time.Now()
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
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		c := b.dial("")
		defer c.conn.Close()
		for range 3 { // Each ping anew.
			c.expect("2")
			time.Sleep(15 * time.Second)
			c.write("4alive") // moves the deadline to 35 s
			time.Sleep(19 * time.Second)
			b.wantOpen()
			c.write("3")
		}
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

func TestUnsolicitedPongsChangeNothing(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		c := b.dial("")
		defer c.conn.Close()
		start := time.Now()
		time.Sleep(10 * time.Second)
		for range 100 {
			c.write("3")
		}
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
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		query := b.poll()
		if _, body := b.http(http.MethodGet, query); body != "2" {
			t.Fatalf("got %q, want a ping", body)
		}
		start := time.Now()
		c := b.dialAndProbe()
		defer c.conn.Close()
		c.write("5")
		c.read() // the close frame
		took(t, start, 20*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

func TestBusyReceiverSuspendsHeartbeat(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		b.journal.onMessage = func(*engine.Session, engine.Message) { time.Sleep(290 * time.Second) }
		c := b.dial("")
		defer c.conn.Close()
		c.write("4slow down")
		for range 12 { // the client would miss them; the last one comes when the receiver has returned
			start := time.Now()
			c.expect("2")
			took(t, start, 25*time.Second)
			b.wantOpen()
		}
		start := time.Now()
		c.read() // and the client has the whole time for its answer
		took(t, start, 20*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

// A receiver may become busy while an answer is awaited.
func TestBusyReceiverSuspendsTheTimeoutOfThePresentPing(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		b.journal.onMessage = func(*engine.Session, engine.Message) { time.Sleep(time.Minute) }
		c := b.dial("")
		defer c.conn.Close()
		c.expect("2")
		go func() {
			c.write("4slow down")
			c.write("3")
		}()
		for _, after := range []time.Duration{20 * time.Second, 25 * time.Second, 25 * time.Second} { // the receiver is busy for a minute
			start := time.Now()
			c.expect("2")
			took(t, start, after)
			b.wantOpen()
		}
	})
}

// A receiver may be busy with one message after the other, and the answer to a ping is behind them. That it is not busy just when the
// answer is due does not mean that it has been missed.
func TestSuspendedTimeout(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		b.journal.onMessage = func(s *engine.Session, _ engine.Message) {
			s.Suspend()
			time.Sleep(19 * time.Second)
		}
		c := b.dial("")
		defer c.conn.Close()
		c.expect("2")
		time.Sleep(time.Second)
		suspended := time.Now()
		c.write("4busy")
		time.Sleep(22 * time.Second)
		b.wantOpen()
		c.expect("2")
		took(t, suspended, 25*time.Second)
		b.wantOpen()
		start := time.Now()
		c.read()
		took(t, start, 20*time.Second)
		b.wantReason(engine.PingTimeout)
	})
}

func TestUpgradeTimeoutLeavesSessionOnPolling(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		b.poll()
		start := time.Now()
		c := b.dialAndProbe()
		defer c.conn.Close()
		c.read() // the close frame
		took(t, start, 10*time.Second)
		b.wantOpen()
		again := b.dialAndProbe() // another try is welcome
		defer again.conn.Close()
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
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		b.poll()
		start := time.Now()
		b.stop() // nothing is queued and nobody polls: no reason to wait long
		took(t, start, time.Second)
		b.wantReason(engine.ServerShutdown)
	})
}

func TestCloseWaitsForPollThatTakesTheQueue(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		query := b.queueLast()
		b.session.Close(engine.ForcedClose)
		b.session.Send(engine.NewTextFrame("too late"), 0)
		time.Sleep(9 * time.Second)
		b.wantOpen()
		// The close packet must not share an answer with messages.
		for _, want := range []string{"4last", "1"} {
			b.wantOpen()
			if _, body := b.http(http.MethodGet, query); body != want {
				t.Errorf("got %q, want %q", body, want)
			}
		}
		b.wantReason(engine.ForcedClose)
	})
}

func TestCloseGivesUpClientThatDoesNotPollAgain(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		query := b.queueLast()
		b.session.Close(engine.ForcedClose)
		b.http(http.MethodGet, query)
		start := time.Now()
		b.stop()
		took(t, start, time.Second)
		b.wantReason(engine.ForcedClose)
	})
}

// However much is queued: a client without a pending poll has gone, or sends the next one soon.
func TestCloseGivesUpWaitingForPoll(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		b.queueLast()
		start := time.Now()
		b.stop()
		took(t, start, time.Second)
		b.wantReason(engine.ServerShutdown)
	})
}

func TestClientEndsClosingSession(t *testing.T) {
	benchInBubble(t, nil, func(t *testing.T, b *bench) {
		query := b.queueLast()
		b.session.Close(engine.ForcedClose)
		if code, body := b.post(query, "1"); code != http.StatusOK {
			t.Errorf("got %d %q", code, body)
		}
		b.wantReason(engine.ForcedClose)
	})
}

// holdup is a timeout that holds up those which are due together with it.
type holdup struct {
	entry          wheel.Entry
	began, release chan struct{}
}

func (h *holdup) Expire(*wheel.Entry) {
	close(h.began)
	<-h.release
}

// The wheel tells those that are due one after the other. A session that is closed in
// between gets the time for its last messages all the same.
func TestCloseMeetsPingThatIsDue(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		h := &holdup{began: make(chan struct{}), release: make(chan struct{})}
		h.entry.Init(h)
		b.srv.Wheel().Class(heartbeatOptions.PingInterval).Arm(&h.entry)
		query := b.poll()
		<-h.began
		b.session.Send(engine.NewTextFrame("last"), 0)
		b.session.Close(engine.ForcedClose)
		close(h.release)
		b.wantOpen()
		for _, want := range []string{"4last", "1"} {
			if _, body := b.http(http.MethodGet, query); body != want {
				t.Errorf("got %q, want %q", body, want)
			}
		}
		b.wantReason(engine.ForcedClose)
	})
}

// The answers to pings that were sent while the receiver was busy come late, and at any time. They do not put off the next ping, which the
// client waits for.
func TestLateAnswersDoNotPutOffPings(t *testing.T) {
	benchInBubble(t, &heartbeatOptions, func(t *testing.T, b *bench) {
		b.journal.onMessage = func(*engine.Session, engine.Message) { time.Sleep(74 * time.Second) }
		c := b.dial("")
		defer c.conn.Close()
		go func() {
			c.write("4slow down")
			c.write("3") // is read after 74 seconds
		}()
		for i := range 5 {
			start := time.Now()
			c.expect("2")
			took(t, start, 25*time.Second)
			if i >= 2 { // the receiver is not busy any more
				c.write("3")
			}
		}
		b.wantOpen()
	})
}
