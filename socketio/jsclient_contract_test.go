package socketio_test

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/socketio"
)

// A jsTest runs JavaScript against a server of its own.
type jsTest struct {
	*testServer

	t    *testing.T
	node *peers.NodeProcess
	env  jsEnv
}

type jsEnv struct {
	ID         int64    `json:"id"`
	URL        string   `json:"url"`
	Transports []string `json:"transports"`
}

// jsPrelude is what the JavaScript of the tests has in scope besides that of package peers: open makes a client, dial waits until it is
// connected, and upgraded if that is what the test is about; my survives from one piece of code to the next of the same test.
const jsPrelude = `
const {id: caseID, url, transports} = args.shift();
const my = (ctx[caseID] ??= {sockets: []});
const open = (path = "/", opts = {}) => {
	const s = io(url + (path === "/" ? "" : path), {transports, reconnection: false, forceNew: true, ...opts});
	my.sockets.push(s);
	return s;
};
const settled = async (s) => {
	if (!s.connected) await new Promise((resolve, reject) => {
		s.once("connect", resolve);
		s.once("connect_error", reject);
		setTimeout(() => reject(new Error("no connection")), 15000).unref();
	});
	if (transports.length === 2) await until(() => s.io.engine.transport.name === "websocket");
	return s;
};
const dial = (path, opts) => settled(open(path, opts));
`

// eval runs JavaScript and fails the test if it throws.
func (j *jsTest) eval(out any, js string, args ...any) {
	j.t.Helper()
	j.node.Eval(j.t, out, jsPrelude+js, append([]any{j.env}, args...)...)
}

// evalAside runs JavaScript while the test goes on. The result is given to the function that it returns.
func (j *jsTest) evalAside(out any, js string, args ...any) (wait func()) {
	j.t.Helper()
	done := make(chan error, 1)
	go func() { done <- j.node.Try(out, jsPrelude+js, append([]any{j.env}, args...)...) }()
	return func() {
		j.t.Helper()
		if err := await(j.t, "the end of the JavaScript", done); err != nil {
			j.t.Fatal(err)
		}
	}
}

// socket returns the only socket of a namespace.
func (j *jsTest) socket(namespace string) *socketio.Socket {
	j.t.Helper()
	for s := range j.Of(namespace).Sockets() {
		return s
	}
	j.t.Fatalf("no socket in %s", namespace)
	return nil
}

// A jsCase is a test that runs with the real client on each of its transports.
type jsCase struct {
	name string
	run  func(t *testing.T, j *jsTest)
}

// runJS runs the cases with the real client over polling, over WebSocket, and with an upgrade from one to the other.
func runJS(t *testing.T, cases []jsCase) {
	t.Helper()
	runJSWith(t, nil, cases)
}

// runJSWith is runJS with a server that has options.
func runJSWith(t *testing.T, opts *socketio.Options, cases []jsCase) {
	t.Helper()
	node := peers.Node(t)
	var last atomic.Int64
	for name, transports := range map[string][]string{
		"polling": {"polling"}, "websocket": {"websocket"}, "upgrade": {"polling", "websocket"},
	} {
		for _, c := range cases {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				s := serve(t, opts).echo()
				j := &jsTest{testServer: s, t: t, node: node, env: jsEnv{ID: last.Add(1), URL: s.url, Transports: transports}}
				defer func() {
					_ = node.Try(nil, jsPrelude+`for (const s of my.sockets) s.io.engine?.close(), s.disconnect();`, j.env)
				}()
				c.run(t, j)
			})
		}
	}
}

// canonical returns a JSON value in one of the many ways to write it.
func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// expectJSON compares what JavaScript has returned.
func expectJSON(t *testing.T, got any, want string) {
	t.Helper()
	raw, err := json.Marshal(got)
	if err != nil || string(raw) != want {
		t.Errorf("the client saw %s (%v), want %s", raw, err, want)
	}
}

// collectNumbers keeps the numbers of the event "n", and acknowledges "all" with them.
func (j *jsTest) collectNumbers() {
	var got []int
	socketio.On(j, "n", func(_ context.Context, _ *socketio.Socket, n int) error {
		got = append(got, n)
		return nil
	})
	socketio.OnWithAck(j, "all", func(context.Context, *socketio.Socket, socketio.None) ([]int, error) { return got, nil })
}

// Connecting: ids, auth, query, namespaces, refusals.
func TestJSConnect(t *testing.T) {
	runJS(t, []jsCase{
		{"auth, query and headers", jsAuth},
		{"auth as a function", jsAuthFunction},
		{"several namespaces over one connection", jsNamespaces},
		{"unknown namespace", jsUnknownNamespace},
		{"refused by a guard, then let in", jsRefused},
		{"a guard's other errors", jsGuardPanics},
		{"what a guard emits", jsGuardEmits},
		{"connecting again while connecting", jsConnectAgain},
		{"broadcasts meanwhile", jsBroadcastsMeanwhile},
		{"what is emitted before connecting arrives afterwards", jsEmitsBeforeConnecting},
	})
}

func jsAuth(t *testing.T, j *jsTest) {
	t.Helper()
	got := make(chan *socketio.Socket, 1)
	j.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		got <- s
		return nil
	})
	var id string
	j.eval(&id, `
		const s = await dial("/", {auth: {token: "t", list: [1, {a: null}]}, query: {room: "r 1"}, extraHeaders: {"X-Test": "yes"}});
		return s.id`)
	s := await(t, "the socket", got)
	var auth struct {
		Token string
		List  []any
	}
	if err := s.Auth(&auth); err != nil || auth.Token != "t" || len(auth.List) != 2 {
		t.Errorf("auth is %+v (%v)", auth, err)
	}
	h := s.Handshake()
	if s.ID() != id || h.Query.Get("room") != "r 1" || h.Header.Get("X-Test") != "yes" {
		t.Errorf("id %s and %s, query %v, headers %v", s.ID(), id, h.Query, h.Header)
	}
}

func jsAuthFunction(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ N int }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		if auth.N != 7 {
			return &socketio.Error{Message: "wrong"}
		}
		return nil
	})
	j.eval(nil, `await dial("/", {auth: (cb) => setTimeout(() => cb({n: 7}), 5)})`)
}

func jsNamespaces(t *testing.T, j *jsTest) {
	t.Helper()
	j.Of("/a").OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("hi", "a") })
	j.Of("/b/c").OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("hi", "b") })
	var got []any
	j.eval(&got, `
		const s = await dial();
		const a = s.io.socket("/a"), b = s.io.socket("/b/c", {auth: {x: 1}});
		const hi = Promise.all([once(a, "hi"), once(b, "hi")]);
		return [...await hi, a.id !== b.id && a.id !== s.id, await s.emitWithAck("echo", 1)]`)
	expectJSON(t, got, `[["a"],["b"],true,1]`)
	if st := j.Stats(); st.Connections != 1 || st.Sockets != 3 {
		t.Errorf("stats are %+v", st)
	}
}

func jsUnknownNamespace(t *testing.T, j *jsTest) {
	t.Helper()
	var got []any
	j.eval(&got, `
		const s = await dial();
		const err = await once(s.io.socket("/nope"), "connect_error");
		return [err[0].message, err[0].data ?? null, s.connected, await s.emitWithAck("echo", 2)]`)
	expectJSON(t, got, `["Invalid namespace",null,true,2]`)
}

func jsRefused(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil || auth.Token != "right" {
			return &socketio.Error{Message: "not authorized", Data: map[string]any{"content": "retry later", "code": 7}}
		}
		return nil
	})
	var got []any
	j.eval(&got, `
		const s = open("/", {auth: {token: "wrong"}});
		const [err] = await once(s, "connect_error");
		const before = [err.message, err.data, err instanceof Error, s.connected, s.active];
		s.auth = {token: "right"};
		s.connect();
		await settled(s);
		return [...before, s.connected]`)
	expectJSON(t, got, `["not authorized",{"code":7,"content":"retry later"},true,false,false,true]`)
}

func jsGuardPanics(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(context.Context, *socketio.Socket) error { panic("secret") })
	var got string
	j.eval(&got, `return (await once(open(), "connect_error"))[0].message`)
	if got != "internal error" {
		t.Errorf("the client was told %q", got)
	}
}

func jsGuardEmits(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(_ context.Context, s *socketio.Socket) error { return s.Emit("early", []byte("x")) })
	var got []any
	j.eval(&got, `
		const s = open(), seen = [];
		s.on("connect", () => seen.push("connect"));
		s.on("early", (b) => seen.push(s.connected, b.toString()));
		await settled(s);
		await s.emitWithAck("echo");
		return seen.sort()`)
	expectJSON(t, got, `["connect",true,"x"]`)
}

// As the effects of a React component in StrictMode do, and after a change of route.
func jsConnectAgain(t *testing.T, j *jsTest) {
	t.Helper()
	slow := j.Of("/slow")
	asked := make(chan struct{})
	first := true
	slow.Use(func(ctx context.Context, _ *socketio.Socket) error {
		if !first {
			return nil
		}
		first = false
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	})
	socketio.On(j, "asked", func(context.Context, *socketio.Socket, socketio.None) error {
		<-asked
		return nil
	})
	j.eval(nil, `
		const s = await dial();
		my.slow = s.io.socket("/slow");
		my.seen = [];
		for (const event of ["connect", "disconnect", "connect_error", "news"]) my.slow.on(event, () => my.seen.push(event));
		await s.emitWithAck("asked");
		my.slow.disconnect();
		my.slow.connect();
		await until(() => my.slow.connected)`)
	if err := slow.Emit("news"); err != nil {
		t.Error(err)
	}
	var got []any
	j.eval(&got, `
		await until(() => my.seen.includes("news"));
		return [...my.seen, my.slow.connected, await my.sockets[0].emitWithAck("echo", 1)]`)
	expectJSON(t, got, `["connect","news",true,1]`)
	if st := j.Stats(); st.Connections != 1 || st.Sockets != 2 {
		t.Errorf("stats are %+v", st)
	}
}

func jsBroadcastsMeanwhile(t *testing.T, j *jsTest) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var emitting sync.WaitGroup
	defer func() {
		stop()
		emitting.Wait()
	}()
	emitting.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = j.Emit("n", i)
			time.Sleep(100 * time.Microsecond)
		}
	})
	var gaps int
	j.eval(&gaps, `
		const gaps = await Promise.all(Array.from({length: 20}, async () => {
			const s = open(), seen = [];
			s.on("n", (n) => seen.push(n));
			await settled(s);
			await until(() => seen.length > 20);
			return seen.filter((n, i) => n !== seen[0] + i).length;
		}));
		return gaps.reduce((a, b) => a + b)`)
	if gaps > 0 {
		t.Errorf("%d events were missed or came twice", gaps)
	}
}

func jsEmitsBeforeConnecting(t *testing.T, j *jsTest) {
	t.Helper()
	j.collectNumbers()
	var told []int
	j.eval(&told, `
		const s = open();
		for (let i = 0; i < 50; i++) s.emit("n", i);
		return s.emitWithAck("all")`)
	if len(told) != 50 || told[0] != 0 || told[49] != 49 {
		t.Errorf("the server got %v", told)
	}
}

// The handshake has the same shape as that of the reference for the same client.
func TestJSHandshake(t *testing.T) {
	runJS(t, []jsCase{{"handshake", jsHandshake}})
}

func jsHandshake(t *testing.T, j *jsTest) {
	t.Helper()
	got := make(chan []byte, 1)
	j.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		raw, err := json.Marshal(s.Handshake())
		got <- raw
		return err
	})
	var reference json.RawMessage
	j.eval(&reference, `
		const opts = {auth: {a: [1]}, query: {q: "x y", n: 1}, extraHeaders: {origin: "http://example.com", "x-one": "1", cookie: "a=b; c=d"}};
		await dial("/", opts);
		const server = await startServer();
		const theirs = new Promise((resolve) => server.io.on("connection", (s) => resolve(s.handshake)));
		const s = io(server.url, {transports, reconnection: false, forceNew: true, ...opts});
		const h = await theirs;
		s.disconnect();
		await server.close();
		return h`)
	if ours, want := handshakeShape(t, await(t, "the handshake", got)), handshakeShape(t, reference); ours != want {
		t.Errorf("the handshake is\n%s\nthe reference has\n%s", ours, want)
	}
}

// handshakeShape returns the JSON of a handshake without what differs each time.
func handshakeShape(t *testing.T, raw []byte) string {
	t.Helper()
	var h struct {
		Headers map[string]any
		Time    string
		Address any
		XDomain any
		Secure  any
		Issued  float64
		URL     string
		Query   map[string]any
		Auth    any
		Rest    map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &h.Rest); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for key := range h.Rest {
		keys[key] = true
	}
	if h.Issued < 1e12 || len(h.Query) == 0 || len(h.Headers) == 0 {
		t.Errorf("issued %v, query %v, headers %v", h.Issued, h.Query, h.Headers)
	}
	if _, ok := h.Query["t"]; ok {
		h.Query["t"] = "random"
	}
	if _, ok := h.Headers["sec-websocket-key"]; ok {
		h.Headers["sec-websocket-key"] = "random"
	}
	h.Headers["host"] = "host"
	if _, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", h.Time[:min(33, len(h.Time))]); err != nil {
		t.Errorf("time is %q", h.Time)
	}
	out, err := json.MarshalIndent([]any{h.Headers, h.Address, h.XDomain, h.Secure, h.Query, h.Auth, h.URL[:13], keys}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// serveAt starts a server on a certain port. The test ends it.
func serveAt(t *testing.T, port int, opts *socketio.Options) *testServer {
	t.Helper()
	var l net.Listener
	eventually(t, "the port is free", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil
	})
	s := serveOn(t, l, opts)
	s.dial = new(net.Dialer).DialContext
	return s.echo()
}
