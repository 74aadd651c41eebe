package socketio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// What comes out of catch-all listeners on both sides.
func TestJSCatchAll(t *testing.T) {
	runJS(t, []jsCase{{"catch-all", jsCatchAll}})
}

func jsCatchAll(t *testing.T, j *jsTest) {
	t.Helper()
	var in, out journal
	j.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		in.add(e.Name + " " + itoa(e.Args.Len()))
		return nil
	}))
	j.OnAnyOutgoing(func(event string, a socketio.Args) { out.add(event + " " + itoa(a.Len())) })
	socketio.On(j, "go", func(_ context.Context, s *socketio.Socket, _ socketio.None) error {
		return errors.Join(s.Emit("a", 1), j.Emit("b", 1, 2), j.To(s.ID()).Emit("c"))
	})
	var got []any
	j.eval(&got, `
		const s = await dial(), incoming = [], outgoing = [];
		s.onAny((...a) => incoming.push(a));
		s.onAnyOutgoing((...a) => outgoing.push(a.length));
		s.emit("x", 1, Buffer.from("b"));
		s.emit("go");
		await until(() => incoming.length === 3);
		return [incoming, outgoing]`)
	expectJSON(t, got, `[[["a",1],["b",1,2],["c"]],[3,1]]`)
	in.expect(t, "x 2", "go 0")
	out.expect(t, "a 1", "b 2", "c 0")
}

const manyEvents = 1000

// Many messages keep their order, also while the transport is upgraded, and volatile ones reach a client that listens.
func TestJSOrder(t *testing.T) {
	runJS(t, []jsCase{
		{"from the server", jsOrderFromServer},
		{"from the client", jsOrderFromClient},
		{"volatile", jsVolatile},
	})
}

func jsOrderFromServer(t *testing.T, j *jsTest) {
	t.Helper()
	stop := make(chan struct{})
	defer close(stop)
	socketio.On(j, "go", func(_ context.Context, s *socketio.Socket, _ socketio.None) error {
		for i := range manyEvents {
			if err := s.Emit("n", i, []byte{byte(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	var got int
	j.eval(&got, `
		const s = open();
		s.emit("go");
		const all = await take(s, "n", `+itoa(manyEvents)+`);
		return all.findIndex(([i, b], at) => i !== at || b[0] !== at % 256)`)
	if got != -1 {
		t.Errorf("event %d is out of order", got)
	}
}

func jsOrderFromClient(t *testing.T, j *jsTest) {
	t.Helper()
	var got []int
	socketio.On(j, "n", func(_ context.Context, _ *socketio.Socket, a socketio.Args2[int, []byte]) error {
		if len(a.B) == 1 && a.B[0] == byte(a.A) {
			got = append(got, a.A)
		}
		return nil
	})
	socketio.OnWithAck(j, "all", func(context.Context, *socketio.Socket, socketio.None) (int, error) {
		if !slices.IsSorted(got) {
			return -1, nil
		}
		return len(got), nil
	})
	var told int
	j.eval(&told, `
		const s = open();
		for (let i = 0; i < `+itoa(manyEvents)+`; i++) {
			s.emit("n", i, Buffer.from([i % 256]));
			if (i % 50 === 0) await sleep(1);
		}
		return s.emitWithAck("all")`)
	if told != manyEvents {
		t.Errorf("%d events came in order, want %d", told, manyEvents)
	}
}

func jsVolatile(t *testing.T, j *jsTest) {
	t.Helper()
	j.eval(nil, `const s = await dial(); my.got = once(s, "v")`)
	s := j.socket("/")
	eventually(t, "the client takes messages", s.Conn().Writable)
	if err := s.Volatile().Emit("v", 1, []byte("x")); err != nil {
		t.Fatal(err)
	}
	var text string
	j.eval(&text, `return (await my.got)[1].toString()`)
	if text != "x" {
		t.Errorf("the client got %q", text)
	}
}
