package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// crowd are clients a, b, c and d; a and b are in room 1, b and c in room 2, d in none.
type crowd struct {
	s       *testServer
	clients map[string]*client
	sockets map[string]*socketio.Socket
}

func newCrowd(t *testing.T, transport string) *crowd {
	t.Helper()
	c := &crowd{s: serve(t, nil).echo(), clients: map[string]*client{}, sockets: map[string]*socketio.Socket{}}
	for _, name := range []string{"a", "b", "c", "d"} {
		c.clients[name], c.sockets[name] = c.s.joinSocket(t, transport, "/")
	}
	c.sockets["a"].Join("1")
	c.sockets["b"].Join("1", "2")
	c.sockets["c"].Join("2")
	return c
}

// Who gets a broadcast: node-behaviour.md 1.6 and 1.8.
func TestBroadcastTargets(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   func(c *crowd) socketio.Emitter
		want string
	}{
		{"all", func(c *crowd) socketio.Emitter { return c.s }, "abcd"},
		{"namespace", func(c *crowd) socketio.Emitter { return c.s.Of("/") }, "abcd"},
		{"room", func(c *crowd) socketio.Emitter { return c.s.To("1") }, "ab"},
		{"union of rooms, each once", func(c *crowd) socketio.Emitter { return c.s.To("1", "2") }, "abc"},
		{"union of rooms, one by one", func(c *crowd) socketio.Emitter { return c.s.To("1").To("2") }, "abc"},
		{"room twice", func(c *crowd) socketio.Emitter { return c.s.To("1", "1") }, "ab"},
		{"room that does not exist", func(c *crowd) socketio.Emitter { return c.s.To("3") }, ""},
		{"socket id", func(c *crowd) socketio.Emitter { return c.s.To(c.sockets["d"].ID()) }, "d"},
		{"socket id and room", func(c *crowd) socketio.Emitter { return c.s.To(c.sockets["a"].ID(), "1") }, "ab"},
		{"except a room", func(c *crowd) socketio.Emitter { return c.s.Except("1") }, "cd"},
		{"except two rooms", func(c *crowd) socketio.Emitter { return c.s.Except("1", "2") }, "d"},
		{"except an id", func(c *crowd) socketio.Emitter { return c.s.Except(c.sockets["b"].ID()) }, "acd"},
		{"room except another", func(c *crowd) socketio.Emitter { return c.s.To("1").Except("2") }, "a"},
		{"except goes first or last", func(c *crowd) socketio.Emitter { return c.s.Except("2").To("1") }, "a"},
		{"except a room that does not exist", func(c *crowd) socketio.Emitter { return c.s.Except("3") }, "abcd"},
		{"local", func(c *crowd) socketio.Emitter { return c.s.Local() }, "abcd"},
		{"local room", func(c *crowd) socketio.Emitter { return c.s.Local().To("2") }, "bc"},
		{"volatile", func(c *crowd) socketio.Emitter { return c.s.Volatile().To("2") }, "bc"},
		{"uncompressed", func(c *crowd) socketio.Emitter { return c.s.Compress(false).To("2") }, "bc"},
		{"socket", func(c *crowd) socketio.Emitter { return c.sockets["a"] }, "a"},
		{"uncompressed socket", func(c *crowd) socketio.Emitter { return c.sockets["a"].Compress(false) }, "a"},
		{"broadcast of a socket", func(c *crowd) socketio.Emitter { return c.sockets["a"].Broadcast() }, "bcd"},
		{"room of a socket's own", func(c *crowd) socketio.Emitter { return c.sockets["a"].To("1") }, "b"},
		{"rooms of a socket", func(c *crowd) socketio.Emitter { return c.sockets["b"].To("1", "2") }, "ac"},
		{"socket except a room", func(c *crowd) socketio.Emitter { return c.sockets["a"].Except("2") }, "d"},
		{"socket to itself", func(c *crowd) socketio.Emitter { return c.sockets["a"].To(c.sockets["a"].ID()) }, ""},
		{"local of a socket", func(c *crowd) socketio.Emitter { return c.sockets["a"].Local() }, "bcd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				c := newCrowd(t, transport)
				for _, socket := range c.sockets { // or what is volatile is dropped
					eventually(t, "the client takes messages", socket.Conn().Writable)
				}
				if err := tt.to(c).Emit("x", 1, []byte("b")); err != nil {
					t.Fatal(err)
				}
				for name, client := range c.clients {
					if strings.Contains(tt.want, name) {
						client.expect(`51-["x",1,{"_placeholder":true,"num":0}]`, bin("b"))
					}
					client.sync()
				}
			})
		})
	}
}

// A Broadcast is a value: narrowing it does not change it, however often it has been narrowed before, and it may be shared.
func TestBroadcastIsImmutable(t *testing.T) {
	c := newCrowd(t, "websocket")
	one, all := c.s.To("1"), c.s.Local()
	for i := range 4 { // behind a list that has grown there may be room for one more name
		t.Run(itoa(i)+" more", func(t *testing.T) { broadcastIsImmutable(t, c, one, all) })
		one, all = one.To("nowhere "+itoa(i)), all.Except("nowhere "+itoa(i))
	}
}

func broadcastIsImmutable(t *testing.T, c *crowd, one, all socketio.Broadcast) {
	t.Helper()
	_ = one.To("2")
	_ = one.Except("1")
	_ = one.Volatile().Local().Compress(false)
	left, right := one.To("2"), one.To(c.sockets["d"].ID())
	notOne, notTwo := all.Except("1"), all.Except("2")
	done := make(chan error, 2)
	go func() { done <- errors.Join(left.Emit("left"), notOne.Emit("not one")) }()
	go func() { done <- errors.Join(right.Emit("right"), notTwo.Emit("not two")) }()
	for range 2 {
		if err := await(t, "emitting", done); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(one.Emit("one"), all.Emit("all")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"a": {"left", "right", "not two"}, "b": {"left", "right"}, "c": {"left", "not one"}, "d": {"right", "not one", "not two"},
	} {
		var got []string
		for range want {
			got = append(got, c.clients[name].next())
		}
		for i := range want {
			want[i] = `2["` + want[i] + `"]`
		}
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s got %q, want %q", name, got, want)
		}
		if name == "a" || name == "b" {
			c.clients[name].expect(`2["one"]`)
		}
		c.clients[name].expect(`2["all"]`)
		c.clients[name].sync()
	}
}

func ids(t *testing.T, c *crowd, names string) []string {
	t.Helper()
	var list []string
	for _, n := range names {
		list = append(list, c.sockets[string(n)].ID())
	}
	slices.Sort(list)
	return list
}

func fetched(t *testing.T, b socketio.Broadcast) []string {
	t.Helper()
	found, err := b.FetchSockets(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(found))
	for i, r := range found {
		list[i] = r.ID()
	}
	slices.Sort(list)
	return list
}

// Operations on many sockets at once.
func TestManySockets(t *testing.T) {
	c := newCrowd(t, "websocket")
	ctx := deadline(t)
	check := func(what string, b socketio.Broadcast, names string) {
		t.Helper()
		if got := fetched(t, b); !slices.Equal(got, ids(t, c, names)) {
			t.Errorf("%s are %q, want %s", what, got, names)
		}
	}
	check("all", c.s.Local(), "abcd")
	check("room 1", c.s.To("1"), "ab")
	if err := c.s.To("1").JoinAll(ctx, "3", "4"); err != nil {
		t.Fatal(err)
	}
	check("room 3", c.s.To("3"), "ab")
	check("room 4", c.s.To("4"), "ab")
	if err := c.s.To("2").LeaveAll(ctx, "3"); err != nil {
		t.Fatal(err)
	}
	check("room 3 later", c.s.To("3"), "a")
	if err := c.sockets["a"].Broadcast().JoinAll(ctx, "others"); err != nil {
		t.Fatal(err)
	}
	check("the others", c.s.To("others"), "bcd")
	if err := c.s.LeaveAll(ctx, c.sockets["a"].ID()); err != nil {
		t.Fatal(err)
	}
	check("a's own room, which cannot be left", c.s.To(c.sockets["a"].ID()), "a")
	if err := c.s.To("1").DisconnectSockets(ctx, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		c.clients[name].expect("1")
		c.clients[name].connect("/", "")
		c.clients[name].sync()
	}
	if err := c.s.Except("2").DisconnectSockets(ctx, true); err != nil {
		t.Fatal(err)
	}
	c.clients["d"].expect("1")
	c.clients["d"].expectClosed()
	c.clients["c"].sync()
	check("what is left", c.s.Local(), "c")
}

// What is told about a socket.
func TestRemoteSocket(t *testing.T) {
	type profile struct {
		Name string `json:"name"`
		Key  []byte `json:"key"`
	}
	who, secret := socketio.NewKey[profile]("who"), socketio.NewKey[chan int]("channel")
	c := newCrowd(t, "websocket")
	who.Set(c.sockets["b"], profile{"bea", []byte("k")})
	secret.Set(c.sockets["b"], make(chan int))
	ctx := deadline(t)
	found, err := c.s.To(c.sockets["b"].ID()).FetchSockets(ctx)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %d sockets (%v)", len(found), err)
	}
	b := found[0]
	if rooms := slices.Sorted(slices.Values(b.Rooms())); b.Rooms()[0] != b.ID() || !slices.Contains(rooms, "1") || !slices.Contains(rooms, "2") || len(rooms) != 3 {
		t.Errorf("rooms are %q", rooms)
	}
	if got := who.Get(b); got.Name != "bea" || string(got.Key) != "k" {
		t.Errorf("data are %+v", got)
	}
	if _, ok := secret.Lookup(b); !ok {
		t.Error("the channel of a socket of this server is missing")
	}
	var data map[string]any
	if err := json.Unmarshal(b.Data(), &data); err != nil || len(data) != 1 {
		t.Errorf("data are %s (%v)", b.Data(), err)
	}
	h, err := b.Handshake()
	if err != nil || h.Address != "127.0.0.1" || h.Query.Get("EIO") != "4" {
		t.Errorf("handshake is %+v (%v)", h, err)
	}
}

// What can be done with a socket from afar.
func TestRemoteSocketMethods(t *testing.T) {
	c := newCrowd(t, "websocket")
	ctx := deadline(t)
	found, err := c.s.To(c.sockets["b"].ID()).FetchSockets(ctx)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %d sockets (%v)", len(found), err)
	}
	b := found[0]
	if err := b.Emit("hi", 1); err != nil {
		t.Fatal(err)
	}
	c.clients["b"].expect(`2["hi",1]`)
	answer := ask(t, b, "q")
	c.clients["b"].answer("q", `["x"]`)
	got := await(t, "the answer", answer)
	if text, err := socketio.As[string](got.args, got.err); text != "x" || err != nil {
		t.Errorf("the answer is %q (%v)", text, err)
	}
	if err := b.Join(ctx, "9"); err != nil {
		t.Fatal(err)
	}
	if err := b.Leave(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	rooms := c.sockets["b"].Rooms()
	slices.Sort(rooms[1:])
	if !slices.Equal(rooms, []string{b.ID(), "2", "9"}) {
		t.Errorf("rooms are %q", rooms)
	}
	if err := b.Disconnect(ctx, true); err != nil {
		t.Fatal(err)
	}
	c.clients["b"].expect("1")
	c.clients["b"].expectClosed()
	if _, err := b.EmitWithAck(ctx, "q"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("asking a socket that is gone gives %v", err)
	}
	if err := b.Emit("x"); err != nil {
		t.Errorf("emitting to a socket that is gone gives %v", err)
	}
}

// Values attached to sockets.
func TestKeys(t *testing.T) {
	_, _, socket := pair(t, nil)
	n, text := socketio.NewKey[int]("n"), socketio.NewKey[string]("n")
	if v, ok := n.Lookup(socket); v != 0 || ok || n.Get(socket) != 0 {
		t.Errorf("a value was there: %v", v)
	}
	n.Set(socket, 5)
	n.Set(socket, 6)
	if v, ok := n.Lookup(socket); v != 6 || !ok {
		t.Errorf("the value is %v", v)
	}
	if v, ok := text.Lookup(socket); v != "" || ok {
		t.Errorf("the value as another type is %q", v)
	}
	n.Delete(socket)
	n.Delete(socket)
	if _, ok := n.Lookup(socket); ok || n.Name() != "n" {
		t.Error("the value is still there")
	}
}

// A value that is removed from a socket does not stay in memory with it.
func TestKeysThatAreDeletedKeepNothing(t *testing.T) {
	_, _, socket := pair(t, nil)
	keys := make([]socketio.Key[*[1000]byte], 3)
	values := make([]weak.Pointer[[1000]byte], len(keys))
	for i := range keys {
		keys[i] = socketio.NewKey[*[1000]byte](itoa(i))
		v := new([1000]byte)
		values[i] = weak.Make(v)
		keys[i].Set(socket, v)
	}
	for _, i := range []int{1, 2, 0} { // in the middle, at the end, the only one
		keys[i].Delete(socket)
		eventually(t, "value "+itoa(i)+" is collected", func() bool {
			runtime.GC()
			return values[i].Value() == nil
		})
	}
	runtime.KeepAlive(socket)
}

// Values may be attached, read and removed at any time.
func TestKeysOfManyGoroutines(t *testing.T) {
	s, _, socket := pair(t, nil)
	const goroutines, rounds = 8, 300
	shared := socketio.NewKey[int]("shared")
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range rounds {
				own := socketio.NewKey[int](itoa(g) + " " + itoa(i%10))
				own.Set(socket, i)
				shared.Set(socket, i)
				if v := own.Get(socket); v != i {
					t.Errorf("a value is %d, want %d", v, i)
				}
				if i%10 == 9 {
					own.Delete(socket)
					_, _ = s.FetchSockets(t.Context())
				}
			}
		})
	}
	all.Wait()
	var data map[string]int
	found, err := s.FetchSockets(t.Context())
	if err == nil && len(found) == 1 {
		err = json.Unmarshal(found[0].Data(), &data)
	}
	if want := 9*goroutines + 1; err != nil || len(data) != want {
		t.Errorf("%d values are left, want %d (%v)", len(data), want, err)
	}
}

// The outgoing catch-all functions are called once for each emit, with what is sent, and not for acknowledgements.
func TestOnAnyOutgoing(t *testing.T) {
	c := newCrowd(t, "websocket")
	var j journal
	c.s.OnAnyOutgoing(func(event string, a socketio.Args) {
		var n int
		var b []byte
		if err := a.Bind(&n, &b); err != nil {
			t.Errorf("arguments of %q: %v", event, err)
		}
		j.add(event + " " + itoa(n) + string(b))
	})
	socket := c.sockets["a"]
	for i, to := range []socketio.Emitter{c.s, c.s.To("1"), socket, socket.Volatile(), socket.To("1"), c.s.To("nowhere")} {
		if err := to.Emit("out", i, []byte("!")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = socket.EmitWithAck(ctx, "ask", 6, []byte("!"))
	_, _ = c.s.EmitWithAck(ctx, "ask", 7, []byte("!"))
	_ = socket.Emit("broken", make(chan int))
	c.clients["d"].send(`21["echo"]`)
	want := []string{"out 0!", "out 1!", "out 2!", "out 3!", "out 4!", "out 5!", "ask 6!", "ask 7!"}
	c.clients["d"].expect(`51-["out",0,{"_placeholder":true,"num":0}]`, bin("!"))
	j.expect(t, want...)
}

// Server events on a server of its own.
func TestServerEventsAlone(t *testing.T) {
	s := siotest.New(t, nil)
	socketio.OnServer(s, "x", func(context.Context, int) error {
		t.Error("a server got its own event")
		return nil
	})
	ctx := deadline(t)
	if err := s.ServerEmit(ctx, "x", 1); err != nil {
		t.Error(err)
	}
	all, err := s.ServerEmitWithAck(ctx, "x", 1)
	if len(all) != 0 || err != nil {
		t.Errorf("%d answers (%v)", len(all), err)
	}
	if n, err := s.ServerCount(ctx); n != 1 || err != nil {
		t.Errorf("%d servers (%v)", n, err)
	}
	if err := s.ServerEmit(ctx, "x", make(chan int)); err == nil {
		t.Error("a channel was sent")
	}
}
