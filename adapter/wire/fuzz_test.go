package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"testing"

	"github.com/tandem-go/tandem/adapter/wire"
)

// FuzzAppendJSON feeds bytes of any kind to the decoder. What it accepts must be
// JSON in the eyes of encoding/json, and must survive the way back.
func FuzzAppendJSON(f *testing.F) {
	for _, seed := range []string{
		"c0", "93 01 cb3ff8000000000000 a161", "82 a161 c40101 a162 d6ff00000000", "c7020001ff", "d700 0000018cc8095ace", "d40000", "de0001 cc01 c3",
		"dc0011 0000000000000000000000000000000000", "ca3dcccccd", "a4 eda080 61", "c70cff 1dcd6500 ffffffffffffffff", "dd ffffffff 01",
	} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		text, atts, rest, err := wire.AppendJSON(nil, msg, nil)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%x became %q", msg, text)
		}
		if len(rest) > len(msg) || len(text) > 40*len(msg) {
			t.Fatalf("%d bytes became %d, %d left", len(msg), len(text), len(rest))
		}
		again, err := wire.AppendMsgpack(nil, text, atts)
		if errors.Is(err, wire.ErrDepth) || errors.Is(err, wire.ErrPlaceholder) {
			return // one extension becomes one array; a key may spell a placeholder
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		back, more, rest, err := wire.AppendJSON(nil, again, nil)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%q: %v, %d left", text, err, len(rest))
		}
		if len(atts) == 0 && !bytes.Equal(back, text) {
			t.Fatalf("%q came back as %q", text, back)
		}
		if len(more) != len(atts) && !bytes.Contains(text, []byte(`"num"`)) {
			t.Fatalf("%d attachments came back as %d", len(atts), len(more))
		}
	})
}

// FuzzAppendMsgpack feeds text of any kind to the encoder. It must accept what
// encoding/json accepts and nothing else, and the value must survive.
func FuzzAppendMsgpack(f *testing.F) {
	for _, seed := range []string{
		`null`, `[1,-1,1.5,1e21,1e-7,"é\ud83d\ude00\u0000"]`, `{"a":{"b":[]},"":""}`, `[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]`, ` 1 `, `-0`,
		`18446744073709551616`, `"\ud800"`, "\"\xff\"", `1e999`, `[{"_placeholder":true,"num":0}]`, `01`, `[1,]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := wire.AppendMsgpack(nil, text, nil)
		if errors.Is(err, wire.ErrDepth) {
			return
		}
		if valid := json.Valid(text); valid != (err == nil) {
			t.Fatalf("%q: %v, but encoding/json says %v", text, err, valid)
		}
		if err != nil {
			return
		}
		back, atts, rest, err := wire.AppendJSON(nil, b, nil)
		if err != nil || len(atts) != 0 || len(rest) != 0 {
			t.Fatalf("%q: %v, %d attachments, %d left", text, err, len(atts), len(rest))
		}
		if got, want := parse(t, back), parse(t, text); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}

// parse builds the value of a JSON text, its numbers made comparable: exact if
// they are integers of 64 bits, else doubles, and null if there is no such double.
func parse(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return normal(v)
}

func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = normal(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
		return v
	case json.Number:
		if i, ok := new(big.Int).SetString(v.String(), 10); ok && (i.IsInt64() || i.IsUint64()) {
			return i.String()
		}
		n, err := v.Float64()
		if err != nil && math.IsInf(n, 0) {
			return nil
		}
		if i, accuracy := big.NewFloat(n).Int(nil); accuracy == big.Exact && (i.IsInt64() || i.IsUint64()) {
			return i.String()
		}
		return n
	}
	return v
}
