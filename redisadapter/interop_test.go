package redisadapter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// mixed is a cluster of one Go node and one Node.js server with the official
// adapter, which has one client in its main namespace and one in /custom.
type mixed struct {
	redis *peers.RedisServer
	node  *peers.NodeProcess
	host  *adaptertest.Host // of the main namespace
	other *adaptertest.Host // of /custom
}

// The Node.js server puts its sockets into a room "room" and a room that is a
// number. Its client keeps what it gets in ctx.got, and answers what wants an
// answer with what ctx.answer says.
const startNode = `
	ctx.s = await startServer({ redis: args[0], adapterOpts: args[1] ?? undefined });
	ctx.got = [];
	ctx.answer = (...got) => ["from node", ...got];
	for (const name of ["/", "/custom"]) {
		ctx.s.io.of(name).on("connection", (socket) => {
			socket.join(["room", 123]);
			socket.data = { user: "ann", n: 1 };
		});
	}
	const watch = (socket) => socket.onAny((...got) => {
		const ack = typeof got.at(-1) === "function" ? got.pop() : undefined;
		ctx.got.push(got);
		if (ack) ack(...ctx.answer(...got));
	});
	ctx.client = await connect(ctx.s.url, { auth: { token: "abc" }, query: { x: "1" } });
	ctx.custom = await connect(ctx.s.url + "/custom");
	watch(ctx.client);
	watch(ctx.custom);
	ctx.all = ctx.s.io.of("/");
	ctx.sid = ctx.client.id;`

func startMixed(t *testing.T, opts *Options, nodeOpts map[string]any) *mixed {
	t.Helper()
	m := &mixed{redis: peers.Redis(t), node: peers.Node(t)}
	m.node.Eval(t, nil, startNode, m.redis.URL, nodeOpts)
	factory := New(client(t, m.redis.Addr), opts)
	m.host = openHost(t, "/", factory)
	m.other = openHost(t, "/custom", factory)
	for _, h := range []*adaptertest.Host{m.host, m.other} {
		eventually(t, "both nodes to listen", func() bool {
			n, err := h.Adapter().ServerCount(t.Context())
			return err == nil && n == 2
		})
	}
	return m
}

// openHost makes a namespace of a server whose id is the test's name.
func openHost(t *testing.T, namespace string, factory adapter.Factory) *adaptertest.Host {
	t.Helper()
	h := adaptertest.NewHost(namespace, t.Name(), factory)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adaptertest.Patience)
		defer cancel()
		if err := h.Adapter().Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * adaptertest.Patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adaptertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// patiently tries what has little time, and is to have what comes at once, with
// more of it as long as it fails: the machine may stall.
func patiently(t *testing.T, try func(limit time.Duration) error) {
	t.Helper()
	for limit := 300 * time.Millisecond; ; limit *= 4 {
		err := try(limit)
		if err == nil {
			return
		}
		if limit > adaptertest.Patience {
			t.Fatal(err)
		}
	}
}

func event(namespace, data string, attachments ...[]byte) *adapter.Packet {
	return &adapter.Packet{Type: adapter.Event, Namespace: namespace, Data: []byte(data), Attachments: attachments}
}

// nodeGot returns what the Node.js server's clients have got up to an event that
// is sent now.
func (m *mixed) nodeGot(t *testing.T) []any {
	t.Helper()
	for _, h := range []*adaptertest.Host{m.host, m.other} {
		if err := h.Adapter().Broadcast(t.Context(), event(h.Namespace(), `["end"]`), adapter.Target{}); err != nil {
			t.Fatal(err)
		}
	}
	var got []any
	m.node.Eval(t, &got, `
		await until(() => ctx.got.filter(([name]) => name === "end").length === 2);
		const got = ctx.got.filter(([name]) => name !== "end");
		ctx.got = [];
		return got`)
	return got
}

// nodeDo runs a JavaScript expression on the Node.js server.
func (m *mixed) nodeDo(t *testing.T, js string, args ...any) (result any) {
	t.Helper()
	m.node.Eval(t, &result, "return ("+js+")", args...)
	return result
}

// checkJSON compares a value of the Node.js process with a JSON text.
func checkJSON(t *testing.T, got any, want string) {
	t.Helper()
	if !reflect.DeepEqual(got, decoded(t, []byte(want))) {
		text, err := json.Marshal(got)
		t.Errorf("got  %s %v\nwant %s", text, err, want)
	}
}

func TestBroadcastToNode(t *testing.T) {
	m := startMixed(t, nil, nil)
	var sid string
	m.node.Eval(t, &sid, `return ctx.sid`)
	rooms := func(names ...string) adapter.Target { return adapter.Target{Rooms: names} }
	tests := []struct {
		name        string
		target      adapter.Target
		data        string
		attachments [][]byte
		want        string // what the clients got
	}{
		{"all", adapter.Target{}, `["e",1,"2",true,null,{"a":[1.5,-3,"é😀"]},9007199254740991]`, nil, `[["e",1,"2",true,null,{"a":[1.5,-3,"é😀"]},9007199254740991]]`},
		{"no arguments", adapter.Target{}, `["e"]`, nil, `[["e"]]`},
		{"a number as name", adapter.Target{}, `[7,1]`, nil, `[[7,1]]`},
		{"room", rooms("room"), `["e"]`, nil, `[["e"]]`},
		{"room that is a number there", rooms("123"), `["e"]`, nil, `[["e"]]`},
		{"two rooms", rooms("room", "123", "none"), `["e"]`, nil, `[["e"]]`},
		{"room without members", rooms("none"), `["e"]`, nil, `[]`},
		{"two rooms without members", rooms("none", "0"), `["e"]`, nil, `[]`},
		{"except", adapter.Target{Except: []string{"room"}}, `["e"]`, nil, `[]`},
		{"except a room that is a number there", adapter.Target{Except: []string{"123"}}, `["e"]`, nil, `[]`},
		{"except another", adapter.Target{Rooms: []string{"room"}, Except: []string{"none"}}, `["e"]`, nil, `[["e"]]`},
		{"one socket", rooms(sid), `["e"]`, nil, `[["e"]]`},
		{"local", adapter.Target{Flags: adapter.Flags{Local: true}}, `["e"]`, nil, `[]`},
		{"flags", adapter.Target{Flags: adapter.Flags{Volatile: true, NoCompress: true}}, `["e"]`, nil, `[["e"]]`},
		{
			"binary",
			adapter.Target{},
			`["e",{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}}]`,
			[][]byte{{0, 255}, bytes.Repeat([]byte{7}, 70000)},
			"",
		},
		{"looks like binary", adapter.Target{}, `["e",{"_placeholder":true,"num":0}]`, nil, `[["e",{"_placeholder":true,"num":0}]]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := m.host.Adapter().Broadcast(t.Context(), event("/", tt.data, tt.attachments...), tt.target); err != nil {
				t.Fatal(err)
			}
			got := m.nodeGot(t)
			if tt.want == "" {
				bin, err := json.Marshal([]peers.Bin{tt.attachments[0], tt.attachments[1]})
				if err != nil {
					t.Fatal(err)
				}
				list, _ := decoded(t, bin).([]any)
				want := []any{[]any{"e", map[string]any{"a": list[:1], "b": list[1]}}}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %.300v", got)
				}
				return
			}
			checkJSON(t, got, tt.want)
		})
	}
	t.Run("namespace", func(t *testing.T) {
		if err := m.other.Adapter().Broadcast(t.Context(), event("/custom", `["only","custom"]`), rooms("room")); err != nil {
			t.Fatal(err)
		}
		checkJSON(t, m.nodeGot(t), `[["only","custom"]]`)
	})
}

func TestBroadcastFromNode(t *testing.T) {
	m := startMixed(t, nil, nil)
	p, q := m.host.Connect("room", "123", "with#hash", "ü"), m.other.Connect("room")
	m.nodeDo(t, `void (ctx.go = args[0])`, p.ID())
	tests := []struct {
		name, js    string
		want        string // what the socket got; "" for nothing
		attachments [][]byte
		flags       adapter.Flags
	}{
		{name: "all", js: `ctx.all.emit("e", 1, "2", { a: [1.5, -3, "é😀"] }, 2 ** 53 - 1, -1, 0.1, 1e21)`, want: `["e",1,"2",{"a":[1.5,-3,"é😀"]},9007199254740991,-1,0.1,3875820019684212736]`},
		{name: "not JSON", js: `ctx.all.emit("e", undefined, NaN, new Date(0), { u: undefined, f() {} })`, want: `["e",null,null,"1970-01-01T00:00:00.000Z",{}]`},
		{name: "room", js: `ctx.all.to("room").emit("e")`, want: `["e"]`},
		{name: "room that is a number", js: `ctx.all.to(123).emit("e")`, want: `["e"]`},
		{name: "odd names of rooms", js: `ctx.all.to("with#hash").emit("e")`, want: `["e"]`},
		{name: "room in UTF-8", js: `ctx.all.to("ü").emit("e")`, want: `["e"]`},
		{name: "two rooms", js: `ctx.all.to("none").to(123).emit("e")`, want: `["e"]`},
		{name: "room without members", js: `ctx.all.to("none").emit("e")`},
		{name: "two rooms without members", js: `ctx.all.to("none").to(0).emit("e")`},
		{name: "except", js: `ctx.all.except("room").emit("e")`},
		{name: "except a number", js: `ctx.all.to("room").except(123).emit("e")`},
		{name: "one socket", js: `ctx.all.to(ctx.go).emit("e")`, want: `["e"]`},
		{name: "local", js: `ctx.all.local.emit("e")`},
		{name: "volatile", js: `ctx.all.volatile.emit("e")`, want: `["e"]`, flags: adapter.Flags{Volatile: true}},
		{name: "compress", js: `ctx.all.compress(false).emit("e")`, want: `["e"]`, flags: adapter.Flags{NoCompress: true}},
		{name: "compressed", js: `ctx.all.compress(true).emit("e")`, want: `["e"]`},
		{name: "from a socket", js: `ctx.all.sockets.get(ctx.sid).broadcast.emit("e")`, want: `["e"]`},
		{
			name: "binary", js: `ctx.all.emit("e", { a: [Buffer.from([0, 255])], b: new Uint8Array([7]) })`,
			want: `["e",{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}}]`, attachments: [][]byte{{0, 255}, {7}},
		},
		{
			name: "emitter", js: `ctx.emitter.to("room").volatile.emit("e", "x", Buffer.from([1]))`,
			want: `["e","x",{"_placeholder":true,"num":0}]`, attachments: [][]byte{{1}}, flags: adapter.Flags{Volatile: true},
		},
		{name: "emitter to all", js: `ctx.emitter.emit("e")`, want: `["e"]`},
	}
	m.node.Eval(t, nil, `ctx.emitter = new Emitter(ctx.s.redis[0])`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m.nodeDo(t, `void `+tt.js+`, void ctx.all.emit("end")`)
			if tt.want != "" {
				d := p.Next(t)
				checkJSON(t, decoded(t, d.Packet.Data), tt.want)
				if !slices.EqualFunc(d.Packet.Attachments, tt.attachments, bytes.Equal) {
					t.Errorf("attachments = %x, want %x", d.Packet.Attachments, tt.attachments)
				}
				if d.Flags != tt.flags {
					t.Errorf("flags = %+v, want %+v", d.Flags, tt.flags)
				}
			}
			if end := p.Next(t); string(end.Packet.Data) != `["end"]` {
				t.Errorf("got %s too", end.Packet.Data)
			}
		})
	}
	t.Run("namespace", func(t *testing.T) {
		m.nodeDo(t, `void ctx.s.io.of("/custom").to("room").emit("e"), void new Emitter(ctx.s.redis[0]).of("custom").emit("f"), void ctx.all.emit("end")`)
		for _, want := range []string{`["e"]`, `["f"]`} {
			if d := q.Next(t); string(d.Packet.Data) != want || d.Packet.Namespace != "/custom" {
				t.Errorf("got %s in %q, want %s", d.Packet.Data, d.Packet.Namespace, want)
			}
		}
		if d := p.Next(t); string(d.Packet.Data) != `["end"]` {
			t.Errorf("the other namespace got %s", d.Packet.Data)
		}
	})
}

// collected returns what the iteration yields, the data of the answers sorted.
func collected(m *mixed, ctx context.Context, p *adapter.Packet, target adapter.Target) (replies []string, attachments [][]byte, err error) {
	for r, e := range m.host.Adapter().Collect(ctx, p, target) {
		if err = e; err == nil {
			replies = append(replies, string(r.Data))
			attachments = append(attachments, r.Attachments...)
		}
	}
	slices.Sort(replies)
	return replies, attachments, err
}

func TestCollectFromNode(t *testing.T) {
	for name, opts := range map[string]struct {
		ours *Options
		node map[string]any
	}{
		"defaults":         {nil, nil},
		"specific answers": {&Options{PublishOnSpecificResponseChannel: true}, map[string]any{"publishOnSpecificResponseChannel": true}},
		"own key":          {&Options{Key: "my-prefix"}, map[string]any{"key": "my-prefix"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMixed(t, opts.ours, opts.node)
			p := m.host.Connect()
			p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(`["from go"]`)}) })
			collectFromNode(t, m)
		})
	}
}

func collectFromNode(t *testing.T, m *mixed) {
	t.Helper()
	var sid string
	m.node.Eval(t, &sid, `return ctx.sid`)
	single := adapter.Target{Rooms: []string{sid}, Flags: adapter.Flags{Single: true}}
	tests := []struct {
		name, answer string // the answer in JavaScript
		target       adapter.Target
		want         []string
		attachments  [][]byte
	}{
		{"all", `[{ a: 1 }, "second"]`, adapter.Target{}, []string{`["from go"]`, `[{"a":1}]`}, nil},
		{"no value", `[]`, adapter.Target{}, []string{`["from go"]`, `[]`}, nil},
		{"null", `[null]`, adapter.Target{}, []string{`["from go"]`, `[null]`}, nil},
		{"binary", `[[Buffer.from([1, 2])]]`, adapter.Target{}, []string{`["from go"]`, `[[{"_placeholder":true,"num":0}]]`}, [][]byte{{1, 2}}},
		{"room that is a number there", `[1]`, adapter.Target{Rooms: []string{"123"}}, []string{`[1]`}, nil},
		{"nobody", `[1]`, adapter.Target{Rooms: []string{"none"}}, nil, nil},
		{"one socket", `[1]`, single, []string{`[1]`}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m.node.Eval(t, nil, `ctx.answer = () => `+tt.answer)
			got, attachments, err := collected(m, patience(t), event("/", `["ask",{"_placeholder":true,"num":0}]`, []byte{9}), tt.target)
			if err != nil || !slices.Equal(got, tt.want) || !slices.EqualFunc(attachments, tt.attachments, bytes.Equal) {
				t.Errorf("got %q with %x, %v, want %q with %x", got, attachments, err, tt.want, tt.attachments)
			}
		})
	}
	t.Run("partial when the time is over", func(t *testing.T) {
		m.node.Eval(t, nil, `ctx.answer = () => { throw new Error("never answers") }; ctx.client.offAny(); ctx.custom.offAny()`)
		patiently(t, func(limit time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			got, _, err := collected(m, ctx, event("/", `["ask"]`), adapter.Target{})
			if !slices.Equal(got, []string{`["from go"]`}) {
				return fmt.Errorf("got %q, %w", got, err)
			}
			return wrongTimeout(err, &TimeoutError{Got: 1, Want: 2})
		})
	})
}

func TestCollectByNode(t *testing.T) {
	for name, opts := range map[string]struct {
		ours *Options
		node map[string]any
	}{
		"defaults":         {nil, nil},
		"specific answers": {&Options{PublishOnSpecificResponseChannel: true}, map[string]any{"publishOnSpecificResponseChannel": true}},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMixed(t, opts.ours, opts.node)
			collectByNode(t, m)
		})
	}
}

func collectByNode(t *testing.T, m *mixed) {
	t.Helper()
	const ask = `ctx.all.timeout(10_000).emitWithAck("ask", "q", Buffer.from([9])).then((all) => all.map((v) => v === undefined ? "undefined" : v))`
	t.Run("no socket here", func(t *testing.T) {
		checkJSON(t, m.nodeDo(t, `await `+ask), `["from node"]`)
	})
	p := m.host.Connect("room")
	reply := func(data string, attachments ...[]byte) {
		p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(data), Attachments: attachments}) })
	}
	sorted := func(js string) string {
		return `(await ` + js + `).sort((a, b) => (a === "from node") - (b === "from node"))`
	}
	t.Run("value", func(t *testing.T) {
		reply(`[{"a":1},"second"]`)
		checkJSON(t, m.nodeDo(t, sorted(ask)), `[{"a":1},"from node"]`)
		if d := p.Next(t); string(d.Packet.Data) != `["ask","q",{"_placeholder":true,"num":0}]` || len(d.Packet.Attachments) != 1 || !d.Acked {
			t.Errorf("the socket was asked %s with %x", d.Packet.Data, d.Packet.Attachments)
		}
	})
	t.Run("binary", func(t *testing.T) {
		reply(`[{"b":{"_placeholder":true,"num":0}}]`, []byte{1, 2})
		checkJSON(t, m.nodeDo(t, sorted(ask)), `[{"b":{"$bin":"AQI="}},"from node"]`)
	})
	t.Run("no value", func(t *testing.T) {
		reply(`[]`)
		checkJSON(t, m.nodeDo(t, sorted(ask)), `["undefined","from node"]`)
	})
	t.Run("answered later", func(t *testing.T) {
		p.Inbox()
		p.AnswerWith(nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Next(t).Answer(adapter.Reply{Data: []byte(`["later"]`)})
		}()
		checkJSON(t, m.nodeDo(t, sorted(ask)), `["later","from node"]`)
		<-done
	})
	t.Run("one socket", func(t *testing.T) {
		reply(`["single"]`)
		checkJSON(t, m.nodeDo(t, `await ctx.all.fetchSockets().then((all) => all.find((s) => s.id === args[0]).timeout(10_000).emitWithAck("ask"))`, p.ID()), `"single"`)
	})
	t.Run("partial when the time is over", func(t *testing.T) {
		p.AnswerWith(nil)
		patiently(t, func(limit time.Duration) error {
			got := m.nodeDo(t, `await ctx.all.timeout(args[0]).emitWithAck("ask").catch((err) => [err.message, err.responses])`, limit.Milliseconds())
			if reflect.DeepEqual(got, []any{"operation has timed out", []any{}}) {
				return fmt.Errorf("nobody has answered within %v", limit)
			}
			checkJSON(t, got, `["operation has timed out",["from node"]]`)
			return nil
		})
	})
	t.Run("socket disconnects before it answers", func(t *testing.T) {
		p.AnswerWith(func(*adaptertest.Delivery) { p.Disconnect() })
		checkJSON(t, m.nodeDo(t, sorted(ask)), `["undefined","from node"]`)
	})
}

func TestMembershipWithNode(t *testing.T) {
	m := startMixed(t, nil, nil)
	p := m.host.Connect("room")
	target := adapter.Target{Rooms: []string{"room"}}
	ctx := patience(t)
	nodeRooms := func(want string) {
		t.Helper()
		m.node.Eval(t, nil, `await until(() => JSON.stringify([...ctx.all.adapter.socketRooms(ctx.sid)].slice(1)) === args[0])`, want)
	}
	goRooms := func(want ...string) {
		t.Helper()
		eventually(t, "rooms here", func() bool {
			got := m.host.Adapter().Rooms(p)[1:]
			slices.Sort(got)
			return slices.Equal(got, want)
		})
	}
	if err := m.host.Adapter().JoinAll(ctx, target, "a", "7"); err != nil {
		t.Fatal(err)
	}
	nodeRooms(`["room",123,"a","7",7]`) // both rooms that there may be of that name
	for i, room := range []string{`7`, `"7"`} {
		m.nodeDo(t, `void ctx.all.to(`+room+`).emit("numbered", args[0])`, i)
	}
	checkJSON(t, m.nodeGot(t), `[["numbered",0],["numbered",1]]`)
	goRooms("7", "a", "room")
	numbered := 0
	eventually(t, "the socket here to get both", func() bool {
		for _, d := range p.Inbox() {
			if bytes.HasPrefix(d.Packet.Data, []byte(`["numbered",`)) {
				numbered++
			}
		}
		return numbered == 2
	})
	if err := m.host.Adapter().Broadcast(ctx, event("/", `["by go"]`), adapter.Target{Rooms: []string{"7"}}); err != nil {
		t.Fatal(err)
	}
	checkJSON(t, m.nodeGot(t), `[["by go"]]`) // once, although it is in both
	if err := m.host.Adapter().LeaveMatching(ctx, adapter.Target{Rooms: []string{"123"}}, "123", "7"); err != nil {
		t.Fatal(err)
	}
	nodeRooms(`["room","a"]`)
	goRooms("7", "a", "room")

	m.nodeDo(t, `void ctx.all.to("room").socketsJoin(["b", 8])`)
	goRooms("7", "8", "a", "b", "room")
	m.nodeDo(t, `void ctx.all.except("none").socketsLeave("b")`)
	m.nodeDo(t, `void ctx.all.socketsLeave(7)`)
	goRooms("8", "a", "room")
	m.nodeDo(t, `void ctx.all.fetchSockets().then((all) => all.find((s) => s.id === args[0]).join("c"))`, p.ID())
	goRooms("8", "a", "c", "room")

	if err := m.other.Adapter().Disconnect(ctx, adapter.Target{Rooms: []string{"123"}}, false); err != nil {
		t.Fatal(err)
	}
	m.node.Eval(t, nil, `await until(() => ctx.custom.disconnected && !ctx.client.disconnected)`)
	m.nodeDo(t, `void ctx.all.to("a").disconnectSockets(true)`)
	<-p.Gone()
	if !p.ClosedTransport() {
		t.Error("the connection was not closed")
	}
	q := m.host.Connect()
	m.nodeDo(t, `void new Emitter(ctx.s.redis[0]).disconnectSockets()`)
	<-q.Gone()
	if q.ClosedTransport() {
		t.Error("the connection was closed")
	}
}

func TestFetchWithNode(t *testing.T) {
	m := startMixed(t, nil, nil)
	p := m.host.Connect("room", "42")
	p.SetData([]byte(`{"user":"<bob>","deep":[1,{"a":null}]}`))
	t.Run("by us", func(t *testing.T) {
		sockets, err := m.host.Adapter().Fetch(patience(t), adapter.Target{Rooms: []string{"123"}})
		if err != nil || len(sockets) != 1 {
			t.Fatalf("%d sockets, %v", len(sockets), err)
		}
		s := sockets[0]
		var want struct {
			ID        string
			Handshake any
		}
		m.node.Eval(t, &want, `return { ID: ctx.sid, Handshake: ctx.all.sockets.get(ctx.sid).handshake }`)
		if s.ID != want.ID || !reflect.DeepEqual(decoded(t, s.Handshake), want.Handshake) {
			t.Errorf("%s has the handshake %s, want %s with %v", s.ID, s.Handshake, want.ID, want.Handshake)
		}
		if string(s.Data) != `{"user":"ann","n":1}` || !slices.Equal(s.Rooms, []string{want.ID, "room", "123"}) {
			t.Errorf("data = %s, rooms = %q", s.Data, s.Rooms)
		}
		if all, err := m.host.Adapter().Fetch(patience(t), adapter.Target{}); err != nil || len(all) != 2 {
			t.Errorf("%d sockets in all, %v", len(all), err)
		}
	})
	t.Run("by Node", func(t *testing.T) {
		var got struct {
			ID, Token string
			Rooms     []string
			Data      any
			All       int
		}
		m.node.Eval(t, &got, `
			const s = (await ctx.all.in("42").fetchSockets())[0];
			return { ID: s.id, Token: s.handshake.auth.token, Rooms: [...s.rooms], Data: s.data, All: (await ctx.all.fetchSockets()).length }`)
		slices.Sort(got.Rooms[1:])
		if got.ID != p.ID() || got.Token != p.ID() || !slices.Equal(got.Rooms, []string{p.ID(), "42", "room"}) || got.All != 2 {
			t.Errorf("got %+v", got)
		}
		checkJSON(t, got.Data, `{"user":"<bob>","deep":[1,{"a":null}]}`)
	})
	t.Run("rooms by Node", func(t *testing.T) {
		var rooms []any
		m.node.Eval(t, &rooms, `return [...await ctx.all.adapter.allRooms()].filter((room) => room === "42" || room === args[0])`, p.ID())
		if len(rooms) != 2 {
			t.Errorf("rooms = %q", rooms)
		}
	})
	t.Run("data that is no JSON", func(t *testing.T) {
		p.SetData([]byte(`{`))
		checkJSON(t, m.nodeDo(t, `(await ctx.all.in("42").fetchSockets())[0].data`), `{}`)
	})
}

func TestServerEventsWithNode(t *testing.T) {
	m := startMixed(t, nil, nil)
	events := make(chan adaptertest.ServerEvent, 10)
	m.host.OnServerEvent(func(e adaptertest.ServerEvent) { events <- e })
	ctx := patience(t)
	m.node.Eval(t, nil, `
		ctx.events = [];
		ctx.all.on("e", (...got) => ctx.events.push(got));
		ctx.all.on("ask", (...got) => got.pop()(...ctx.reply));`)
	t.Run("to Node", func(t *testing.T) {
		for _, p := range []*adapter.Packet{event("/", `["e",1,{"a":"<é>"}]`), event("/", `["e",{"_placeholder":true,"num":0}]`, []byte{1, 2}), event("/", `["e"]`)} {
			if err := m.host.Adapter().ServerEmit(ctx, p.Data, p.Attachments); err != nil {
				t.Fatal(err)
			}
		}
		checkJSON(t, m.nodeDo(t, `await until(() => ctx.events.length === 3) && ctx.events`), `[[1,{"a":"<é>"}],[{"$bin":"AQI="}],[]]`)
	})
	t.Run("to Node with answers", func(t *testing.T) {
		for reply, want := range map[string]string{`["x", 2]`: `["x"]`, `[]`: `[]`, `[null]`: `[null]`, `[{ b: 1 }]`: `[{"b":1}]`} {
			m.node.Eval(t, nil, `ctx.reply = `+reply)
			var got []string
			for r, err := range m.host.Adapter().ServerCollect(ctx, []byte(`["ask","q"]`), nil) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(r.Data))
			}
			if !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
	t.Run("from Node", func(t *testing.T) {
		m.nodeDo(t, `void ctx.all.serverSideEmit("e", 1, { a: "é" }), void new Emitter(ctx.s.redis[0]).serverSideEmit("f")`)
		for _, want := range []string{`["e",1,{"a":"é"}]`, `["f"]`} {
			if e := <-events; string(e.Data) != want || e.Respond != nil {
				t.Errorf("got %s, answer wanted: %v", e.Data, e.Respond != nil)
			}
		}
	})
	t.Run("from Node with answers", func(t *testing.T) {
		m.host.OnServerEvent(func(e adaptertest.ServerEvent) {
			switch string(e.Data) {
			case `["ask","value"]`:
				e.Respond(adapter.Reply{Data: []byte(`[{"a":"<é>"},2]`)})
			case `["ask","binary"]`:
				e.Respond(adapter.Reply{Data: []byte(`[[{"_placeholder":true,"num":0}]]`), Attachments: [][]byte{{1, 2}}})
			case `["ask","nothing"]`:
				e.Respond(adapter.Reply{Data: []byte(`[]`)})
			case `["ask","broken"]`:
				e.Respond(adapter.Reply{Data: []byte(`[`)})
			}
		})
		for ask, want := range map[string]string{"value": `[{"a":"<é>"}]`, "binary": `[[{"$bin":"AQI="}]]`, "nothing": `["undefined"]`, "broken": `["undefined"]`} {
			got := m.nodeDo(t, `(await ctx.all.serverSideEmitWithAck("ask", args[0])).map((v) => v === undefined ? "undefined" : v)`, ask)
			checkJSON(t, got, want)
		}
	})
}
