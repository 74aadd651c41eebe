package socketio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// An upload has binary in many places.
type upload struct {
	Name   string            `json:"name"`
	Body   []byte            `json:"body"`
	Parts  [][]byte          `json:"parts"`
	Named  map[string][]byte `json:"named"`
	Any    any               `json:"any"`
	Inner  *upload           `json:"inner,omitempty"`
	Absent []byte            `json:"absent"`
}

const (
	chatMessage socketio.EventOf[upload]                           = "chat message"
	sum         socketio.CallOf[socketio.Args2[int, int], int]     = "sum"
	vote        socketio.CallOf[string, bool]                      = "vote"
	nothing     socketio.CallOf[socketio.None, socketio.None]      = "nothing"
	swap        socketio.CallOf[swapped, socketio.Args2[any, any]] = "swap"
)

type swapped = socketio.Args2[any, any]

// Values in both directions.
func TestJSValues(t *testing.T) {
	runJS(t, []jsCase{
		{"everything that JSON has", jsJSON},
		{"what JSON does not have", jsNotJSON},
		{"binary nested in structs, both ways", jsBinary},
		{"large binary and text", jsLarge},
		{"ten attachments", jsTenAttachments},
		{"send is an event named message", jsSend},
	})
}

func jsJSON(t *testing.T, j *jsTest) {
	t.Helper()
	const values = `[0, 1, -1.5, 1e21, 1e-7, 9007199254740991, "", "ü€😀\u0000\u001e\u2028\"\\/", true, false, null,
		[], {}, [[[]]], {"a": {"b": [1, {"c": null}]}, "": 1, "__proto__x": 2}]`
	var same bool
	j.eval(&same, `
		const s = await dial(), values = `+values+`;
		const back = await new Promise((resolve) => s.emit("echo", ...values, (...a) => resolve(a)));
		return JSON.stringify(back) === JSON.stringify(values)`)
	if !same {
		t.Error("the values came back changed")
	}
	var got json.RawMessage
	wait := j.evalAside(&got, `return await once(my.sockets[0], "values")`)
	var list []any
	if err := json.Unmarshal([]byte(strings.Replace(values, `"__proto__x": 2`, `"p": 2`, 1)), &list); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client listens", func() bool {
		var n int
		j.eval(&n, `return my.sockets[0].listeners("values").length`)
		return n == 1
	})
	if err := j.socket("/").Emit("values", list...); err != nil {
		t.Fatal(err)
	}
	wait()
	want, _ := json.Marshal(list)
	if canonical(t, got) != canonical(t, want) {
		t.Errorf("the client got %s, want %s", got, want)
	}
}

func jsNotJSON(t *testing.T, j *jsTest) {
	t.Helper()
	got := make(chan []byte, 1)
	socketio.On(j, "odd", func(_ context.Context, _ *socketio.Socket, a socketio.Args) error {
		values := make([]json.RawMessage, a.Len())
		for i := range values {
			values[i] = a.Raw(i)
		}
		raw, err := json.Marshal(values)
		got <- raw
		return err
	})
	j.eval(nil, `
		const s = await dial();
		s.emit("odd", undefined, NaN, Infinity, () => 1, new Date(0), {u: undefined, n: 1}, [undefined], new Map([[1, 2]]))`)
	const want = `[null,null,null,null,"1970-01-01T00:00:00.000Z",{"n":1},[null],{}]`
	if raw := string(await(t, "the event", got)); raw != want {
		t.Errorf("the server got %s", raw)
	}
}

func jsBinary(t *testing.T, j *jsTest) {
	t.Helper()
	var got upload
	chatMessage.Handle(j, func(_ context.Context, s *socketio.Socket, u upload) error {
		got = u
		return chatMessage.Emit(s, u)
	})
	var back [][]any
	j.eval(&back, `
		const s = await dial(), there = once(s, "chat message");
		s.emit("chat message", {
			name: "n", body: Buffer.from([0, 255, 30]), parts: [new Uint8Array([1, 2]), new ArrayBuffer(0)],
			named: {x: new Uint16Array([513])}, any: [{deep: Buffer.from("any")}], inner: {name: "i", body: Buffer.from("inner")},
		});
		const [u] = await there;
		return [[Buffer.isBuffer(u.body), [...u.body]], [u.parts.map((p) => [...p])], [[...u.named.x]], [u.any[0].deep.toString()],
			[u.inner.name, u.inner.body.toString(), u.inner.parts, u.absent]]`)
	deep, _ := got.Any.([]any)
	var any0 map[string]any
	if len(deep) == 1 {
		any0, _ = deep[0].(map[string]any)
	}
	blob, _ := any0["deep"].([]byte)
	if got.Name != "n" || !bytes.Equal(got.Body, []byte{0, 255, 30}) || len(got.Parts) != 2 || !bytes.Equal(got.Parts[0], []byte{1, 2}) ||
		got.Parts[1] == nil || !bytes.Equal(got.Named["x"], []byte{1, 2}) || string(blob) != "any" || string(got.Inner.Body) != "inner" {
		t.Errorf("the server got %+v", got)
	}
	expectJSON(t, back, `[[true,[0,255,30]],[[[1,2],[]]],[[1,2]],["any"],["i","inner",null,null]]`)
}

func jsLarge(t *testing.T, j *jsTest) {
	t.Helper()
	var same bool
	j.eval(&same, `
		const s = await dial(), b = require_bytes(300000), text = "ü".repeat(150000);
		function require_bytes(n) { const b = Buffer.alloc(n); for (let i = 0; i < n; i++) b[i] = i * 7919 >> 3; return b; }
		const [b2, t2, b3] = await new Promise((resolve) => s.emit("echo", b, text, b, (...a) => resolve(a)));
		return b.equals(b2) && b.equals(b3) && text === t2`)
	if !same {
		t.Error("the values came back changed")
	}
}

func jsTenAttachments(t *testing.T, j *jsTest) {
	t.Helper()
	var n int
	j.eval(&n, `
		const s = await dial();
		const back = await s.emitWithAck("echo", Array.from({length: 10}, (_, i) => Buffer.from([i])));
		return back.filter((b, i) => b.length === 1 && b[0] === i).length`)
	if n != 10 {
		t.Errorf("%d attachments came back", n)
	}
}

func jsSend(t *testing.T, j *jsTest) {
	t.Helper()
	socketio.On(j, "message", func(_ context.Context, s *socketio.Socket, text string) error { return s.Emit("message", text+"!") })
	var got []string
	j.eval(&got, `const s = await dial(), there = once(s, "message"); s.send("hello"); return there`)
	if !slices.Equal(got, []string{"hello!"}) {
		t.Errorf("the client got %q", got)
	}
}

// Acknowledgements in both directions.
func TestJSAcks(t *testing.T) {
	runJS(t, []jsCase{
		{"server asks", jsServerAsks},
		{"server asks more", jsServerAsksMore},
		{"client asks", jsClientAsks},
		{"client gives up", jsClientGivesUp},
		{"client that retries", jsClientRetries},
		{"asked inside a handler", jsAskedInHandler},
		{"client disconnects before it answers", jsLeavesBeforeAnswer},
		{"broadcast", jsBroadcastAcks},
	})
}

func jsServerAsks(t *testing.T, j *jsTest) {
	t.Helper()
	j.eval(nil, answers)
	s, ctx := j.socket("/"), deadline(t)
	if a, err := s.EmitWithAck(ctx, "none"); err != nil || a.Len() != 0 {
		t.Errorf("none: %v (%v)", a, err)
	}
	if v, err := socketio.As[map[string]int](s.EmitWithAck(ctx, "one", 7)); err != nil || v["x"] != 7 {
		t.Errorf("one: %v (%v)", v, err)
	}
	if v, err := socketio.As[socketio.Args2[string, int]](s.EmitWithAck(ctx, "two")); err != nil || v.A != "a" || v.B != 2 {
		t.Errorf("two: %v (%v)", v, err)
	}
	type blobs struct {
		B    []byte
		List [][]byte
	}
	v, err := socketio.As[blobs](s.EmitWithAck(ctx, "blob", []byte("bin")))
	if err != nil || string(v.B) != "bin" || len(v.List) != 2 || string(v.List[1]) != "more" {
		t.Errorf("blob: %v (%v)", v, err)
	}
}

func jsServerAsksMore(t *testing.T, j *jsTest) {
	t.Helper()
	j.eval(nil, answers)
	s, ctx := j.socket("/"), deadline(t)
	if v, err := socketio.As[int](s.EmitWithAck(ctx, "twice")); err != nil || v != 1 {
		t.Errorf("twice: %v (%v)", v, err)
	}
	if v, err := socketio.As[string](s.EmitWithAck(ctx, "later")); err != nil || v != "late" {
		t.Errorf("later: %v (%v)", v, err)
	}
	if v, err := vote.Call(ctx, s, "guilty?"); err != nil || !v {
		t.Errorf("vote: %v (%v)", v, err)
	}
	if _, err := socketio.As[int](s.EmitWithAck(ctx, "two")); err == nil {
		t.Error("a text was decoded as a number")
	} else if e, ok := errors.AsType[*socketio.ArgError](err); !ok || e.Index != 0 || e.Event != "" {
		t.Errorf("the error is %#v", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := s.EmitWithAck(short, "never"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("never: %v", err)
	}
}

func jsClientAsks(t *testing.T, j *jsTest) {
	t.Helper()
	sum.Handle(j, func(_ context.Context, _ *socketio.Socket, a socketio.Args2[int, int]) (int, error) {
		return a.A + a.B, nil
	})
	nothing.Handle(j, func(context.Context, *socketio.Socket, socketio.None) (socketio.None, error) {
		return socketio.None{}, nil
	})
	swap.Handle(j, func(_ context.Context, _ *socketio.Socket, a swapped) (swapped, error) {
		return swapped{A: a.B, B: a.A}, nil
	})
	socketio.OnWithAck(j, "fail", func(context.Context, *socketio.Socket, socketio.None) (int, error) {
		return 0, &socketio.Error{Message: "no", Data: []int{1}}
	})
	socketio.OnWithAck(j, "bug", func(context.Context, *socketio.Socket, socketio.None) (int, error) { return 0, errors.New("secret") })
	var got json.RawMessage
	j.eval(&got, `
		const s = await dial(), ask = (...a) => new Promise((resolve) => s.emit(...a, (...r) => resolve(r)));
		return [await ask("sum", 1, 2), await ask("nothing"), await ask("swap", {a: 1}, Buffer.from("x")), await ask("fail"), await ask("bug"),
			await ask("sum", 1, "x"), await ask("sum", 1), await s.emitWithAck("sum", 3, 4)]`)
	const want = `[[3],[],[{"$bin":"eA=="},{"a":1}],[{"error":{"message":"no","data":[1]}}],[{"error":{"message":"internal error"}}],
		[{"error":{"message":"invalid argument 1"}}],[{"error":{"message":"invalid argument 1"}}],7]`
	if canonical(t, got) != canonical(t, []byte(want)) {
		t.Errorf("the client got %s", got)
	}
}

func jsClientGivesUp(t *testing.T, j *jsTest) {
	t.Helper()
	j.Handle("never", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		if !e.WantsAck() {
			t.Error("no acknowledgement is wanted")
		}
		return nil
	}))
	var got []string
	j.eval(&got, `
		const s = await dial();
		const first = await new Promise((resolve) => s.timeout(50).emit("never", (err) => resolve(err.message)));
		const second = await s.timeout(50).emitWithAck("never").catch((err) => err.message);
		return [first, second, await s.timeout(15000).emitWithAck("echo", "fine")]`)
	if !slices.Equal(got, []string{"operation has timed out", "operation has timed out", "fine"}) {
		t.Errorf("the client got %q", got)
	}
}

func jsClientRetries(t *testing.T, j *jsTest) {
	t.Helper()
	j.collectNumbers()
	var told []int
	j.eval(&told, `
		const s = await dial("/", {retries: 3, ackTimeout: 15000});
		for (let i = 0; i < 20; i++) s.emit("n", i);
		return new Promise((resolve, reject) => s.emit("all", (err, v) => err ? reject(err) : resolve(v)))`)
	if len(told) != 20 || !slices.IsSorted(told) {
		t.Errorf("the server got %v", told)
	}
}

func jsAskedInHandler(t *testing.T, j *jsTest) {
	t.Helper()
	socketio.OnWithAck(j, "relay", func(ctx context.Context, s *socketio.Socket, n int) (int, error) {
		v, err := socketio.As[map[string]int](s.EmitWithAck(ctx, "one", n))
		return v["x"] + 1, err
	})
	j.eval(nil, answers)
	var got []int
	j.eval(&got, `return Promise.all([1, 2, 3].map((n) => my.sockets[0].emitWithAck("relay", n)))`)
	if !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("the client got %v", got)
	}
}

func jsLeavesBeforeAnswer(t *testing.T, j *jsTest) {
	t.Helper()
	j.eval(nil, `const s = await dial(); s.on("q", () => s.disconnect())`)
	if _, err := j.socket("/").EmitWithAck(deadline(t), "q"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("the wait ends with %v", err)
	}
}

func jsBroadcastAcks(t *testing.T, j *jsTest) {
	t.Helper()
	j.eval(nil, answers+moreAnswers)
	if all, err := vote.CallAll(deadline(t), j, "guilty?"); err != nil || len(all) != 3 || slices.Contains(all, false) {
		t.Errorf("the votes are %v (%v)", all, err)
	}
	var all []string
	var err error
	// Again, with more time, as long as an answer is missing: the machine may stall.
	for limit := 300 * time.Millisecond; limit < 2*patience && len(all) < 2; limit *= 4 {
		ctx, cancel := context.WithTimeout(deadline(t), limit)
		all, err = socketio.AllAs[string](j.EmitWithAck(ctx, "some"))
		cancel()
	}
	late, ok := errors.AsType[*socketio.AckTimeoutError](err)
	if !ok || late.Answers != 2 || len(all) != 2 || all[0] != "yes" || all[1] != "yes" {
		t.Errorf("partial answers are %q (%v)", all, err)
	}
}

// answers makes a client that answers the questions of the server.
const answers = `
	const s = await dial();
	s.on("none", (cb) => cb());
	s.on("one", (x, cb) => cb({x}));
	s.on("two", (cb) => cb("a", 2));
	s.on("blob", (b, cb) => cb({b, list: [b, Buffer.from("more")]}));
	s.on("never", () => {});
	s.on("twice", (cb) => { cb(1); cb(2); });
	s.on("later", (cb) => setTimeout(() => cb("late"), 50));
	s.on("vote", (q, cb) => cb(q === "guilty?"));`

// moreAnswers adds two more.
const moreAnswers = `
	const others = [await dial(), await dial()];
	for (const o of others) {
		o.on("vote", (q, cb) => cb(true));
		o.on("some", (cb) => cb("yes"));
	}
	s.on("some", (cb) => {});`
