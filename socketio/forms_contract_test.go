package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// An argument that was not sent is nil where the type has a nil for it, and an error elsewhere.
func TestMissingArgument(t *testing.T) {
	s, c, _ := pair(t, nil)
	type message struct{ Text string }
	socketio.OnWithAck(s, "pointer", func(_ context.Context, _ *socketio.Socket, m *message) (bool, error) { return m == nil, nil })
	socketio.OnWithAck(s, "any", func(_ context.Context, _ *socketio.Socket, v any) (bool, error) { return v == nil, nil })
	socketio.OnWithAck(s, "json", func(_ context.Context, _ *socketio.Socket, v json.RawMessage) (bool, error) { return v == nil, nil })
	socketio.OnWithAck(s, "raw", func(_ context.Context, _ *socketio.Socket, v parser.Raw) (bool, error) { return v.Data == nil, nil })
	socketio.OnWithAck(s, "second", func(_ context.Context, _ *socketio.Socket, v socketio.Args2[int, *int]) (bool, error) {
		return v.A == 5 && v.B == nil, nil
	})
	socketio.OnWithAck(s, "string", func(_ context.Context, _ *socketio.Socket, _ string) (bool, error) { return true, nil })
	socketio.OnWithAck(s, "slice", func(_ context.Context, _ *socketio.Socket, _ []byte) (bool, error) { return true, nil })
	socketio.OnWithAck(s, "struct", func(_ context.Context, _ *socketio.Socket, _ message) (bool, error) { return true, nil })
	for name, args := range map[string][]any{"pointer": nil, "any": nil, "json": nil, "raw": nil, "second": {5}} {
		if got := answer(t, c, name, args...); got != `[true]` {
			t.Errorf("%s: the answer is %s", name, got)
		}
	}
	for _, name := range []string{"string", "slice", "struct"} {
		if got := answer(t, c, name); got != invalid(0) {
			t.Errorf("%s: the answer is %s", name, got)
		}
	}
	if v, err := socketio.As[*message](socketio.Args{}, nil); v != nil || err != nil {
		t.Errorf("an answer without arguments gives %v, %v", v, err)
	}
	v := &message{"before"}
	if err := (socketio.Args{}).Bind(&v); v != nil || err != nil {
		t.Errorf("Bind gives %v, %v", v, err)
	}
	if err := (socketio.Args{}).Decode(-1, &v); !errors.Is(err, socketio.ErrNoArgument) {
		t.Errorf("a negative index gives %v", err)
	}
}

// Clients in other languages write whole numbers as doubles: they fit integers if they are whole.
func TestWholeDoublesFitIntegers(t *testing.T) {
	type numbers struct {
		I int            `json:"i"`
		U uint64         `json:"u"`
		F float64        `json:"f"`
		L []int8         `json:"l"`
		M map[string]int `json:"m"`
		S string         `json:"s"`
		A any            `json:"a"`
	}
	s, c, _ := pair(t, nil)
	echo(s, "int", func(n int) any { return n })
	echo(s, "int8", func(n int8) any { return n })
	echo(s, "uint64", func(n uint64) any { return n })
	echo(s, "pair", func(n socketio.Args2[int, numbers]) any { return []any{n.A, n.B} })
	for _, tt := range []struct{ event, arg, want string }{
		{"int", "5.0", "[5]"},
		{"int", "-5.000", "[-5]"},
		{"int", "1e3", "[1000]"},
		{"int", "12.5E+1", "[125]"},
		{"int", "1500e-2", "[15]"},
		{"int", "0.0", "[0]"},
		{"int", "-0.0", "[0]"},
		{"int", "9007199254740993.0", "[9007199254740993]"},
		{"uint64", "18446744073709551615.0", "[18446744073709551615]"},
		{"int", "5.5", invalid(0)},
		{"int", `"5"`, invalid(0)},
		{"int", `"5.0"`, invalid(0)},
		{"int", "1e30", invalid(0)},
		{"int", "1e999999999999", invalid(0)},
		{"int", "5e-1", invalid(0)},
		{"int8", "1e3", invalid(0)},
		{"uint64", "-1.0", invalid(0)},
		{"int8", "-128.0", "[-128]"},
	} {
		if got := answer(t, c, tt.event, raws(tt.arg)...); got != tt.want {
			t.Errorf("%s of %s: the answer is %s, want %s", tt.event, tt.arg, got, tt.want)
		}
	}
	const fits = `{"i":3.0,"u":1e2,"f":1.5,"l":[1.0,-2.0],"m":{"1.0":4.0},"s":"5.0","a":[6.0,"7.0e1"]}`
	want := `[[2,{"i":3,"u":100,"f":1.5,"l":[1,-2],"m":{"1.0":4},"s":"5.0","a":[6,"7.0e1"]}]]`
	if got := answer(t, c, "pair", raws("2.0", fits)...); got != want {
		t.Errorf("the answer is %s, want %s", got, want)
	}
	if got := answer(t, c, "pair", raws("2", `{"i":3.5}`)...); got != invalid(1) {
		t.Errorf("the answer is %s", got)
	}
}

// echo answers an event with what reply makes of its argument.
func echo[T any](s *siotest.Server, event string, reply func(T) any) {
	socketio.OnWithAck(s, event, func(_ context.Context, _ *socketio.Socket, v T) (any, error) { return reply(v), nil })
}

// JSON cannot have the binary values of an argument: what can is named.
func TestBinaryInRawJSONIsAnError(t *testing.T) {
	s, c, _ := pair(t, nil)
	got := make(chan error, 1)
	s.Handle("x", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		var raw json.RawMessage
		var whole parser.Raw
		var nested struct{ A map[string]json.RawMessage }
		got <- e.Args.Decode(0, &raw)
		got <- e.Args.Decode(1, &nested)
		got <- errors.Join(e.Args.Decode(0, &whole), e.Args.Decode(2, &raw))
		return nil
	}))
	if err := c.Emit("x", map[string][]byte{"a": []byte("b")}, map[string]any{"A": map[string][][]byte{"b": {[]byte("c")}}}, map[string]int{"b": 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		err := await(t, "the event", got)
		if !errors.Is(err, parser.ErrNotBinary) || !strings.Contains(err.Error(), "json.RawMessage") || !strings.Contains(err.Error(), "parser.Raw") {
			t.Errorf("argument %d: the error is %v", i, err)
		}
	}
	if err := await(t, "the event", got); err != nil {
		t.Errorf("what can be decoded gives %v", err)
	}
}
