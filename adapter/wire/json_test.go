package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter/wire"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatalf("bad hex %q: %v", s, err)
	}
	return b
}

func TestAppendJSON(t *testing.T) {
	tests := []struct{ name, msgpack, want string }{
		{"nil", "c0", `null`},
		{"booleans", "92c2c3", `[false,true]`},
		{"fixint", "9300 7f e0", `[0,127,-32]`},
		{"unsigned", "94 ccff cdffff ceffffffff cf001fffffffffffff", `[255,65535,4294967295,9007199254740991]`},
		{"beyond 2^53", "92 cfffffffffffffffff d38000000000000000", `[18446744073709551615,-9223372036854775808]`},
		{"signed", "94 d080 d18000 d280000000 d3ffffffff7fffffff", `[-128,-32768,-2147483648,-2147483649]`},
		{"signed forms of positive numbers", "94 d07f d17fff d27fffffff d30000000000000001", `[127,32767,2147483647,1]`},
		{"float64", "cb3fb999999999999a", `0.1`},
		{"float64 integral", "cb4059000000000000", `100`},
		{"float32 as a double", "ca3dcccccd", `0.10000000149011612`},
		{"minus zero", "cb8000000000000000", `0`},
		{"NaN and infinities", "93 cb7ff8000000000000 cb7ff0000000000000 cafF800000", `[null,null,null]`},
		{"large and small", "94 cb444b1ae4d6e2ef50 cb443e6c5f0ce8fd59 cb3eb0c6f7a0b5ed8d cb3e7ad7f29abcaf48", `[1e+21,561211296684992700000,0.000001,1e-7]`},
		{"exponents", "92 cb7fefffffffffffff cb0000000000000001", `[1.7976931348623157e+308,5e-324]`},
		{"strings", "94 a0 a3616263 d90161 da000162", `["","abc","a","b"]`},
		{"str 32", "db 00000001 7a", `"z"`},
		{"escapes", "ad 22 5c 08 09 0a 0c 0d 00 1f 7f 2f 3c 26", `"\"\\\b\t\n\f\r\u0000\u001f` + "\x7f" + `/<&"`},
		{"unicode", "a7 c3a9 e282ac e280", `"é€` + "\ufffd\ufffd" + `"`},
		{"line separator is not escaped", "a3 e280a8", "\"\u2028\""},
		{"surrogate half", "a4 eda080 61", "\"\ufffd\ufffd\ufffda\""},
		{"arrays", "92 90 dc0001 dd00000001 01", `[[],[[1]]]`},
		{"maps", "82 a161 80 a162 de0001 a163 df00000000", `{"a":{},"b":{"c":{}}}`},
		{
			"map keys", "87 01c0 e0c0 cd0100c0 cb3ff8000000000000c0 c3c0 c0c0 c40161c0",
			`{"1":null,"-32":null,"256":null,"1.5":null,"true":null,"null":null,"a":null}`,
		},
		{"timestamp 32", "d6ff 39457980", `"2000-06-13T00:00:00.000Z"`},
		{"timestamp 64", "d7ff a1a5d600 65937d25", `"2024-01-02T03:04:05.678Z"`},
		{"timestamp 96 before 1970", "c70cff 1dcd6500 ffffffffffffffff", `"1969-12-31T23:59:59.500Z"`},
		{"timestamp 96 far", "c70cff 000f4240 00000004a0fe7280", `"2600-01-01T00:00:00.001Z"`},
		{"timestamp of year 0", "c70cff 00000000 fffffff1885ffa00", `"0000-12-21T08:04:16.000Z"`},
		{"timestamp before year 0", "c70cff 00000000 fffffff0a5e07600", `"-000120-07-21T18:22:56.000Z"`},
		{"timestamp after year 9999", "c70cff 00000000 0000003afff44180", `"+010000-01-01T00:00:00.000Z"`},
		{"timestamp out of range", "c70cff 00000000 7fffffffffffffff", `null`},
		{"legacy undefined in an array", "92 d40000 01", `[null,1]`},
		{"legacy undefined in an object", "83 a161 d40000 a162 01 a163 d40000", `{"b":1}`},
		{"legacy date", "d700 0000018cc820db2e", `"2024-01-02T03:04:05.678Z"`},
		{"legacy date out of range", "d700 7fffffffffffffff", `null`},
		{"legacy array buffer", "c7020001ff", `{"_placeholder":true,"num":0} 01ff`},
		{"legacy array buffers, wider", "92 c800010005 c9000000010006", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] 05 06`},
		{"binary", "93 c400 c40201ff c50001aa", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]  01ff aa`},
		{"bin 32", "c6 00000001 07", `{"_placeholder":true,"num":0} 07`},
		{"unknown extension", "c7020501ff", `[5,{"_placeholder":true,"num":0}] 01ff`},
		{"unknown fixed extension", "92 d405aa d50001bb", `[[5,{"_placeholder":true,"num":0}],[0,{"_placeholder":true,"num":1}]] aa 01bb`},
		{"fixext 16", "d807 000102030405060708090a0b0c0d0e0f", `[7,{"_placeholder":true,"num":0}] 000102030405060708090a0b0c0d0e0f`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, atts, rest, err := wire.AppendJSON([]byte("x"), append(unhex(t, tt.msgpack), 0xc1), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range atts {
				got = append(append(got, ' '), hex.EncodeToString(a)...)
			}
			if string(got) != "x"+tt.want {
				t.Errorf("got  %s\nwant x%s", got, tt.want)
			}
			if !bytes.Equal(rest, []byte{0xc1}) {
				t.Errorf("rest = %x, want c1", rest)
			}
		})
	}
}

func TestAppendJSONNumbersAttachmentsOn(t *testing.T) {
	first := []byte("first")
	got, atts, _, err := wire.AppendJSON(nil, unhex(t, "c40101"), [][]byte{first})
	if err != nil || string(got) != `{"_placeholder":true,"num":1}` || len(atts) != 2 || &atts[0][0] != &first[0] {
		t.Errorf("got %s, %q, %v", got, atts, err)
	}
}

func TestAppendJSONErrors(t *testing.T) {
	tests := []struct {
		name, msgpack string
		want          error
	}{
		{"nothing", "", wire.ErrMsgpack},
		{"never used", "c1", wire.ErrMsgpack},
		{"array cut", "92 01", wire.ErrMsgpack},
		{"array of four billion", "dd ffffffff 01", wire.ErrMsgpack},
		{"map of four billion", "df ffffffff a161 01", wire.ErrMsgpack},
		{"map without value", "81 a161", wire.ErrMsgpack},
		{"map without key", "81", wire.ErrMsgpack},
		{"string cut", "a361", wire.ErrMsgpack},
		{"string of four billion", "dbffffffff61", wire.ErrMsgpack},
		{"binary cut", "c40201", wire.ErrMsgpack},
		{"number cut", "cd01", wire.ErrMsgpack},
		{"float cut", "cb000000000000", wire.ErrMsgpack},
		{"extension cut", "d7ff00000000", wire.ErrMsgpack},
		{"extension of four billion", "c9ffffffff0001", wire.ErrMsgpack},
		{"extension without length", "c8ff", wire.ErrMsgpack},
		{"extension without type", "d4", wire.ErrMsgpack},
		{"array as key", "81 90 01", wire.ErrMsgpack},
		{"extension as key", "81 d40000 01", wire.ErrMsgpack},
		{"too deep", strings.Repeat("91", wire.MaxDepth+1) + "c0", wire.ErrDepth},
		{"too deep in maps", strings.Repeat("81a161", wire.MaxDepth+1) + "c0", wire.ErrDepth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			msg, before := unhex(t, tt.msgpack), [][]byte{{1}}
			got, atts, rest, err := wire.AppendJSON([]byte("x"), msg, before)
			if !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if string(got) != "x" || len(atts) != 1 || len(rest) != len(msg) {
				t.Errorf("returned %q, %d attachments, %d bytes left", got, len(atts), len(rest))
			}
		})
	}
	deepest := unhex(t, strings.Repeat("91", wire.MaxDepth)+"c0")
	if _, _, _, err := wire.AppendJSON(nil, deepest, nil); err != nil {
		t.Errorf("the deepest value allowed: %v", err)
	}
}
