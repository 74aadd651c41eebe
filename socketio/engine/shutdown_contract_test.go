package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Clients of every kind are told of the end and get what was queued for them.
func TestShutdown(t *testing.T) { inBothModes(t, testShutdown) }

func testShutdown(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	ws := s.openWS(t)
	polling := s.openPolling(t)
	poll := polling.poll(t)
	upgrading := s.openPolling(t)
	upgradePoll := upgrading.poll(t)
	probe := upgrading.probe(t)
	upgraded := s.openPolling(t)
	upgradedWS := upgraded.upgrade(t)
	peers := []*peer{ws.peer, polling.peer, upgrading.peer, upgraded.peer}
	for range 50 {
		ws.peer.send("last words")
		upgraded.peer.send("last words")
	}

	begin := time.Now()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.engine.Shutdown(ctx)
	}()
	for _, c := range []*wsClient{ws, upgradedWS} {
		for range 50 {
			c.expect(t, "4last words")
		}
		c.expectClosing(t, noStatus)
	}
	for _, conn := range []*rawConn{poll, upgradePoll} {
		if res := conn.mustReceive(t, http.MethodGet); res.status != http.StatusOK || res.body != "1" {
			t.Errorf("a pending poll got %d %q, want 200 \"1\"", res.status, res.body)
		}
	}
	probe.expectClosing(t, noStatus, 1000)
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("Shutdown took %v", took)
	}
	for _, p := range peers {
		p.expectClose(t, engine.ServerShutdown)
		if n := p.closeCount(); n != 1 {
			t.Errorf("OnClose was called %d times", n)
		}
	}
	s.expectUnavailable(t)
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if err := s.engine.Shutdown(context.Background()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

// expectUnavailable checks that no new session is accepted.
func (s *server) expectUnavailable(tb testing.TB) {
	tb.Helper()
	if res := s.request(tb, http.MethodGet, pollingQuery, ""); res.status != http.StatusServiceUnavailable {
		tb.Errorf("polling handshake: got %d %q, want 503", res.status, res.body)
	}
	s.expectRefusedWS(tb, websocketQuery, []int{http.StatusServiceUnavailable}, "")
}

// A client that happens not to poll, or has gone without a word, must not hold the
// end of the process up.
func TestShutdownOfIdlePolling(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		idle, queued := s.openPolling(t), s.openPolling(t)
		queued.peer.send("last words")
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.engine.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(begin); took > 10*time.Second+slack {
			t.Errorf("Shutdown took %v", took)
		}
		idle.peer.expectClose(t, engine.ServerShutdown)
		queued.peer.expectClose(t, engine.ServerShutdown)
	})
}

// Past its deadline Shutdown drops what cannot be delivered, and still waits for
// its own goroutines.
func TestShutdownPastItsDeadline(t *testing.T) {
	s := start(t, slowly())
	ws := s.openWS(t)
	for ws.peer.session.Writable() {
		ws.peer.send(strings.Repeat("x", 32<<10))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := s.engine.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("Shutdown took %v", took)
	}
	ws.peer.expectClose(t, engine.ServerShutdown)
}

// A session that opens while the server shuts down is either refused or closed
// like the others.
func TestShutdownWhileClientsConnect(t *testing.T) { inBothModes(t, testShutdownWhileClientsConnect) }

func testShutdownWhileClientsConnect(t *testing.T, opts *engine.Options) {
	s := start(t, opts)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 1000 {
				ws, err := s.connectWS()
				if err != nil {
					return // refused: the server has begun to shut down
				}
				for err == nil {
					_, err = ws.readMessage()
				}
				ws.Close()
			}
		})
	}
	s.next(t)
	s.next(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.engine.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	clients.Wait()
	for _, p := range s.accepted.drain() {
		p.expectClose(t, engine.ServerShutdown, engine.TransportClose, engine.TransportError)
	}
}

// Draining leaves the sessions that exist alone.
func TestStopAccepting(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	ws := s.openWS(t)
	s.engine.StopAccepting()
	s.expectUnavailable(t)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
	c.mustPost(t, "4hello")
	c.expectGet(t, "4hello")
	up := c.upgrade(t)
	up.mustText(t, "4hello")
	up.expect(t, "4hello")
}

func TestShutdownOfAnUnusedServer(t *testing.T) {
	s := start(t, nil)
	if err := s.engine.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	s.expectUnavailable(t)
}
