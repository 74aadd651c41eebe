package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/engine"
)

// upgradingClients opens so many default clients of the official package. Each stops in the moment in which it has stopped polling for the
// sake of its WebSocket, whose probe has been answered, and goes on when resume is called.
const upgradingClients = `
	const [url, n] = args;
	ctx.resume = null;
	const gate = new Promise((resolve) => (ctx.resume = resolve));
	let paused = 0;
	ctx.ends = [];
	for (let i = 0; i < n; i++) {
		const c = new EngineClient(url, { path: "/engine.io", transports: ["polling", "websocket"] });
		ctx.ends.push(new Promise((resolve) => c.once("close", resolve)));
		c.once("open", () => {
			const pause = c.transport.pause.bind(c.transport);
			c.transport.pause = (paused_) => pause(() => { paused++; gate.then(paused_); });
		});
	}
	await until(() => paused === n);`

// A client that stops polling since its WebSocket is about to take over notices whatever ends its session in this moment, however it ends.
func TestSessionsEndWhileTheClientUpgrades(t *testing.T) {
	inBothModes(t, testSessionsEndWhileTheClientUpgrades)
}

func testSessionsEndWhileTheClientUpgrades(t *testing.T, mode *engine.Options) {
	const clients = 20
	node := peers.Node(t)
	for name, tc := range map[string]struct {
		opts engine.Options
		end  func(t *testing.T, s *server, p *peer)
	}{
		"discarded": {end: func(_ *testing.T, _ *server, p *peer) { p.session.Discard(engine.ForcedClose) }},
		"closed":    {end: func(_ *testing.T, _ *server, p *peer) { p.session.Close(engine.ForcedClose) }},
		"closed with a message": {end: func(_ *testing.T, _ *server, p *peer) {
			p.send("last words")
			p.session.Close(engine.ForcedClose)
		}},
		"slow consumer": {
			opts: engine.Options{MaxQueueBytes: 10_000},
			end: func(_ *testing.T, _ *server, p *peer) {
				for range 3 {
					p.send(strings.Repeat("x", 8000))
				}
			},
		},
		"bad input": {end: func(t *testing.T, s *server, p *peer) {
			s.request(t, "POST", pollingQuery+"&sid="+p.session.ID(), "abc")
		}},
		"ping timeout": {opts: engine.Options{PingInterval: time.Second, PingTimeout: time.Second}},
		"panic": {end: func(t *testing.T, s *server, p *peer) {
			s.request(t, "POST", pollingQuery+"&sid="+p.session.ID(), "4panic")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := tc.opts
			opts.DisableParking = mode.DisableParking
			s := start(t, &opts)
			s.onMessage = func(*peer, engine.Message) { panic("as the test wants") }
			node.Eval(t, nil, upgradingClients, s.http.URL, clients)
			for range clients {
				p := s.next(t)
				if tc.end != nil {
					tc.end(t, s, p)
				}
				if !strings.HasPrefix(name, "closed") { // those end over the WebSocket, or some time later
					<-p.closed
				}
			}
			var also string
			if name == "ping timeout" { // the client's own timer ends at the same time
				also = name
			}
			expectClientsHearOfIt(t, node, clients, also)
		})
	}
}

func expectClientsHearOfIt(t *testing.T, node *peers.NodeProcess, clients int, also string) {
	t.Helper()
	var reasons []string
	// Much less than the 45 seconds after which they would find out by themselves.
	node.Eval(t, &reasons, `
		ctx.resume();
		const late = sleep(15_000).then(() => "nothing");
		return Promise.all(ctx.ends.map((end) => Promise.race([end, late])));`)
	for _, reason := range reasons {
		if reason != "transport close" && reason != also {
			t.Errorf("a client heard %q", reason)
		}
	}
	if len(reasons) != clients {
		t.Errorf("%d clients, want %d", len(reasons), clients)
	}
}

// Shutdown is no exception, whether its time suffices or not.
func TestShutdownWhileTheClientUpgrades(t *testing.T) {
	inBothModes(t, testShutdownWhileTheClientUpgrades)
}

func testShutdownWhileTheClientUpgrades(t *testing.T, mode *engine.Options) {
	const clients = 20
	node := peers.Node(t)
	for name, limit := range map[string]time.Duration{"in time": patience, "past its deadline": time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mode)
			node.Eval(t, nil, upgradingClients, s.http.URL, clients)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			ended := make(chan error)
			go func() { ended <- s.engine.Shutdown(ctx) }()
			if limit < time.Second {
				<-ended
			}
			expectClientsHearOfIt(t, node, clients, "")
			if limit > time.Second {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A client that never confirms its upgrade does not keep what its session has left for longer than the upgrade may take, and does not hold up
// a shutdown.
func TestClientThatNeverConfirmsTheUpgrade(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *server) {
		c := s.openPolling(t)
		ws := c.probe(t)
		ws.mustText(t, "2probe")
		ws.expect(t, "3probe")
		c.peer.session.Discard(engine.ForcedClose)
		start := time.Now()
		ws.expectClosing(t, noStatus)
		if took := time.Since(start); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("the connection was closed after %v, want UpgradeTimeout", took)
		}

		c = s.openPolling(t)
		ws = c.probe(t)
		ws.mustText(t, "2probe")
		ws.expect(t, "3probe")
		c.peer.session.Discard(engine.ForcedClose)
		start = time.Now()
		go func() { _, _ = ws.readText() }()
		if err := s.engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	})
}
