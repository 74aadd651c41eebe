package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

type blob []byte

type inner struct {
	Bytes []byte `json:"bytes"`
	Note  string `json:"note"`
}

type embedded struct {
	Thumb []byte `json:"thumb"`
}

type message struct {
	Text     string            `json:"text"`
	Body     []byte            `json:"body"`
	Empty    []byte            `json:"empty,omitempty"`
	Skipped  []byte            `json:"-"`
	Named    blob              `json:"named,omitempty"`
	Inner    *inner            `json:"inner,omitempty"`
	List     [][]byte          `json:"list,omitempty"`
	Map      map[string][]byte `json:"map,omitempty"`
	Any      any               `json:"any,omitempty"`
	Array    [3]byte           `json:"array"`
	At       time.Time         `json:"at,omitzero"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	embedded                   // promoted
	private  []byte
}

// marshals is a type that encodes itself.
type marshals struct{ B []byte }

func (m marshals) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]any{"b": m.B}) }

const ph0, ph1, ph2 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":2}`

func TestAppendEvent(t *testing.T) {
	self := map[string]any{}
	self["self"] = self
	type node struct {
		Next *node
		B    []byte
	}
	loop := &node{}
	loop.Next = loop
	type plainNode struct{ Next *plainNode }
	plainLoop := &plainNode{}
	plainLoop.Next = plainLoop
	var nilMessage *message
	a, b := []byte("first"), []byte("second")
	many := make([][]byte, 11)
	for i := range many {
		many[i] = []byte{byte(i)}
	}

	tests := []struct {
		name string
		args []any
		want string // without the event name
		atts []string
		err  error
	}{
		{"no arguments", nil, ``, nil, nil},
		{"basic types", []any{nil, "x", true, false, 1, int8(-2), uint64(math.MaxUint64), int64(math.MinInt64)}, `,null,"x",true,false,1,-2,18446744073709551615,-9223372036854775808`, nil, nil},
		{"small integers", []any{int16(3), int32(4), uint(5), uint8(6), uint16(7), uint32(8)}, `,3,4,5,6,7,8`, nil, nil},
		{"floats", []any{1.5, 1e21, 1e-7, 123456789.0, float32(0.1), 0.0, 1e20}, `,1.5,1e+21,1e-7,123456789,0.1,0,100000000000000000000`, nil, nil},
		{"no escaping for HTML", []any{"<a&b>", map[string]any{"<": "&"}}, `,"<a&b>",{"<":"&"}`, nil, nil},
		{"escapes", []any{"\"\\\n\r\t\x00\x1f\u2028é😀"}, `,"\"\\\n\r\t\u0000\u001f` + "\u2028é😀\"", nil, nil},
		{"invalid UTF-8", []any{"a\xffb"}, ",\"a\ufffdb\"", nil, nil},
		{"struct", []any{inner{Note: "n"}}, `,{"bytes":null,"note":"n"}`, nil, nil},
		{"nil pointer", []any{nilMessage}, `,null`, nil, nil},
		{"raw message", []any{json.RawMessage(`{"a": [1]}`), json.RawMessage(nil)}, `,{"a": [1]},null`, nil, nil},
		{"raw message that is no JSON", []any{json.RawMessage(`],[`)}, ``, nil, ErrSyntax},
		{"raw message with a trailing value", []any{json.RawMessage(`1,2`)}, ``, nil, ErrSyntax},
		{"bytes", []any{a, "x", b}, `,` + ph0 + `,"x",` + ph1, []string{"first", "second"}, nil},
		{"nil bytes", []any{[]byte(nil)}, `,null`, nil, nil},
		{"empty bytes", []any{[]byte{}}, `,` + ph0, []string{""}, nil},
		{"named bytes", []any{blob(a)}, `,` + ph0, []string{"first"}, nil},
		{"pointer to bytes", []any{&a}, `,` + ph0, []string{"first"}, nil},
		{"bytes in any", []any{map[string]any{"z": a, "a": []any{b, 1, nil}}}, `,{"a":[` + ph0 + `,1,null],"z":` + ph1 + `}`, []string{"second", "first"}, nil},
		{"bytes in typed map", []any{map[string][]byte{"b": b, "a": a, "n": nil}}, `,{"a":` + ph0 + `,"b":` + ph1 + `,"n":null}`, []string{"first", "second"}, nil},
		{"bytes in struct", []any{inner{Bytes: a, Note: "n"}}, `,{"bytes":` + ph0 + `,"note":"n"}`, []string{"first"}, nil},
		{"bytes in array", []any{[2][]byte{a, b}}, `,[` + ph0 + `,` + ph1 + `]`, []string{"first", "second"}, nil},
		{"array of bytes is no binary", []any{[3]byte{1, 2, 3}}, `,[1,2,3]`, nil, nil},
		{"type that encodes itself", []any{marshals{[]byte("hi")}}, `,{"b":"aGk="}`, nil, nil},
		{"binary beside a type that encodes itself", []any{[]any{marshals{[]byte("hi")}, a}}, `,[{"b":"aGk="},` + ph0 + `]`, []string{"first"}, nil},
		{"several arguments", []any{inner{Bytes: a}, b, map[string]any{"c": []byte("third")}}, `,{"bytes":` + ph0 + `,"note":""},` + ph1 + `,{"c":` + ph2 + `}`, []string{"first", "second", "third"}, nil},
		{"ten binary values", []any{many[:10]}, `,[` + phs(0, 10) + `]`, []string{"\x00", "\x01", "\x02", "\x03", "\x04", "\x05", "\x06", "\x07", "\x08", "\x09"}, nil},
		{"eleven binary values", []any{many}, ``, nil, ErrTooManyAttachments},
		{"eleven binary arguments", []any{a, a, a, a, a, a, a, a, a, a, a}, ``, nil, ErrTooManyAttachments},
		{"raw", []any{Raw{Data: []byte(`{"x":1}`)}, &Raw{}, (*Raw)(nil)}, `,{"x":1},null,null`, nil, nil},
		{"raw with attachments", []any{a, Raw{[]byte(`[` + ph0 + `,"x",` + ph0 + `]`), [][]byte{b}}}, `,` + ph0 + `,[` + ph1 + `,"x",` + ph1 + `]`, []string{"first", "second"}, nil},
		{"raw with a wrong number", []any{Raw{[]byte(ph1), [][]byte{b}}}, ``, nil, ErrPlaceholder},
		{"literal placeholder without binary", []any{map[string]any{"_placeholder": true, "num": 7}}, `,{"_placeholder":true,"num":7}`, nil, nil},
		{"literal placeholder beside binary", []any{a, map[string]any{"_placeholder": true, "num": 0}}, ``, nil, ErrPlaceholder},
		{"escaped placeholder beside binary", []any{a, json.RawMessage(`{"\u005fplaceholder":true,"num":9}`)}, ``, nil, ErrPlaceholder},
		{"text about placeholders beside binary", []any{a, ph1, map[string]any{"_placeholder": "true"}}, `,` + ph0 + `,"{\"_placeholder\":true,\"num\":1}",{"_placeholder":"true"}`, []string{"first"}, nil},
		{"map that contains itself", []any{self}, ``, nil, ErrDepth},
		{"struct that contains itself", []any{loop}, ``, nil, ErrDepth},
		{"struct without binary that contains itself", []any{plainLoop}, ``, nil, errAny},
		{"not a number", []any{math.NaN()}, ``, nil, errAny},
		{"infinity", []any{float32(math.Inf(1))}, ``, nil, errAny},
		{"not a number within", []any{[]float64{math.NaN()}}, ``, nil, errAny},
		{"channel", []any{make(chan int)}, ``, nil, errAny},
		{"function within", []any{map[string]any{"f": func() {}}}, ``, nil, errAny},
		{"channel beside binary", []any{map[string]any{"c": make(chan int), "b": a}}, ``, nil, errAny},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c Coder
			data, atts, err := c.AppendEvent([]byte("before"), "ev", test.args...)
			if test.err != nil {
				checkError(t, err, test.err)
				if string(data) != "before" || atts != nil {
					t.Errorf("after an error: %q, %q", data, atts)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := `before["ev"` + test.want + `]`; string(data) != want {
				t.Errorf("data:\n%s\nwant\n%s", data, want)
			}
			checkAttachments(t, atts, test.atts)
		})
	}
}

// errAny stands for an error that is not one of this package.
var errAny = errors.New("any error")

func checkError(t *testing.T, err, want error) {
	t.Helper()
	if err == nil || !errors.Is(want, errAny) && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func checkAttachments(t *testing.T, got [][]byte, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d attachments, want %d", len(got), len(want))
	}
	for i := range want {
		if string(got[i]) != want[i] || got[i] == nil {
			t.Errorf("attachment %d: %q, want %q", i, got[i], want[i])
		}
	}
}

// phs returns the placeholders from first up to but not including end.
func phs(first, end int) string {
	var list []string
	for i := first; i < end; i++ {
		list = append(list, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i))
	}
	return strings.Join(list, ",")
}

func TestAppendAck(t *testing.T) {
	var c Coder
	for _, test := range []struct {
		args []any
		want string
		atts []string
	}{
		{nil, `[]`, nil},
		{[]any{1}, `[1]`, nil},
		{[]any{"a", []byte("b")}, `["a",` + ph0 + `]`, []string{"b"}},
	} {
		data, atts, err := c.AppendAck(nil, test.args...)
		if err != nil || string(data) != test.want {
			t.Errorf("%v: %s, %v, want %s", test.args, data, err, test.want)
		}
		checkAttachments(t, atts, test.atts)
	}
	if _, _, err := c.AppendAck(nil, 1, make(chan int)); err == nil || !strings.Contains(err.Error(), "argument 1") {
		t.Errorf("error %v does not name the argument", err)
	}
}

func TestReservedEvents(t *testing.T) {
	var c Coder
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if _, _, err := c.AppendEvent(nil, name); !errors.Is(err, ErrReservedEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "connection", "error", "message"} {
		if _, _, err := c.AppendEvent(nil, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestAppendEventLeavesArgumentsAlone encodes from several goroutines a struct
// that another one locks: neither may the copy change what it is made from, nor
// may it read what the codec does not read.
func TestAppendEventLeavesArgumentsAlone(t *testing.T) {
	type locked struct {
		mu   sync.Mutex
		Body []byte
		Tree map[string]any
		embedded
	}
	v := &locked{Body: []byte("body"), Tree: map[string]any{"b": []any{[]byte("leaf")}}, embedded: embedded{[]byte("thumb")}}
	var c Coder
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				v.mu.Lock()
				v.mu.Unlock() //nolint:staticcheck // the lock's own memory is what matters
				data, atts, err := c.AppendEvent(nil, "ev", v)
				want := `["ev",{"Body":` + ph0 + `,"Tree":{"b":[` + ph1 + `]},"thumb":` + ph2 + `}]`
				if err != nil || string(data) != want || len(atts) != 3 {
					t.Errorf("%s, %q, %v", data, atts, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if string(v.Body) != "body" || !reflect.DeepEqual(v.Tree, map[string]any{"b": []any{[]byte("leaf")}}) {
		t.Errorf("the argument has changed: %+v", v.Tree)
	}
}

func TestBinaryRoundTrip(t *testing.T) {
	in := message{
		Text: "hello", Body: []byte("body"), Empty: []byte{}, Skipped: []byte("skipped"), Named: blob("named"),
		Inner: &inner{Bytes: []byte("inner"), Note: "note"}, List: [][]byte{[]byte("l0"), nil, {}},
		Map: map[string][]byte{"k": []byte("v")}, Any: map[string]any{"x": []any{[]byte("deep"), 1.0, "s"}},
		Array: [3]byte{1, 2, 3}, At: time.UnixMilli(1700000000000).UTC(), Raw: json.RawMessage(`{"r":1}`),
		embedded: embedded{[]byte("thumb")}, private: []byte("private"),
	}
	var c Coder
	data, atts, err := c.AppendAck(nil, "first", in)
	if err != nil {
		t.Fatal(err)
	}
	args, err := SplitArgs(data, nil)
	if err != nil || len(args) != 2 {
		t.Fatal(args, err)
	}
	var out message
	if err := c.Decode(args[1], atts, &out); err != nil {
		t.Fatal(err)
	}
	in.Empty, in.Skipped, in.private = nil, nil, nil
	if !reflect.DeepEqual(in, out) {
		t.Errorf("got\n%+v\nwant\n%+v", out, in)
	}
}

// tagged checks itself after it has been decoded, the usual way.
type tagged struct {
	Data []byte `json:"data"`
	Tag  string `json:"tag"`
}

func (v *tagged) UnmarshalJSON(data []byte) error {
	type plain tagged
	if err := json.Unmarshal(data, (*plain)(v)); err != nil {
		return err
	}
	if v.Tag == "" {
		return errors.New("no tag")
	}
	return nil
}

// secret keeps what it decodes where nobody finds it.
type secret struct{ data []byte }

func (v *secret) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &v.data) }

func TestDecode(t *testing.T) {
	atts := [][]byte{[]byte("zero"), []byte("one")}
	type fields struct {
		A []byte          `json:"a"`
		R json.RawMessage `json:"r"`
		S string          `json:"s"`
		N *inner          `json:"n"`
		I any             `json:"i"`
		M map[string]any  `json:"m"`
		B map[string]blob `json:"b"`
		L [2][]byte       `json:"l"`
		T tagged          `json:"t"`
		X secret          `json:"x"`
	}
	tests := []struct {
		name   string
		raw    string
		target any
		want   any
		err    error
	}{
		{"plain value", `5`, new(int), 5, nil},
		{"null", `null`, new([]byte), []byte(nil), nil},
		{"bytes", ph1, new([]byte), atts[1], nil},
		{"any", ph1, new(any), atts[1], nil},
		{"named bytes", ph1, new(blob), blob("one"), nil},
		{"pointer to bytes", ph1, new(*[]byte), &atts[1], nil},
		{"raw message", ph1, new(json.RawMessage), nil, ErrNotBinary},
		{"raw", `{"k":[` + ph1 + `,1]}`, new(Raw), Raw{[]byte(`{"k":[` + ph0 + `,1]}`), [][]byte{atts[1]}}, nil},
		{"raw without binary", `[1]`, new(Raw), Raw{Data: []byte(`[1]`)}, nil},
		{"any in depth", `{"a":[` + ph0 + `,` + ph1 + `,` + ph0 + `]}`, new(any), map[string]any{"a": []any{atts[0], atts[1], atts[0]}}, nil},
		{"any key order and escapes", `{"\u006eum":1,"_placehold\u0065r":true}`, new(any), atts[1], nil},
		{"not quite a placeholder", `{"_placeholder":1,"num":5}`, new(any), map[string]any{"_placeholder": 1.0, "num": 5.0}, nil},
		{"the last key counts", `{"_placeholder":true,"num":5,"num":0}`, new(any), atts[0], nil},
		{
			"struct", `{"a":` + ph0 + `,"n":{"bytes":` + ph1 + `},"i":` + ph0 + `,"m":{"k":[` + ph1 + `]}}`, new(fields),
			fields{A: atts[0], N: &inner{Bytes: atts[1]}, I: atts[0], M: map[string]any{"k": []any{atts[1]}}},
			nil,
		},
		{"maps and arrays", `{"b":{"k":` + ph0 + `},"l":[null,` + ph1 + `]}`, new(fields), fields{B: map[string]blob{"k": blob("zero")}, L: [2][]byte{nil, atts[1]}}, nil},
		{"raw message in a struct", `{"r":{"x":` + ph1 + `,"y":` + ph0 + `}}`, new(fields), nil, ErrNotBinary},
		{"unknown field", `{"unknown":` + ph0 + `,"a":` + ph1 + `}`, new(fields), fields{A: atts[1]}, nil},
		{"type that checks itself", `{"t":{"data":` + ph0 + `,"tag":"x"}}`, new(fields), fields{T: tagged{atts[0], "x"}}, nil},
		{"type that decodes itself", `{"x":` + ph1 + `,"a":` + ph0 + `}`, new(fields), fields{A: atts[0], X: secret{atts[1]}}, nil},
		{"string", ph0, new(string), nil, ErrNotBinary},
		{"string in a struct", `{"s":` + ph0 + `}`, new(fields), nil, ErrNotBinary},
		{"number", ph0, new(int), nil, errAny},
		{"number out of range", `{"_placeholder":true,"num":2}`, new([]byte), nil, ErrPlaceholder},
		{"negative number", `{"_placeholder":true,"num":-1}`, new(any), nil, ErrPlaceholder},
		{"fraction", `{"_placeholder":true,"num":0.5}`, new(any), nil, ErrPlaceholder},
		{"no number", `[{"_placeholder":true}]`, new(any), nil, ErrPlaceholder},
		{"raw out of range", `{"_placeholder":true,"num":2}`, new(Raw), nil, ErrPlaceholder},
		{"base64 is still bytes", `[` + ph0 + `,"aGk="]`, new([][]byte), [][]byte{atts[0], []byte("hi")}, nil},
		{"not a pointer", ph0, 5, nil, errAny},
		{"nil", `[` + ph0 + `]`, nil, nil, errAny},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c Coder
			err := c.Decode([]byte(test.raw), atts, test.target)
			if test.err != nil {
				checkError(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := reflect.ValueOf(test.target).Elem().Interface(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestDecodeWithoutAttachments(t *testing.T) {
	var c Coder
	var v any
	if err := c.Decode([]byte(`{"_placeholder":true,"num":99}`), nil, &v); err != nil {
		t.Fatal(err)
	}
	if want := (map[string]any{"_placeholder": true, "num": 99.0}); !reflect.DeepEqual(v, want) {
		t.Errorf("got %v", v)
	}
	if b := []byte("x"); c.Decode([]byte(ph0), nil, &b) == nil {
		t.Error("an object was decoded into bytes")
	}
}

// upperCodec shows that a codec of another make is used, white space and all.
type upperCodec struct{ JSON }

func (upperCodec) Marshal(v any) ([]byte, error) {
	if v == struct{}{} {
		return nil, nil
	}
	return json.MarshalIndent(v, " ", " ")
}

func TestCodec(t *testing.T) {
	c := Coder{Codec: upperCodec{}}
	data, atts, err := c.AppendAck(nil, map[string]any{"b": []byte("x")}, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil || compact.String() != `[{"b":`+ph0+`},[1]]` || len(atts) != 1 {
		t.Errorf("%s, %q", data, atts)
	}
	if _, _, err := c.AppendAck(nil, struct{}{}); err == nil {
		t.Error("no error for a codec that returns nothing")
	}
}

func TestMaxAttachments(t *testing.T) {
	c := Coder{MaxAttachments: 2}
	if _, _, err := c.AppendAck(nil, []byte{1}, []byte{2}); err != nil {
		t.Error(err)
	}
	if _, _, err := c.AppendAck(nil, []byte{1}, []byte{2}, []byte{3}); !errors.Is(err, ErrTooManyAttachments) {
		t.Error(err)
	}
}

func TestAppendEventAllocations(t *testing.T) {
	var c Coder
	dst := make([]byte, 0, 512)
	args := []any{"some text", 42, 1.5, true, nil, json.RawMessage(`{"a":1}`)}
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := c.AppendEvent(dst, "event", args...); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for basic types", n)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	type point struct {
		X, Y int
		Name string
	}
	for _, bench := range []struct {
		name string
		args []any
	}{
		{"string", []any{strings.Repeat("x", 64)}},
		{"struct", []any{point{1, 2, "name"}}},
		{"map", []any{map[string]any{"x": 1.0, "y": "two", "z": []any{true, nil}}}},
		{"binary", []any{make([]byte, 64)}},
		{"binaryInMap", []any{map[string]any{"x": 1.0, "b": make([]byte, 64)}}},
		{"binaryInStruct", []any{inner{Bytes: make([]byte, 64)}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var c Coder
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.AppendEvent(dst, "event", bench.args...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeArgument(b *testing.B) {
	var c Coder
	atts := [][]byte{make([]byte, 64)}
	raw := []byte(`{"bytes":` + ph0 + `,"note":"x"}`)
	b.ReportAllocs()
	for b.Loop() {
		var v inner
		if err := c.Decode(raw, atts, &v); err != nil {
			b.Fatal(err)
		}
	}
}
