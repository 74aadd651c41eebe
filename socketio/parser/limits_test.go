package parser

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// cyclic is something that contains itself in ways in which JSON cannot.
type cyclic struct {
	Bytes   []byte         `json:"bytes"`
	List    []any          `json:"-"`
	Object  map[string]any `json:"-"`
	Any     any            `json:"-"`
	Values  []cyclic       `json:"-"`
	Pointer **cyclic       `json:"-"`
	Array   [1]any         `json:"-"`
	Map     map[string]map[string]any
}

// A target that contains itself is decoded into, and what it holds besides is left as it
// was.
func TestDecodeIntoWhatContainsItself(t *testing.T) {
	list := []any{nil, "x"}
	list[0] = list
	object := map[string]any{}
	object["self"] = object
	var any_ any
	any_ = []any{&any_}
	named := map[string]map[string]any{"a": {}}
	named["a"]["up"] = named
	values := make([]cyclic, 50)
	for i := range values {
		values[i].Values = values
	}
	many := make([]any, 50)
	for i := range many {
		many[i] = map[string]any{"a": many, "b": list}
	}
	for name, v := range map[string]*cyclic{
		"a list":                  {List: list},
		"an object":               {Object: object},
		"an interface":            {Any: any_},
		"an object of objects":    {Map: named},
		"a list of structs":       {Values: values},
		"a list in an array":      {Array: [1]any{list}},
		"an object in an element": {Any: []any{object}},
		"lists many times over":   {List: many},
		"structs many times over": {Values: values},
	} {
		if err := new(Coder).Decode([]byte(`{"bytes":`+ph0+`}`), [][]byte{[]byte("x")}, v); err != nil || string(v.Bytes) != "x" {
			t.Errorf("%s: %q, %v", name, v.Bytes, err)
		}
	}
	if list[1] != "x" {
		t.Errorf("the list holds %v", list[1])
	}
}

// What an attachment may be named often enough to make of what has been received is
// exactly as large as documented.
func TestFits(t *testing.T) {
	t.Parallel()
	attachments := [][]byte{make([]byte, 8), nil}
	named := func(n int) []placeholder { return make([]placeholder, n) }
	for _, tt := range []struct {
		named, size int
		want        bool
	}{{10, 12, true}, {10, 11, false}, {11, 12, false}, {0, 0, true}, {4, 0, true}, {5, 0, false}} {
		if got := fits(named(tt.named), attachments, tt.size); got != tt.want {
			t.Errorf("named %d times in %d bytes: %t, want %t", tt.named, tt.size, got, tt.want)
		}
	}
}

// A text that looks like a marker, but has a number that none was made for, is a text.
func TestMarkersOfNothing(t *testing.T) {
	t.Parallel()
	m := newMarker()
	for num := range 3 {
		r := restorer{marker: m, nums: []int{0, 1}, attachments: [][]byte{{'a'}, {'b'}}, restored: make([]bool, 2)}
		want := num < 2
		marked := string(m.appendText(nil, num))
		if _, ok := r.number(m.parse(marked)); ok != want {
			t.Errorf("marker %d of 2: %t, want %t", num, ok, want)
		}
		for _, text := range []json.RawMessage{[]byte(`"` + marked + `"`), []byte(`["` + marked + `"]`)} {
			r.err = nil
			if r.value(reflect.ValueOf(&text), 0); (r.err != nil) != want {
				t.Errorf("marker %d of 2 within JSON %s: %v", num, text, r.err)
			}
		}
	}
}

type (
	anys    []any
	objects map[string]any
	boxes   []box
	box     struct{ In any }
)

// deep returns a value in n levels that wrap makes.
func deep(n int, wrap func(any) any) any {
	var v any = []byte("x")
	for range n {
		v = wrap(v)
	}
	return v
}

// Values are encoded up to a depth, whatever they are made of. One that contains itself
// has an error, not an end.
func TestAppendDepth(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		levels int // of depth for each that wrap makes
		wrap   func(any) any
	}{
		"lists":               {1, func(v any) any { return []any{v} }},
		"objects":             {1, func(v any) any { return map[string]any{"a": v} }},
		"lists with a name":   {1, func(v any) any { return anys{v} }},
		"objects with one":    {1, func(v any) any { return objects{"a": v} }},
		"structs":             {1, func(v any) any { return box{v} }},
		"pointers":            {2, func(v any) any { return &box{v} }},
		"structs in lists":    {2, func(v any) any { return boxes{{v}} }},
		"one of each":         {4, func(v any) any { return []any{map[string]any{"a": anys{objects{"a": v}}}} }},
		"behind others":       {1, func(v any) any { return []any{1, "a", v} }},
		"objects with others": {1, func(v any) any { return map[string]any{"a": v, "b": 1} }},
	} {
		var c Coder
		n := MaxDepth / tt.levels
		if _, atts, err := c.AppendEvent(nil, "x", deep(n, tt.wrap)); err != nil || len(atts) != 1 {
			t.Errorf("%s: %d levels: %v", name, n, err)
		}
		if _, _, err := c.AppendEvent(nil, "x", deep(n+1, tt.wrap)); !errors.Is(err, ErrDepth) {
			t.Errorf("%s: %d levels: %v, want %v", name, n+1, err, ErrDepth)
		}
	}
	list, object, named, boxed := []any{nil}, map[string]any{}, anys{nil}, boxes{{}}
	list[0], object["a"], named[0], boxed[0].In = list, object, named, boxed
	namedObject, pointer := objects{}, &box{}
	namedObject["a"], pointer.In = namedObject, pointer
	for _, self := range []any{list, object, named, boxed, namedObject, pointer} {
		if _, _, err := new(Coder).AppendEvent(nil, "x", self); !errors.Is(err, ErrDepth) {
			t.Errorf("%T that contains itself: %v, want %v", self, err, ErrDepth)
		}
	}
}

// The argument that is one binary value is decoded without the codec.
func TestDecodeOneBinaryValue(t *testing.T) {
	var c Coder
	raw, attachments := []byte(ph1), [][]byte{[]byte("a"), []byte("b")}
	var b []byte
	var v any
	for name, decode := range map[string]func() error{
		"bytes": func() error { return c.Decode(raw, attachments, &b) },
		"any": func() error {
			v = nil
			return c.Decode(raw, attachments, &v)
		},
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if err := decode(); err != nil {
				t.Error(err)
			}
		})
		if allocs > 2 { // the list of placeholders, and what an interface holds
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	if got, ok := v.([]byte); !ok || string(got) != "b" || string(b) != "b" {
		t.Errorf("decoded %q and %v", b, v)
	}
	// White space makes no difference, and neither does what stands in the target.
	v = "before"
	for _, raw := range []string{ph1, " " + ph1 + "\n"} {
		if err := c.Decode([]byte(raw), attachments, &v); err != nil {
			t.Error(err)
		} else if got, ok := v.([]byte); !ok || string(got) != "b" {
			t.Errorf("%q into a text became %v", raw, v)
		}
	}
}

// A connection remembers the name of a namespace that is not too long, to the byte, and
// the last one only.
func TestKeptNamespace(t *testing.T) {
	t.Parallel()
	var d Default
	var st State
	name := func(n int) string { return "/" + strings.Repeat("n", n-1) }
	for _, tt := range []struct {
		name, kept string
	}{
		{"/a", "/a"},
		{"/", "/a"},
		{name(maxKeptNamespace), name(maxKeptNamespace)},
		{name(maxKeptNamespace + 1), name(maxKeptNamespace)},
		{"/b", "/b"},
	} {
		for range 2 {
			var p adapter.Packet
			if _, err := d.Decode(&st, []byte("0"+tt.name+","), false, &p); err != nil || p.Namespace != tt.name {
				t.Fatalf("%.10q became %.10q, %v", tt.name, p.Namespace, err)
			}
			if st.kept.namespace != tt.kept {
				t.Errorf("after %.10q of %d bytes %.10q is kept", tt.name, len(tt.name), st.kept.namespace)
			}
		}
	}
}

// A text that ends within what could be a marker has none.
func TestFindMarker(t *testing.T) {
	t.Parallel()
	m := newMarker()
	text := append(m.appendText([]byte(`["`), 7), '"')
	for end := range text {
		if at, num := m.find(text[:end]); at >= 0 {
			t.Errorf("found %d at %d in %s", num, at, text[:end])
		}
	}
	if at, num := m.find(text); at != 1 || num != 7 {
		t.Errorf("found %d at %d in %s", num, at, text)
	}
}

// Only keys make a placeholder, not texts like them, and what is cut off makes none.
func TestFindPlaceholders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`{"_placeholder":true,"num":1,"x":"num"}`:             1,
		`{"_placeholder":true,"num":1,"x":"_placeholder"}`:    1,
		`{"num":2,"_placeholder":true,"x":["num"],"y":"num"}`: 2,
		`{"_placeholder":true,"num":"num"}`:                   -1,
		`{"_placeholder":true,"num":1,"num":3}`:               3,
		`{"_placeholder":true,"_placeholder":true,"num":0}`:   0,
		`{"_placeholder":true,"num":1048576}`:                 1 << 20,
		`{"_placeholder":true,"num":1048577}`:                 -1,
		`{"_placeholder":true,"num":99999999999999999999999}`: -1,
		`{"_placeholder":true,"num":-1}`:                      -1,
		`{"_placeholder":true,"num":1.0}`:                     -1,
		`{"_placeholder":true,"num":10}`:                      10,
	} {
		found := findPlaceholders([]byte(text))
		if len(found) != 1 || found[0].num != want || found[0].end != len(text) {
			t.Errorf("%s: found %v, want the number %d", text, found, want)
		}
		for end := range text {
			if found := findPlaceholders([]byte(text[:end])); len(found) > 0 {
				t.Errorf("%s: found %v", text[:end], found)
			}
		}
	}
	for _, text := range []string{
		`{"x":"_placeholder","y":true,"num":1}`, `["_placeholder",true]`, `"_placeholder":true`, `{"_placeholder":"true"}`, `{"_placeholder":false,"num":1}`,
		`{"_placeholder":true,"_placeholder":false,"num":1}`, `]"_placeholder"`,
	} {
		if found := findPlaceholders([]byte(text)); len(found) > 0 {
			t.Errorf("%s: found %v", text, found)
		}
	}
}

// Without attachments what looks like a placeholder is passed on as it is.
func TestRawWithoutAttachments(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{ph0, "[" + ph1 + "]", `{"_placeholder":true}`} {
		var r Raw
		if err := new(Coder).Decode([]byte(raw), nil, &r); err != nil || string(r.Data) != raw || r.Attachments != nil {
			t.Errorf("%s became %s, %v", raw, r.Data, err)
		}
		data, attachments, err := new(Coder).AppendAck(nil, r)
		if err != nil || string(data) != "["+raw+"]" || attachments != nil {
			t.Errorf("%s became %s, %v", raw, data, err)
		}
	}
}

// An error says where the JSON goes wrong.
func TestSyntaxErrorOffset(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		``: 0, ` `: 1, `x`: 0, ` x`: 1, `[1,x]`: 3, `[1 2]`: 3, `{"a" 1}`: 5, `{a:1}`: 1, `{"a":1,b}`: 7, `"\x"`: 2, `["\x"]`: 3, `"\u12g4"`: 5, `"\u12`: 5,
		`"\`: 2, "\"a\nb\"": 2, `"a`: 2, `-a`: 1, `01`: 1, `1.x`: 2, `1ex`: 2, `1e+x`: 3, `nul`: 0, `[nul]`: 1, `[1}`: 2, `[1`: 2, `[`: 1, `{`: 1, `1 2`: 2, `{"a":1,}`: 7,
	} {
		err := Valid([]byte(text))
		if suffix := fmt.Sprintf(" at offset %d", want); !errors.Is(err, ErrSyntax) || !strings.HasSuffix(err.Error(), suffix) {
			t.Errorf("%q: %v, want it%s", text, err, suffix)
		}
	}
}

type (
	pointer *pointer
	lists   []lists
	tables  map[string]tables
	chain   struct{ Next *chain }
	inside  struct{ In any }
)

// nested returns n values, each of which holds the one before.
func nested[T any](n int, wrap func(T) T) T {
	var v T
	for range n {
		v = wrap(v)
	}
	return v
}

// What a target holds already is followed as deep as what is decoded can be, and no
// deeper: there may be no end of it.
func TestTargetIsNotFollowedForEver(t *testing.T) {
	t.Parallel()
	const n = 10 * MaxDepth
	for name, tt := range map[string]struct {
		v    any
		want int // how many are followed
	}{
		"lists":            {nested(n, func(v any) any { return []any{v} }), 2*MaxDepth + 1},
		"objects":          {nested(n, func(v any) any { return map[string]any{"a": v} }), 2*MaxDepth + 1},
		"pointers":         {nested(n, func(v pointer) pointer { return &v }), 2*MaxDepth + 1},
		"lists of a type":  {nested(n, func(v lists) lists { return lists{v} }), 2*MaxDepth + 1},
		"maps of a type":   {nested(n, func(v tables) tables { return tables{"a": v} }), 2*MaxDepth + 1},
		"structs":          {nested(n, func(v *chain) *chain { return &chain{v} }), MaxDepth + 1},
		"in structs":       {nested(n, func(v any) any { return &inside{v} }), MaxDepth + 1},
		"as deep as it is": {nested(MaxDepth, func(v any) any { return []any{v} }), MaxDepth},
	} {
		r := restorer{marker: newMarker()}
		r.any(tt.v, 0)
		if got := len(r.visited); got != tt.want || r.err != nil {
			t.Errorf("%s: %d were followed, want %d: %v", name, got, tt.want, r.err)
		}
	}
}
