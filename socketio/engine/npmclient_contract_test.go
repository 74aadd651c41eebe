package engine_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio/engine"
)

// The sets of transports that a client may be told to use, and the one it is on in
// the end.
var clientTransports = []struct {
	name       string
	transports []string
	final      string
}{
	{"polling", []string{"polling"}, "polling"},
	{"websocket", []string{"websocket"}, "websocket"},
	{"upgrade", []string{"polling", "websocket"}, "websocket"},
}

// openClient opens a client of the official package, and waits until its transport
// is final. It is ctx.c afterwards, and what it receives is in ctx.got.
const openClient = `
	const [url, transports, final] = args;
	ctx.got = [];
	ctx.c = new EngineClient(url, { path: "/engine.io", transports });
	ctx.c.binaryType = "nodebuffer";
	ctx.c.on("message", (m) => ctx.got.push(m));
	await once(ctx.c, "open");
	await until(() => ctx.c.transport.name === final && !ctx.c.upgrading);
	return ctx.c.id;`

// eachTransport runs a test with a client of the official package over each
// transport.
func eachTransport(t *testing.T, opts *engine.Options, test func(t *testing.T, s *server, n *peers.NodeProcess, p *peer)) {
	t.Helper()
	node := peers.Node(t)
	for _, tr := range clientTransports {
		t.Run(tr.name, func(t *testing.T) {
			s := startEcho(t, opts)
			var sid string
			node.Eval(t, &sid, openClient, s.http.URL, tr.transports, tr.final)
			p := s.next(t)
			if p.session.ID() != sid {
				t.Fatalf("session %q, want %q", p.session.ID(), sid)
			}
			// The client does not wait for the server to hear of its upgrade.
			eventually(t, "the server is on "+tr.final, func() bool { return p.session.Transport() == tr.final })
			test(t, s, node, p)
			if err := node.Try(nil, `ctx.c.close(); await until(() => ctx.c.readyState === "closed");`); err != nil {
				t.Error(err)
			}
			p.expectClose(t, engine.TransportClose, engine.ForcedClose, engine.PingTimeout)
		})
	}
}

func TestJSClientMessages(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, _ *server, n *peers.NodeProcess, p *peer) {
		for _, m := range []string{"", "hello", "€ 𝄞 \x00\"\\", string(bytes.Repeat([]byte("é"), 200_000))} {
			var got string
			n.Eval(t, &got, `ctx.c.send(args[0]); return (await once(ctx.c, "message"))[0];`, m)
			if got != m {
				t.Errorf("sent %d bytes %.20q, got %d bytes %.20q back", len(m), m, len(got), got)
			}
			p.expect(t, text(m))
		}
		large := make([]byte, 600_000)
		for i := range large {
			large[i] = byte(i * 7)
		}
		for _, b := range [][]byte{{}, {0}, {1, 2, 3, 4}, {0xff, 0xfe, 0x1e}, large} {
			var got peers.Bin
			n.Eval(t, &got, `ctx.c.send(args[0]); return (await once(ctx.c, "message"))[0];`, peers.Bin(b))
			if !bytes.Equal(got, b) {
				t.Errorf("sent %d bytes, got %d other ones back", len(b), len(got))
			}
			p.expect(t, bin(string(b)))
		}
	})
}

// A client sends what it has in as few requests as the server's limit allows.
func TestJSClientBurst(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, _ *server, n *peers.NodeProcess, p *peer) {
		var got []string
		n.Eval(t, &got, `
			ctx.got = [];
			const texts = Array.from({ length: 500 }, (_, i) => i + "x".repeat(i % 50 === 0 ? 90_000 : 3));
			for (const m of texts) { ctx.c.send(m); ctx.c.send(Buffer.from([1, 2])); }
			await until(() => ctx.got.length === 1000);
			return ctx.got.filter((m, i) => typeof m !== (i % 2 ? "object" : "string") || (i % 2 === 0 && m !== texts[i / 2]))
				.map(String);`)
		if len(got) != 0 {
			t.Errorf("%d messages are wrong: %.100q", len(got), got)
		}
		if n := len(p.messages.drain()); n != 1000 {
			t.Errorf("the server received %d messages, want 1000", n)
		}
	})
}

func TestJSClientHearsTheEnd(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, s *server, n *peers.NodeProcess, p *peer) {
		s.engine.SetPollingGrace(patience)
		n.Eval(t, nil, `ctx.ended = once(ctx.c, "close"); ctx.got = [];`)
		p.send("last words")
		p.session.Close(engine.ForcedClose)
		var reason string
		n.Eval(t, &reason, `return (await ctx.ended)[0];`)
		if reason != "transport close" {
			t.Errorf("the client was told %q", reason)
		}
		var got []string
		n.Eval(t, &got, `return ctx.got;`)
		if fmt.Sprint(got) != "[last words]" {
			t.Errorf("the client got %q before the end", got)
		}
		p.expectClose(t, engine.ForcedClose)
	})
}

func TestJSClientCloses(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, s *server, n *peers.NodeProcess, p *peer) {
		n.Eval(t, nil, `ctx.c.send("last words"); ctx.c.close(); await once(ctx.c, "close");`)
		p.expectClose(t, engine.TransportClose)
		p.expect(t, text("last words"))
		if n := s.engine.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestJSClientHeartbeat(t *testing.T) {
	opts := &engine.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 5 * time.Second}
	eachTransport(t, opts, func(t *testing.T, _ *server, n *peers.NodeProcess, p *peer) {
		n.Eval(t, nil, `await take(ctx.c, "ping", 5);`)
		p.expectOpen(t)
		var got string
		n.Eval(t, &got, `ctx.c.send("hello"); return (await once(ctx.c, "message"))[0];`)
		if got != "hello" {
			t.Errorf("got %q", got)
		}
	})
}

// Both sides send all the time while the client upgrades.
func TestJSClientOrderAcrossTheUpgrade(t *testing.T) {
	const messages = 300
	n := peers.Node(t)
	s := start(t, nil)
	for range 10 {
		n.Eval(t, nil, `
			const [url, messages] = args;
			ctx.got = [];
			ctx.c = new EngineClient(url, { path: "/engine.io", transports: ["polling", "websocket"] });
			ctx.c.on("message", (m) => ctx.got.push(m));
			ctx.upgraded = once(ctx.c, "upgrade");
			await once(ctx.c, "open");
			ctx.sent = (async () => {
				for (let i = 0; i < messages; i++) {
					ctx.c.send(String(i));
					if (i % 10 === 0) await new Promise((done) => setTimeout(done, 1));
				}
			})();`, s.http.URL, messages)
		p := s.next(t)
		var want []message
		for i := range messages {
			p.send(fmt.Sprint(i))
			want = append(want, text(fmt.Sprint(i)))
			if i%10 == 0 {
				// Spread over the time of the upgrade; nothing depends on it.
				time.Sleep(time.Millisecond)
			}
		}
		var got []string
		n.Eval(t, &got, `
			await ctx.upgraded;
			await ctx.sent;
			await until(() => ctx.got.length >= args[0]);
			return ctx.got;`, messages)
		for i, m := range got {
			if m != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m)
			}
		}
		p.expect(t, want...)
		n.Eval(t, nil, `ctx.c.close();`)
		p.expectClose(t, engine.TransportClose)
	}
}

func TestJSClientIsRefused(t *testing.T) {
	n := peers.Node(t)
	s := start(t, &engine.Options{AllowRequest: func(*http.Request) error { return &engine.RefusedError{Message: "go away"} }})
	for _, tr := range clientTransports[:2] {
		var status int
		n.Eval(t, &status, `
			const c = new EngineClient(args[0], { path: "/engine.io", transports: args[1] });
			const [err] = await once(c, "error");
			return err.type === "TransportError" ? 1 : 0;`, s.http.URL, tr.transports)
		if status != 1 {
			t.Errorf("%s: the client was not refused", tr.name)
		}
	}
	if n := s.engine.Len(); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

func TestJSClientProtocolsAndHeaders(t *testing.T) {
	n := peers.Node(t)
	s := start(t, nil)
	var protocol string
	n.Eval(t, &protocol, `
		const c = new EngineClient(args[0], {
			path: "/engine.io", transports: ["websocket"], protocols: ["one", "two"],
			extraHeaders: { "X-Tenant": "acme" }, query: { user: "a b" },
		});
		await once(c, "open");
		const p = c.transport.ws.protocol;
		c.close();
		return p;`, s.http.URL)
	if protocol != "one" {
		t.Errorf("subprotocol %q, want the first", protocol)
	}
	h := s.next(t).session.Handshake()
	if h.Header().Get("X-Tenant") != "acme" || h.Query().Get("user") != "a b" {
		t.Errorf("headers %v, query %v", h.Header(), h.Query())
	}
}
