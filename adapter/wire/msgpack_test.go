package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter/wire"
)

func TestAppendMsgpack(t *testing.T) {
	atts := [][]byte{{1, 2}, {}}
	tests := []struct{ name, json, want string }{
		{"constants", ` [ null , true , false ] `, "93c0c3c2"},
		{"small integers", `[0,127,-1,-32]`, "94007fffe0"},
		{"unsigned", `[128,255,256,65535,65536,4294967295,4294967296]`, "97cc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000"},
		{"signed", `[-33,-128,-129,-32768,-32769,-2147483648,-2147483649]`, "97d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff"},
		{"64 bits", `[18446744073709551615,-9223372036854775808]`, "92cfffffffffffffffffd38000000000000000"},
		{"beyond 64 bits", `[18446744073709551616,-9223372036854775809,1e20]`, "93cb43f0000000000000d38000000000000000cb4415af1d78b58c40"},
		{"integral in another guise", `[1.0,1e2,-2.50e1,100e-2,-0,-0.0,0e5]`, "970164e701000000"},
		{
			"2^63 and 2^64 as doubles", `[9223372036854775808.0,18446744073709551616.0,-9223372036854775808.0,-1e19]`,
			"94cf8000000000000000cb43f0000000000000d38000000000000000cbc3e158e460913d00",
		},
		{"fractions", `[0.1,-1.5,1E-7]`, "93cb3fb999999999999acbbff8000000000000cb3e7ad7f29abcaf48"},
		{"overflow is infinity", `[1e999,-1e999]`, "92cb7ff0000000000000cbfff0000000000000"},
		{"strings", `["","abc","é😀"]`, "93a0a3616263a6c3a9f09f9880"},
		{"escapes", `"\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"`, "af225c2f080c0a0d0941c3a9f09f9880"},
		{"half pairs", `["\ud83d","\ude00\ud83d","\ud83dx"]`, "93a3efbfbda6efbfbdefbfbda4efbfbd78"},
		{"invalid UTF-8", "\"a\xff\"", "a461efbfbd"},
		{"empty", `[{},[]]`, "928090"},
		{"objects keep their order", `{"b":1,"a":{"c":[2]}}`, "82a16201a16181a1639102"},
		{"escaped key", `{"\u0061":1}`, "81a16101"},
		{"placeholder", `[{"_placeholder":true,"num":0}]`, "91c4020102"},
		{"placeholder, spaced and turned round", `{ "num" : 1 , "_placeholder" : true }`, "c400"},
		{"one attachment twice", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, "92c4020102c4020102"},
		{"no placeholder: another member", `{"_placeholder":true,"num":0,"x":1}`, "83ac5f706c616365686f6c646572c3a36e756d00a17801"},
		{"no placeholder: false", `{"_placeholder":false,"num":0}`, "82ac5f706c616365686f6c646572c2a36e756d00"},
		{"no placeholder: no integer", `{"_placeholder":true,"num":0.5}`, "82ac5f706c616365686f6c646572c3a36e756dcb3fe0000000000000"},
		{"no placeholder: twice marked", `{"_placeholder":true,"_placeholder":true}`, "82ac5f706c616365686f6c646572c3ac5f706c616365686f6c646572c3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.AppendMsgpack([]byte{0xc1}, []byte(tt.json), atts)
			if err != nil {
				t.Fatal(err)
			}
			if want := "c1" + tt.want; hex.EncodeToString(got) != want {
				t.Errorf("got  %x\nwant %s", got, want)
			}
		})
	}
}

func TestAppendMsgpackWithoutAttachmentsKeepsPlaceholders(t *testing.T) {
	got, err := wire.AppendMsgpack(nil, []byte(`{"_placeholder":true,"num":0}`), nil)
	if want := "82ac5f706c616365686f6c646572c3a36e756d00"; err != nil || hex.EncodeToString(got) != want {
		t.Errorf("got %x, %v, want %s", got, err, want)
	}
}

func TestAppendMsgpackErrors(t *testing.T) {
	tests := []struct {
		json string
		want error
	}{
		{``, wire.ErrJSON},
		{` `, wire.ErrJSON},
		{`nul`, wire.ErrJSON},
		{`truth`, wire.ErrJSON},
		{`1 2`, wire.ErrJSON},
		{`[1`, wire.ErrJSON},
		{`[1,]`, wire.ErrJSON},
		{`[1 2]`, wire.ErrJSON},
		{`]`, wire.ErrJSON},
		{`{"a"}`, wire.ErrJSON},
		{`{"a":1,}`, wire.ErrJSON},
		{`{"a":1 "b":2}`, wire.ErrJSON},
		{`{a:1}`, wire.ErrJSON},
		{`{"a":}`, wire.ErrJSON},
		{`01`, wire.ErrJSON},
		{`-`, wire.ErrJSON},
		{`+1`, wire.ErrJSON},
		{`1.`, wire.ErrJSON},
		{`.5`, wire.ErrJSON},
		{`1e`, wire.ErrJSON},
		{`1e+`, wire.ErrJSON},
		{`NaN`, wire.ErrJSON},
		{`"`, wire.ErrJSON},
		{`"\`, wire.ErrJSON},
		{`"\"`, wire.ErrJSON},
		{`"\x"`, wire.ErrJSON},
		{`"\u12"`, wire.ErrJSON},
		{`"\u12g4"`, wire.ErrJSON},
		{"\"a\nb\"", wire.ErrJSON},
		{"\u00a01", wire.ErrJSON},
		{`[{"_placeholder":true,"num":1}]`, wire.ErrPlaceholder},
		{`[{"_placeholder":true,"num":999999999}]`, wire.ErrPlaceholder},
		{strings.Repeat("[", wire.MaxDepth+1) + strings.Repeat("]", wire.MaxDepth+1), wire.ErrDepth},
		{strings.Repeat(`{"a":`, wire.MaxDepth+1) + "1" + strings.Repeat("}", wire.MaxDepth+1), wire.ErrDepth},
		{strings.Repeat("[", 1<<20), wire.ErrDepth},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.20q", tt.json), func(t *testing.T) {
			got, err := wire.AppendMsgpack([]byte("x"), []byte(tt.json), [][]byte{{1}})
			if !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if string(got) != "x" {
				t.Errorf("returned %q, want what came", got)
			}
		})
	}
}

// TestAppendMsgpackLongHeaders nests arrays and objects around the sizes at
// which their headers grow.
func TestAppendMsgpackLongHeaders(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 65535, 65536, 70000} {
		inner := "[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]"
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf(`"%x":%d`, i, i)
		}
		object := "{" + strings.Join(members, ",") + "}"
		for _, text := range []string{
			inner, object,
			"[" + inner + "," + object + "," + inner + "]",
			"[" + strings.Repeat("1,", 20) + object + "," + inner + strings.Repeat(",2", 20) + "]",
			`{"a":` + inner + `,"b":` + object + strings.Repeat(`,"c":[[]]`, 30) + "}",
		} {
			b, err := wire.AppendMsgpack([]byte("head"), []byte(text), nil)
			if err != nil {
				t.Fatalf("%d elements: %v", n, err)
			}
			back, _, rest, err := wire.AppendJSON(nil, b[4:], nil)
			if err != nil || len(rest) != 0 || string(back) != text || string(b[:4]) != "head" {
				t.Errorf("%d elements of %.20s: not what it was: %v, %d bytes left", n, text, err, len(rest))
			}
		}
	}
}

// TestAppendMsgpackIsLinear converts a value that is costly for a quadratic
// algorithm: a large binary inside many arrays that are each too long for a
// short header. It must take about as long as inside one such array. A machine
// that stalls may spoil a try, but not all of them.
func TestAppendMsgpackIsLinear(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,", depth) + `{"_placeholder":true,"num":0}` + strings.Repeat("]", depth)
	}
	flat, deep := nested(1), nested(wire.MaxDepth)
	b, attachments := make([]byte, 0, 16<<20), [][]byte{make([]byte, 8<<20)}
	convert := func(text string) time.Duration {
		var err error
		start := time.Now()
		if b, err = wire.AppendMsgpack(b[:0], []byte(text), attachments); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	const tries, limit = 10, 20 // a quadratic algorithm takes some hundred times as long
	linear := false
	for try := 0; try < tries && !linear; try++ {
		one := min(convert(flat), convert(flat), convert(flat))
		many := convert(deep)
		linear = many < limit*one
		t.Logf("%v inside many arrays, %v inside one", many, one)
	}
	if !linear {
		t.Errorf("many arrays take more than %d times as long as one", limit)
	}
	back, got, _, err := wire.AppendJSON(nil, b, nil)
	if err != nil || string(back) != deep || len(got) != 1 || !bytes.Equal(got[0], attachments[0]) {
		t.Errorf("not what it was: %v", err)
	}
}

func TestAllocations(t *testing.T) {
	text := []byte(`["msg",{"id":12345,"text":"with \"escapes\" and é😀","list":[1,2.5,-3,true,null,[],{}],"n":{"a":{"b":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}}},{"_placeholder":true,"num":0}]`)
	atts := [][]byte{bytes.Repeat([]byte{7}, 100)}
	dst := make([]byte, 0, 4096)
	b, err := wire.AppendMsgpack(nil, text, atts)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, err = wire.AppendMsgpack(dst, text, atts) }); n != 0 || err != nil {
		t.Errorf("AppendMsgpack: %v allocations, %v", n, err)
	}
	into := make([][]byte, 0, 4)
	if n := testing.AllocsPerRun(100, func() { _, _, _, err = wire.AppendJSON(dst, b, into) }); n != 0 || err != nil {
		t.Errorf("AppendJSON: %v allocations, %v", n, err)
	}
}
