package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Disconnecting: the reasons on both sides, and what the client does afterwards.
func TestJSDisconnect(t *testing.T) {
	runJS(t, []jsCase{
		{"by the client", jsLeaves},
		{"by the server, which says so after its last event", jsIsDisconnected},
		{"one of two namespaces by the server", jsLosesOneNamespace},
		{"events that cross it", jsEventsCross},
		{"the connection is lost", jsLosesConnection},
		{"the client's connection is cut", jsCloses},
	})
}

func jsLeaves(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	var got []any
	j.eval(&got, `
		const s = await dial("/", {reconnection: true}), gone = once(s, "disconnect");
		s.disconnect();
		return [(await gone)[0], s.active, s.connected]`)
	expectJSON(t, got, `["io client disconnect",false,false]`)
	bye.expect(t, "/: client namespace disconnect")
}

func jsIsDisconnected(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	socketio.On(j, "leave", func(_ context.Context, s *socketio.Socket, closeConn bool) error {
		err := s.Emit("last", []byte("x"))
		s.Disconnect(closeConn)
		return err
	})
	for _, closeConn := range []bool{false, true} {
		var got []any
		j.eval(&got, `
			const s = await dial("/", {reconnection: true, reconnectionDelay: 10}), seen = [];
			s.on("last", () => seen.push("last"));
			s.on("disconnect", (reason) => seen.push(reason));
			s.on("connect", () => seen.push("connect"));
			s.emit("leave", args[0]);
			await until(() => seen.length === 2);
			await sleep(100);
			return [...seen, s.active, s.connected]`, closeConn)
		expectJSON(t, got, `["last","io server disconnect",false,false]`)
	}
	bye.expect(t, "/: server namespace disconnect", "/: server namespace disconnect")
}

func jsLosesOneNamespace(t *testing.T, j *jsTest) {
	t.Helper()
	a := j.Of("/a")
	bye := new(goodbyes).watch(j.Namespace, a)
	j.eval(nil, `const s = await dial(); my.a = s.io.socket("/a"); await settled(my.a); my.gone = once(my.a, "disconnect")`)
	j.socket("/a").Disconnect(false)
	var got []any
	j.eval(&got, `
		const [s] = my.sockets, before = [(await my.gone)[0], s.connected, await s.emitWithAck("echo", 1)];
		my.a.connect();
		await settled(my.a);
		return [...before, my.a.connected]`)
	expectJSON(t, got, `["io server disconnect",true,1,true]`)
	bye.expect(t, "/a: server namespace disconnect")
}

func jsEventsCross(t *testing.T, j *jsTest) {
	t.Helper()
	a := j.Of("/a")
	a.OnAny(socketio.HandlerFunc(func(context.Context, *socketio.Event) error { return nil }))
	bye := new(goodbyes).watch(j.Namespace, a)
	j.eval(nil, `
		const s = await dial(); my.a = s.io.socket("/a");
		await settled(my.a);
		my.timer = setInterval(() => { if (s.io.engine.writeBuffer.length < 500) for (let i = 0; i < 20; i++) my.a.connected && my.a.emit("x", i, Buffer.from("b")); }, 0);
		await sleep(20)`)
	for range 10 {
		j.socket("/a").Disconnect(false)
		j.eval(nil, `
			await until(() => !my.a.connected);
			my.a.connect();
			await settled(my.a);
			await sleep(5);`)
	}
	var back int
	j.eval(&back, `clearInterval(my.timer); return my.sockets[0].emitWithAck("echo", 5)`)
	if back != 5 {
		t.Errorf("the main namespace answered %d", back)
	}
	bye.expect(t, slices.Repeat([]string{"/a: server namespace disconnect"}, 10)...) // the last one may end a moment later
}

func jsLosesConnection(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	j.eval(nil, `
		const s = await dial("/", {reconnection: true, reconnectionDelay: 10});
		my.first = s.id;
		my.seen = [];
		s.on("disconnect", (reason) => my.seen.push(reason, s.active));
		s.on("connect", () => my.seen.push("connect", s.id !== my.first, !!s.recovered))`)
	j.socket("/").Conn().Discard(engine.ForcedClose)
	var got []any
	j.eval(&got, `
		await until(() => my.seen.length === 5);
		return [...my.seen, await my.sockets[0].emitWithAck("echo", 1)]`)
	forgiveLatePoll(got, j)
	expectJSON(t, got, `["transport close",true,"connect",true,false,1]`)
	bye.expect(t, "/: forced close")
}

func jsCloses(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	j.eval(nil, `const s = await dial(); s.io.engine.close()`)
	bye.expect(t, "/: transport close")
}

// Events behind a handler that is slower than the client would wait for a ping are all handled, and the client notices nothing, though
// its connection is not read meanwhile.
func TestJSSlowHandler(t *testing.T) {
	runJSWith(t, &socketio.Options{
		MaxPendingBytes: 2000, Engine: engine.Options{PingInterval: 700 * time.Millisecond, PingTimeout: 1500 * time.Millisecond},
	}, []jsCase{{"slow handler", jsSlowHandler}})
}

func jsSlowHandler(t *testing.T, j *jsTest) {
	t.Helper()
	const n = 400
	var got []int
	socketio.On(j, "n", func(_ context.Context, _ *socketio.Socket, i int) error {
		if got = append(got, i); i == 0 {
			time.Sleep(5 * time.Second)
		}
		return nil
	})
	socketio.OnWithAck(j, "all", func(context.Context, *socketio.Socket, socketio.None) ([]int, error) { return got, nil })
	var all []int
	var seen []any
	j.eval(&[]any{&all, &seen}, `
		const s = await dial(), seen = [];
		s.on("disconnect", (reason) => seen.push(reason));
		s.io.on("reconnect_attempt", () => seen.push("reconnect"));
		for (let i = 0; i < args[0]; i++) s.emit("n", i);
		return [await s.emitWithAck("all"), seen]`, n)
	if len(all) != n || !slices.IsSorted(all) || len(seen) > 0 {
		t.Errorf("%d events were handled, sorted: %t; the client saw %v", len(all), slices.IsSorted(all), seen)
	}
}

// Shutdown lets go of the clients, who find the next server on the same port.
func TestJSShutdown(t *testing.T) {
	runJS(t, []jsCase{{"shutdown", jsShutdown}})
}

func jsShutdown(t *testing.T, j *jsTest) {
	t.Helper()
	bye := new(goodbyes).watch(j.Namespace)
	j.eval(nil, `
		const s = await dial("/", {reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100});
		my.seen = [];
		s.on("last", () => my.seen.push("last"));
		s.on("disconnect", (reason) => my.seen.push(reason, s.active));
		s.on("connect", () => my.seen.push("connect"))`)
	if err := j.Emit("last"); err != nil {
		t.Fatal(err)
	}
	shutdown(t, j.testServer)
	bye.expect(t, "/: server shutting down")
	if err := j.http.Close(); err != nil {
		t.Error(err)
	}
	u, err := url.Parse(j.url)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	serveAt(t, port, nil)
	var got []any
	j.eval(&got, `
		await until(() => my.seen.includes("connect"));
		return [...my.seen, await my.sockets[0].emitWithAck("echo", 1)]`)
	forgiveLatePoll(got, j)
	expectJSON(t, got, `["last","transport close",true,"connect",1]`)
	if err := j.Emit("late"); !errors.Is(err, socketio.ErrServerClosed) {
		t.Errorf("emitting to all after shutdown gives %v", err)
	}
}

// A server that has been shut down accepts nobody.
func TestJSAfterShutdown(t *testing.T) {
	runJS(t, []jsCase{{"refused", jsAfterShutdown}})
}

func jsAfterShutdown(t *testing.T, j *jsTest) {
	t.Helper()
	shutdown(t, j.testServer)
	shutdown(t, j.testServer)
	var got string
	j.eval(&got, `return (await once(open(), "connect_error"))[0].type`)
	if got != "TransportError" {
		t.Errorf("the client saw %q", got)
	}
}

// Rooms as real clients see them.
func TestJSRooms(t *testing.T) {
	runJS(t, []jsCase{{"rooms", jsRooms}})
}

func jsRooms(t *testing.T, j *jsTest) {
	t.Helper()
	socketio.On(j, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	socketio.On(j, "leave", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Leave(room)
		return nil
	})
	socketio.On(j, "say", func(_ context.Context, s *socketio.Socket, room string) error {
		return s.To(room).Emit("said", s.ID(), []byte("b"))
	})
	j.eval(nil, `
		my.got = {a: [], b: [], c: []};
		for (const name of ["a", "b", "c"]) {
			my[name] = await dial();
			my[name].on("said", (from, b) => my.got[name].push(b.toString()));
			my[name].on("news", (n) => my.got[name].push(n));
		}
		await my.a.emitWithAck("join", "1");
		await my.b.emitWithAck("join", "1");
		await my.b.emitWithAck("join", "2");
		await my.c.emitWithAck("join", "2");`)
	if err := j.To("1").Emit("news", "one"); err != nil {
		t.Fatal(err)
	}
	if err := j.To("1", "2").Emit("news", "both"); err != nil {
		t.Fatal(err)
	}
	if err := j.Except("1").Emit("news", "not one"); err != nil {
		t.Fatal(err)
	}
	var got json.RawMessage
	j.eval(&got, `
		for (const name of ["a", "b", "c"]) await my[name].emitWithAck("echo");
		const news = JSON.parse(JSON.stringify(my.got));
		my.got.a.length = my.got.b.length = my.got.c.length = 0;
		await my.a.emitWithAck("leave", "1");
		await my.a.emitWithAck("say", "1");
		for (const name of ["a", "b", "c"]) await my[name].emitWithAck("echo");
		return [news, my.got]`)
	const want = `[{"a":["one","both"],"b":["one","both"],"c":["both","not one"]},{"a":[],"b":["b"],"c":[]}]`
	if canonical(t, got) != want {
		t.Errorf("the clients got %s", got)
	}
	ctx := deadline(t)
	if err := j.To("2").JoinAll(ctx, "3"); err != nil {
		t.Fatal(err)
	}
	found, err := j.To("3").FetchSockets(ctx)
	if err != nil || len(found) != 2 {
		t.Errorf("%d sockets in the room (%v)", len(found), err)
	}
	if err := j.LeaveAll(ctx, "3"); err != nil {
		t.Fatal(err)
	}
	if err := j.To("2").DisconnectSockets(ctx, true); err != nil {
		t.Fatal(err)
	}
	var connected []bool
	j.eval(&connected, `
		await until(() => !my.b.connected && !my.c.connected);
		return [my.a, my.b, my.c].map((s) => s.connected)`)
	if !slices.Equal(connected, []bool{true, false, false}) {
		t.Errorf("connected are %v", connected)
	}
}

// forgiveLatePoll takes the reason of a client that polls for the other one: if the connection ends between two of its polls, the next one is
// refused, which it calls an error.
func forgiveLatePoll(got []any, j *jsTest) {
	if i := slices.Index(got, any("transport error")); i >= 0 && len(j.env.Transports) == 1 && j.env.Transports[0] == "polling" {
		got[i] = "transport close"
	}
}
