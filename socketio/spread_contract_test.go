package socketio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
)

// vector stands for two arguments.
type vector struct{ X, Y int }

func (p vector) MarshalArgs() []any { return []any{p.X, p.Y} }

// A sole argument that stands for several is spread, whichever method emits it.
func TestArgsMarshalerIsSpreadByEveryEmittingMethod(t *testing.T) {
	pair := socketio.Args2[int, string]{A: 1, B: "b"}
	runJS(t, []jsCase{{"all", func(t *testing.T, j *jsTest) {
		t.Helper()
		j.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			return errors.Join(
				s.Emit("x", pair),
				s.Compress(false).Emit("x", &pair),
				s.Emit("x", socketio.None{}),
				s.Emit("x", vector{2, 3}),
				s.Namespace().To(s.ID()).Emit("x", pair),
				s.Emit("x", pair.A, []int{4}),
				s.Emit("end"),
			)
		})
		j.Handle("again", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
			return errors.Join(e.Socket.Emit("x", e.Args), e.Ack(e.Args))
		}))
		j.Handle("later", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error { return e.AckFunc()(e.Args) }))
		asked := make(chan socketio.Args, 1)
		socketio.On(j, "ask", func(ctx context.Context, s *socketio.Socket, _ socketio.None) error {
			a, err := s.EmitWithAck(ctx, "q", pair)
			asked <- a
			return err
		})
		var got any
		j.eval(&got, `
			const s = open(), all = [];
			s.on("x", (...a) => all.push(a));
			s.on("q", (...a) => a.pop()(...a));
			const end = once(s, "end");
			await settled(s);
			await end;
			const ack = (ev) => new Promise((resolve) => s.emit(ev, 5, "c", new Uint8Array([6]), (...a) => resolve(a.map((x) => x.length === 1 && x[0] === 6 ? "bin" : x))));
			const again = await ack("again"), later = await ack("later");
			await s.emitWithAck("ask");
			all[all.length - 1].pop();
			return [all, again, later]`)
		expectJSON(t, got, `[[[1,"b"],[1,"b"],[],[2,3],[1,"b"],[1,[4]],[5,"c"]],[5,"c","bin"],[5,"c","bin"]]`)
		if a := await(t, "the answer", asked); a.Len() != 2 || string(a.Raw(1)) != `"b"` {
			t.Errorf("the question had the arguments %s, %s", a.Raw(0), a.Raw(1))
		}
	}}})
}

// The methods that no JavaScript is needed for do it, too, as does what encodes arguments without sending them.
func TestArgsMarshalerIsSpreadToOneAndToMany(t *testing.T) {
	s, c, socket := pair(t, nil)
	v := vector{2, 3}
	ctx := deadline(t)
	found, err := s.FetchSockets(ctx)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets (%v)", len(found), err)
	}
	for name, emit := range map[string]func() error{
		"Namespace.Emit":        func() error { return s.Emit("x", v) },
		"Broadcast.Emit":        func() error { return s.To(c.ID()).Volatile().Emit("x", v) },
		"Socket.Volatile":       func() error { return socket.Volatile().Emit("x", v) },
		"Socket.Call":           func() error { _, err := socket.Call("x", v); return err },
		"CallOf.Start":          func() error { _, err := socketio.CallOf[vector, int]("x").Start(socket, v); return err },
		"EventOf.Emit":          func() error { return socketio.EventOf[vector]("x").Emit(s, v) },
		"RemoteSocket.Emit":     func() error { return found[0].Emit("x", v) },
		"Namespace.EmitWithAck": func() error { go s.EmitWithAck(ctx, "x", v); return nil },
		"Remote.EmitWithAck":    func() error { go found[0].EmitWithAck(ctx, "x", v); return nil },
	} {
		eventually(t, "the client takes messages", socket.Conn().Writable) // or what is volatile is dropped
		if err := emit(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e := received(t, c, "x")
		if got := e.Args.String(); got != "[2,3]" {
			t.Errorf("%s sends %s", name, got)
		}
		if e.WantsAck() {
			if err := e.Ack(); err != nil {
				t.Error(err)
			}
		}
	}
	if a, err := socketio.NewArgs(v); a.String() != "[2,3]" || err != nil {
		t.Errorf("NewArgs gives %s, %v", a, err)
	}
}

// What stands for several arguments cannot be an argument beside others, or a part of one.
func TestArgsMarshalerWithinAnArgumentIsAnError(t *testing.T) {
	s, _, socket := pair(t, nil)
	found, err := s.FetchSockets(deadline(t))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets (%v)", len(found), err)
	}
	pair := socketio.Args2[int, int]{}
	for name, args := range map[string][]any{
		"beside another argument": {1, pair},
		"in a slice":              {[]socketio.Args2[int, int]{pair}},
		"in a slice of any":       {[]any{pair}},
		"in a map":                {map[string]any{"a": socketio.None{}}},
		"in a struct":             {struct{ A socketio.Args }{}},
		"behind a pointer":        {&struct{ A []any }{[]any{&pair}}},
		"own type":                {map[string]vector{"p": {}}},
		"nil pointer":             {(*socketio.Args2[int, int])(nil)},
	} {
		for method, err := range map[string]error{
			"Socket.Emit":     socket.Emit("x", args...),
			"Namespace.Emit":  s.Emit("x", args...),
			"ServerEmit":      s.ServerEmit(t.Context(), "x", args...),
			"Broadcast.Emit":  s.To("r").Emit("x", args...),
			"RemoteSocket":    found[0].Emit("x", args...),
			"Socket.Volatile": socket.Volatile().Emit("x", args...),
		} {
			if !errors.Is(err, parser.ErrNestedArgs) {
				t.Errorf("%s, %s: the error is %v", name, method, err)
			}
		}
	}
}
