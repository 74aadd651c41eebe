package engine_test

import (
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// A bell tells when its timer expires.
type bell struct {
	timer wheel.Entry
	rings chan struct{}
}

func (b *bell) Expire(*wheel.Entry) { close(b.rings) }

// A client that begins an upgrade, sends pings and does not read the answers holds up
// no timer of the others.
func TestUnreadPongsDuringAnUpgrade(t *testing.T) { inBothModes(t, testUnreadPongsDuringAnUpgrade) }

func testUnreadPongsDuringAnUpgrade(t *testing.T, opts *engine.Options) {
	opts.UpgradeTimeout, opts.WriteTimeout = 3*time.Second, time.Hour
	s := start(t, opts)
	c := s.openPolling(t)
	dial := s.dial
	s.dial = func() (net.Conn, error) {
		conn, err := dial()
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4096)
		}
		return conn, err
	}
	ws := c.probe(t)
	pings := []byte(strings.Repeat(string(appendFrame(nil, 0x89, strings.Repeat("p", 125))), 500))
	var flood sync.WaitGroup
	flood.Go(func() {
		for {
			if _, err := ws.Write(pings); err != nil {
				return
			}
		}
	})
	b := &bell{rings: make(chan struct{})}
	b.timer.Init(b)
	s.engine.Wheel().Class(opts.UpgradeTimeout + time.Second).Arm(&b.timer)
	select {
	case <-b.rings:
	case <-time.After(patience):
		t.Error("another timer does not expire")
	}
	ws.Close()
	flood.Wait()
}

// A client that is pinged late, because the process has stood still, has all the time
// it may have to answer.
func TestPingAfterAStall(t *testing.T) {
	opts := engine.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}
	inBubble(t, &opts, func(t *testing.T, s *server) {
		ws := s.openWS(t)
		stall := &staller{time: 46 * time.Second}
		stall.timer.Init(stall)
		s.engine.Wheel().Class(time.Millisecond).Arm(&stall.timer)
		ws.expect(t, "2")
		time.Sleep(19 * time.Second)
		ws.mustText(t, "3")
		ws.mustText(t, "4here")
		ws.peer.expect(t, text("here"))
		ws.peer.expectOpen(t)
	})
}

// A staller holds all timers up, as a process does that is stopped.
type staller struct {
	timer wheel.Entry
	time  time.Duration
}

func (s *staller) Expire(*wheel.Entry) { time.Sleep(s.time) }

// The largest values of all limits mean that there are none.
func TestNoLimits(t *testing.T) {
	opts := engine.Options{
		PingInterval: math.MaxInt64, PingTimeout: math.MaxInt64, UpgradeTimeout: math.MaxInt64, WriteTimeout: math.MaxInt64,
		MaxPayload: math.MaxInt64, MaxPackets: math.MaxInt, MaxFragments: math.MaxInt, MaxQueueBytes: math.MaxInt, MaxSessions: math.MaxInt,
	}
	t.Run("times", func(t *testing.T) {
		inBubble(t, &opts, func(t *testing.T, s *server) {
			s.onMessage = sendBack
			time.Sleep(time.Second) // the sum with a time that is not zero may overflow
			ws := s.openWS(t)
			time.Sleep(12 * time.Hour)
			ws.mustText(t, "4here")
			ws.expect(t, "4here") // and no ping before
			c := s.openPolling(t)
			c.peer.send("last")
			c.peer.session.Close(engine.ForcedClose)
			synctest.Wait()
			time.Sleep(time.Minute)
			c.expectGet(t, "4last")
			c.peer.expectClose(t, engine.ForcedClose)
		})
	})
	t.Run("sizes", func(t *testing.T) {
		inBothModes(t, func(t *testing.T, mode *engine.Options) {
			opts := opts
			opts.DisableParking = mode.DisableParking
			s := startEcho(t, &opts)
			ws, other := s.openWS(t), s.openWS(t)
			if _, err := ws.Write(append(appendFrameHeader(nil, finText, math.MaxInt64), "abcdefghij"...)); err != nil {
				t.Fatal(err)
			}
			other.mustText(t, "4hello")
			other.expect(t, "4hello")
			c := s.openPolling(t)
			c.mustPost(t, "4hello")
			c.expectGet(t, "4hello")
		})
	})
}

// Close waits for a poll no longer than the write timeout.
func TestCloseWithAShortWriteTimeout(t *testing.T) {
	inBubble(t, &engine.Options{WriteTimeout: 100 * time.Millisecond}, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		start := time.Now()
		c.peer.session.Close(engine.ForcedClose)
		c.peer.expectClose(t, engine.ForcedClose)
		if took := time.Since(start); took > 120*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// A session that is ended as soon as it is known has a receiver that is told.
func TestDiscardOfNewSessions(t *testing.T) {
	s := start(t, nil)
	stop := make(chan struct{})
	var discarding sync.WaitGroup
	discarding.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for session := range s.engine.Sessions() {
				session.Discard(engine.ForcedClose)
			}
		}
	})
	inParallel(t, 4, 2000, func(int) error {
		conn, err := s.connect()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.do(http.MethodGet, pollingQuery, "")
		return err
	})
	close(stop)
	discarding.Wait()
	for session := range s.engine.Sessions() {
		session.Discard(engine.ForcedClose)
	}
	for _, p := range s.accepted.drain() {
		p.expectClose(t, engine.ForcedClose)
	}
}
