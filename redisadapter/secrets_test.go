package redisadapter_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// token is what clients give away to their server alone. In garbage is what a program sends that may write to Redis.
const (
	token    = "tok3n-0f-ann-and-nob0dy-else"
	garbage  = "s3cret-in-a-malf0rmed-message"
	patience = 20 * time.Second
)

// A capture keeps what is written to it.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// lacks fails the test, and shows the lines, if one holds the secret.
func (c *capture) lacks(t *testing.T, what, secret string) {
	t.Helper()
	for line := range strings.Lines(c.String()) {
		if strings.Contains(line, secret) {
			t.Errorf("%s has %s: %.1000s", what, secret, line)
		}
	}
}

// monitor captures every command that the Redis server gets from now on.
func monitor(t *testing.T, r *peers.RedisServer) *capture {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	commands, ended := &capture{}, make(chan struct{})
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "MONITOR\r\n")
	if answer, err := in.ReadString('\n'); answer != "+OK\r\n" {
		t.Fatalf("MONITOR is answered with %q, %v", answer, err)
	}
	go func() {
		defer close(ended)
		_, _ = io.Copy(commands, in) // ends with Close
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return commands
}

var (
	nameKey = socketio.NewKey[string]("name")
	authKey = socketio.NewLocalKey[string]("auth")
)

// A node is a server that logs all it can, what observers learn included.
type node struct {
	io  *socketio.Server
	rdb *redis.Client
	url string
	log capture
}

func startNode(t *testing.T, r *peers.RedisServer) *node {
	t.Helper()
	n := &node{rdb: redis.NewClient(&redis.Options{Addr: r.Addr})}
	log := slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n.io = socketio.NewServer(&socketio.Options{
		Adapter: redisadapter.New(n.rdb, nil), Logger: log, Observers: []socketio.Observer{observer(log)}, SecretParams: []string{"ticket"},
		Engine: engine.Options{AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Has("refuse") {
				return errors.New("not today")
			}
			return nil
		}},
	})
	n.serve()
	n.io.Of("/guarded").Use(func(_ context.Context, s *socketio.Socket) error { return s.Auth(&struct{ Token int }{}) })
	srv := httptest.NewUnstartedServer(n.io)
	srv.Listener.Close()
	srv.Listener = peers.Listen(t)
	srv.Start()
	n.url = srv.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(n.io.Shutdown(ctx), srv.Config.Shutdown(ctx), n.rdb.Close()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		srv.Close()
	})
	return n
}

// observer logs what it is told.
func observer(log *slog.Logger) socketio.Observer {
	return socketio.Observer{
		Connected:    func(i socketio.ConnectedInfo) { log.Debug("connected", "info", i, "socket", i.Socket) },
		Refused:      func(i socketio.RefusedInfo) { log.Debug("refused", "info", i, "conn", i.Conn) },
		Disconnected: func(i socketio.DisconnectedInfo) { log.Debug("disconnected", "info", i, "socket", i.Socket) },
		Closed:       func(i socketio.ClosedInfo) { log.Debug("closed", "info", i, "request", i.Conn.Handshake()) },
		Handled:      func(i socketio.HandledInfo) { log.Debug("handled", "info", i) },
		Emitted:      func(i socketio.EmittedInfo) { log.Debug("emitted", "info", i) },
		BadInput:     func(i socketio.BadInputInfo) { log.Debug("bad input", "info", i) },
		Joined:       func(i socketio.JoinedInfo) { log.Debug("joined", "info", i) },
		Left:         func(i socketio.LeftInfo) { log.Debug("left", "info", i) },
	}
}

// serve registers handlers that fail in every way.
func (n *node) serve() {
	n.io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token, Name string }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		nameKey.Set(s, auth.Name)
		authKey.Set(s, auth.Token)
		s.Join("all")
		return nil
	})
	socketio.On(n.io, "number", func(context.Context, *socketio.Socket, int) error { return nil })
	socketio.On(n.io, "fail", func(context.Context, *socketio.Socket, string) error { return errors.New("it fails") })
	socketio.On(n.io, "panic", func(_ context.Context, s *socketio.Socket, text string) error { panic(s) })
	socketio.OnWithAck(n.io, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	socketio.OnServer(n.io, "note", func(context.Context, string) error { return errors.New("it fails") })
	socketio.OnServerWithAck(n.io, "ask", func(_ context.Context, text string) (string, error) { return text, nil })
}

// clients connect to the nodes with a token wherever there is place for one, by each transport; they answer what they are asked.
const connectClients = `
	const secret = { auth: { token: args[0], name: "ann" }, query: { token: args[0], ticket: args[0], room: "lobby" }, extraHeaders: {
		authorization: "Bearer " + args[0], cookie: "session=" + args[0], referer: "http://example.com/?token=" + args[0],
		"x-api-key": args[0], "x-name": "ann's" } };
	ctx.secret = secret;
	ctx.clients = [];
	for (const url of args[1]) for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
		const s = await connect(url, { ...secret, transports });
		s.on("ask", (cb) => cb("fine"));
		ctx.clients.push(s);
	}`

// Clients do what is an error, without and with their token.
const doWrong = `
	const [token, url] = args, s = ctx.clients[0];
	for (const event of ["number", "fail", "panic", "nobody handles this"]) s.emit(event, token);
	for (const event of ["number", "fail", "panic"]) await s.emitWithAck(event, token);
	if (await s.emitWithAck("echo", token) !== token) throw new Error("no echo");
	const refused = async (url, opts) => {
		try { await connect(url, opts); } catch { return }
		throw new Error("not refused");
	};
	for (const transports of [["polling"], ["websocket"]]) {
		await refused(url + "/guarded", { ...ctx.secret, transports });
		await refused(url + "/nowhere", { ...ctx.secret, transports });
		await refused(url, { ...ctx.secret, transports, query: { ...ctx.secret.query, refuse: 1 } });
	}
	for (const packet of ['40{"token":"' + token, '42["x","' + token, '42["disconnect","' + token + '"]', token, '451-["x","' + token + '"]', '43[' + token]) {
		const ws = new WebSocket(url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket&token=" + token, { headers: ctx.secret.extraHeaders });
		ws.on("open", () => { for (const p of ["40", packet, "4" + token]) ws.send(p); });
		ws.on("error", () => {});
		await new Promise((closed) => ws.on("close", closed));
	}
	for (const query of ["transport=" + token, "transport=polling&sid=" + token, "transport=polling&EIO=3&x=" + token, "transport=polling&EIO=4&token=" + token]) {
		await (await fetch(url + "/socket.io/?" + query, { headers: ctx.secret.extraHeaders, method: query.includes("sid") ? "POST" : "GET" })).text();
	}`

// All that a node says to the others.
func (n *node) talk(t *testing.T, sockets int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := n.io.To("all")
	found, err := all.FetchSockets(ctx)
	if err != nil || len(found) != sockets {
		t.Fatalf("%d sockets, %v", len(found), err)
	}
	for _, s := range found {
		h, err := s.Handshake()
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := json.Marshal(h); bytes.Contains(raw, []byte(token)) || string(h.Auth) != "{}" || h.Header.Get("X-Name") != "ann's" || h.Query.Get("room") != "lobby" {
			t.Errorf("the handshake of a socket is %s", raw)
		}
		if nameKey.Get(s) != "ann" || strings.Contains(string(s.Data()), token) {
			t.Errorf("the data of a socket are %s", s.Data())
		}
	}
	answers, err := all.EmitWithAck(ctx, "ask")
	if err != nil || len(answers) != sockets {
		t.Errorf("%d answers, %v", len(answers), err)
	}
	one := found[0]
	_, err = one.EmitWithAck(ctx, "ask")
	_, asked := n.io.ServerEmitWithAck(ctx, "ask", "you")
	_, counted := n.io.Count(ctx)
	_, listed := n.io.AllRooms(ctx)
	if err := errors.Join(err, asked, counted, listed, all.Emit("hello", "you"), all.Volatile().Emit("hello"), one.Emit("hello"), all.JoinAll(ctx, "more"),
		all.LeaveAll(ctx, "more"), one.Join(ctx, "one"), one.Leave(ctx, "one"), n.io.ServerEmit(ctx, "note", "you")); err != nil {
		t.Error(err)
	}
}

// Nothing of what a client gives its server to be known by is in Redis or in a log, whatever happens.
func TestNoSecretsInRedisOrLogs(t *testing.T) {
	r, js := peers.Redis(t), peers.Node(t)
	commands := monitor(t, r)
	a, b := startNode(t, r), startNode(t, r)
	js.Eval(t, nil, `ctx.s = await startServer({ redis: args[0] }); ctx.s.io.on("ask", (x, cb) => cb(x))`, r.URL)
	for _, n := range []*node{a, b} {
		waitFor(t, "three nodes to listen", func() bool {
			count, err := n.io.ServerCount(t.Context())
			return err == nil && count == 3
		})
	}
	js.Eval(t, nil, connectClients, token, []string{a.url, b.url})
	const clients = 6
	a.talk(t, clients)
	b.talk(t, clients)
	seenByNode(t, js, clients)
	js.Eval(t, nil, doWrong, token, a.url)
	for _, channel := range []string{"socket.io#/#", "socket.io#/#all#", "socket.io-request#/#", "socket.io-response#/#"} {
		for _, payload := range []string{garbage, `{"type":5,"requestId":"` + garbage, `{"type":"` + garbage + `"}`, "\x93" + garbage, `{"type":6,"data":"` + garbage + `"}`} {
			if err := a.rdb.Publish(t.Context(), channel, payload).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	js.Eval(t, nil, `ctx.clients.pop().disconnect()`)
	if err := b.io.To("all").DisconnectSockets(t.Context(), true); err != nil {
		t.Error(err)
	}
	js.Eval(t, nil, `await until(() => ctx.clients.every((s) => !s.connected)); await ctx.s.close()`)
	if err := a.io.Emit("the end"); err != nil {
		t.Error(err)
	}
	waitFor(t, "the capture to be complete", func() bool { return strings.Contains(commands.String(), "the end") })
	commands.lacks(t, "Redis", token)
	for name, n := range map[string]*node{"a": a, "b": b} {
		n.log.lacks(t, "the log of "+name, token)
		n.log.lacks(t, "the log of "+name, garbage)
	}
	checkCaptures(t, commands, a)
}

// checkCaptures looks for what must be there, or the test would look in the wrong place.
func checkCaptures(t *testing.T, commands *capture, a *node) {
	t.Helper()
	for _, want := range []string{"ann's", "lobby", `\"name\":\"ann\"`} {
		if !strings.Contains(commands.String(), want) {
			t.Errorf("Redis has got no %s", want)
		}
	}
	for _, want := range []string{"level=DEBUG", "panic", "refuse client", "bad input", "request refused", "malformed", "connected"} {
		if !strings.Contains(a.log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}

// seenByNode checks what a Node.js server sees of the sockets: handshakes as its own are, without secrets.
func seenByNode(t *testing.T, js *peers.NodeProcess, sockets int) {
	t.Helper()
	var seen []struct {
		Handshake struct {
			Headers, Query, Auth map[string]any
			URL                  string
		}
		Keys []string
		Data map[string]any
	}
	js.Eval(t, &seen, `return (await ctx.s.io.fetchSockets()).map(({ handshake, data }) => ({ handshake, data, keys: Object.keys(handshake) }))`)
	if len(seen) != sockets {
		t.Fatalf("Node sees %d sockets", len(seen))
	}
	for _, s := range seen {
		h := s.Handshake
		if h.Auth == nil || len(h.Auth) > 0 || h.Headers["x-name"] != "ann's" || h.Query["room"] != "lobby" || h.Query["EIO"] != "4" || s.Data["name"] != "ann" {
			t.Errorf("Node sees %+v", s)
		}
		for _, name := range []string{"authorization", "cookie", "referer", "x-api-key"} {
			if _, ok := h.Headers[name]; ok {
				t.Errorf("Node sees the headers %v", h.Headers)
			}
		}
		params := slices.Sorted(maps.Keys(h.Query))
		if slices.Contains(params, "token") || slices.Contains(params, "ticket") || strings.Contains(h.URL, token) {
			t.Errorf("Node sees the query %v, the URL %s", h.Query, h.URL)
		}
		want := []string{"headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"}
		if !slices.Equal(s.Keys, want) {
			t.Errorf("Node sees handshakes of %q, want %q as its own have", s.Keys, want)
		}
	}
}

// waitFor polls a condition and fails the test if it does not come true.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
