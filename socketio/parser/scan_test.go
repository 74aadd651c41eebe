package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var validJSON = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-12`, `1.5`, `1e9`, `1E+9`, `0.1e-10`, `""`, `"a"`, `[]`, `{}`, ` [ ] `, "\t{\n}\r",
	`[1,2,3]`, `[[],[[]],{}]`, `{"a":1}`, `{"a":{"b":[{}]},"c":[1,{"d":2}]}`, `{"":""}`, `{"a":1,"a":2}`,
	`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`, `"a string longer than eight bytes, é and 日本"`, ` [ 1 , { "a" : [ ] } ] `, "\"\x7f\"",
	`"12345678\n12345678\\"`, `[true,false,null]`,
}

var invalidJSON = []string{
	``, ` `, `nul`, `nulL`, `tru`, `TRUE`, `+1`, `01`, `-`, `-a`, `1.`, `.5`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`,
	"\"a\nb\"", "\"12345678\x00\"", `'a'`, `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{1:1}`,
	`{"a" 1}`, `{"a":1 "b":2}`, `[}`, `{]`, `[1}`, `{"a":1]`, `1 2`, `[] []`, `[1]x`, "\xef\xbb\xbf[]", `{,}`, `[:]`, `{"a":}`, `"a"b`, "[\x00]", "\v1",
}

func TestValid(t *testing.T) {
	for _, s := range validJSON {
		if err := Valid([]byte(s)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if !json.Valid([]byte(s)) {
			t.Errorf("encoding/json does not take %q", s)
		}
	}
	for _, s := range invalidJSON {
		if err := Valid([]byte(s)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: error %v, want %v", s, err, ErrSyntax)
		}
		if json.Valid([]byte(s)) {
			t.Errorf("encoding/json takes %q", s)
		}
	}
}

// TestValidCut cuts valid JSON everywhere, which nothing but a number survives.
func TestValidCut(t *testing.T) {
	for _, s := range validJSON {
		for i := range len(s) {
			if got, want := Valid([]byte(s[:i])) == nil, json.Valid([]byte(s[:i])); got != want {
				t.Errorf("%q is valid: %t, want %t", s[:i], got, want)
			}
		}
	}
}

func TestValidDepth(t *testing.T) {
	for _, test := range []struct{ open, shut string }{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		brackets := len(strings.Trim(test.open, `"a:`))
		nested := func(n int) []byte {
			n /= brackets
			return []byte(strings.Repeat(test.open, n) + "1" + strings.Repeat(test.shut, n))
		}
		if err := Valid(nested(MaxDepth)); err != nil {
			t.Errorf("%s at the limit: %v", test.open, err)
		}
		if err := Valid(nested(MaxDepth + brackets)); !errors.Is(err, ErrDepth) {
			t.Errorf("%s beyond the limit: %v", test.open, err)
		}
	}
	if err := Valid(bytes.Repeat([]byte("["), 1<<20)); !errors.Is(err, ErrDepth) {
		t.Error(err)
	}
}

// tooDeep reports whether there could be more than MaxDepth levels in data.
func tooDeep(data []byte) bool {
	return bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > MaxDepth
}

// FuzzValid compares with encoding/json.
func FuzzValid(f *testing.F) {
	for _, s := range append(validJSON, invalidJSON...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Valid(data)
		if errors.Is(err, ErrDepth) && tooDeep(data) {
			return
		}
		if got, want := err == nil, json.Valid(data); got != want {
			t.Fatalf("%q is valid: %t (%v), want %t", data, got, err, want)
		}
		checkSplit(t, data)
		findPlaceholders(data) // must take anything
	})
}

// checkSplit compares SplitArgs with encoding/json.
func checkSplit(t *testing.T, data []byte) {
	t.Helper()
	args, err := SplitArgs(data, nil)
	var want []json.RawMessage
	if wantErr := json.Unmarshal(data, &want); wantErr != nil || want == nil {
		if err == nil {
			t.Fatalf("%q was split into %q", data, args)
		}
		return
	}
	if errors.Is(err, ErrDepth) && tooDeep(data) || errors.Is(err, ErrTooManyArgs) && len(want) > MaxArgs {
		return
	}
	if err != nil || len(args) != len(want) {
		t.Fatalf("%q was split into %q: %v", data, args, err)
	}
	for i := range args {
		if !bytes.Equal(args[i], want[i]) {
			t.Fatalf("element %d of %q is %q, want %q", i, data, args[i], want[i])
		}
	}
}

func TestSplitArgs(t *testing.T) {
	for _, test := range []struct {
		data string
		want []string
		err  error
	}{
		{`[]`, nil, nil},
		{` [ ] `, nil, nil},
		{`["a"]`, []string{`"a"`}, nil},
		{` [ "a" , 1 ,{ "b" : [ 1 , 2 ] } , [ ] ] `, []string{`"a"`, `1`, `{ "b" : [ 1 , 2 ] }`, `[ ]`}, nil},
		{`["a,]",{"]":"["}]`, []string{`"a,]"`, `{"]":"["}`}, nil},
		{``, nil, ErrPayload},
		{`{}`, nil, ErrPayload},
		{`"a"`, nil, ErrPayload},
		{`[1,]`, nil, ErrSyntax},
		{`[1`, nil, ErrSyntax},
		{`[`, nil, ErrSyntax},
		{`[1}`, nil, ErrSyntax},
		{`[]]`, nil, ErrSyntax},
		{`[1] 2`, nil, ErrSyntax},
		{`[` + strings.Repeat("[", MaxDepth+1), nil, ErrDepth},
		{`[` + strings.Repeat("0,", MaxArgs) + `0]`, nil, ErrTooManyArgs},
	} {
		args, err := SplitArgs([]byte(test.data), nil)
		if !errors.Is(err, test.err) {
			t.Errorf("%q: error %v, want %v", test.data, err, test.err)
		}
		if test.err != nil {
			continue
		}
		if len(args) != len(test.want) {
			t.Fatalf("%q was split into %q", test.data, args)
		}
		for i := range args {
			if string(args[i]) != test.want[i] {
				t.Errorf("%q was split into %q", test.data, args)
			}
			if cap(args[i]) != len(args[i]) {
				t.Errorf("%q can be appended to over what follows", args[i])
			}
		}
	}
}

func TestSplitArgsAtLimit(t *testing.T) {
	args, err := SplitArgs([]byte(`[`+strings.Repeat("0,", MaxArgs-1)+`0]`), make([][]byte, 2))
	if err != nil || len(args) != 2+MaxArgs {
		t.Errorf("%d, %v", len(args), err)
	}
}

func TestSplitArgsAppends(t *testing.T) {
	dst := make([][]byte, 1, 8)
	dst[0] = []byte("before")
	args, err := SplitArgs([]byte(`[1,2]`), dst)
	if err != nil || len(args) != 3 || string(args[0]) != "before" || string(args[2]) != "2" {
		t.Errorf("%q, %v", args, err)
	}
}

func TestEventName(t *testing.T) {
	for _, test := range []struct{ elem, want string }{
		{`"message"`, "message"},
		{`""`, ""},
		{`"a\"b\u00e9\ud83d\ude00"`, "a\"bé😀"},
		{`"日本"`, "日本"},
		{`"\ud800"`, "\ufffd"},
		{`1`, "1"},
		{`1.50`, "1.5"},
		{`1e3`, "1000"},
		{`-0.5`, "-0.5"},
		{`1e21`, "1e+21"},
		{`1e-7`, "1e-7"},
		{`1e-10`, "1e-10"},
		{`1e999`, "1e999"},
	} {
		if got := EventName([]byte(test.elem)); got == nil || string(got) != test.want {
			t.Errorf("%s is %q, want %q", test.elem, got, test.want)
		}
	}
	for _, elem := range []string{``, `null`, `true`, `{}`, `[]`, `{"_placeholder":true,"num":0}`} {
		if got := EventName([]byte(elem)); got != nil {
			t.Errorf("%s is %q, want nothing", elem, got)
		}
	}
}

var smallArgs = []byte(`["chat message",{"room":"lobby","text":"hello there","n":42},true]`)

func TestScanAllocations(t *testing.T) {
	dst := make([][]byte, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		args, err := SplitArgs(smallArgs, dst)
		if err != nil || len(args) != 3 || len(EventName(args[0])) != 12 {
			t.Fatal(args, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSplitArgs(b *testing.B) {
	for _, bench := range []struct {
		name string
		data []byte
	}{
		{"small", smallArgs},
		{"text", []byte(`["message","` + strings.Repeat("0123456789abcdef", 64) + `"]`)},
		{"numbers", []byte(`["points",[` + strings.Repeat(`1.25,-3,`, 100) + `0]]`)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			dst := make([][]byte, 0, 8)
			b.SetBytes(int64(len(bench.data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := SplitArgs(bench.data, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
