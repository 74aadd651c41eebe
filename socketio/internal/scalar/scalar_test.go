package scalar_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// targets are pointers to the types that are decoded, and to some that are not.
func targets() []any {
	type text string
	return []any{new(string), new(json.RawMessage), new(bool), new(int), new(int64), new(float64), new(int8), new(any), new(text)}
}

// checkDecode compares a value with what encoding/json makes of it. The input must
// be valid JSON.
func checkDecode(t *testing.T, raw []byte) {
	t.Helper()
	want := targets()
	for i, got := range targets() {
		if !scalar.Decode(raw, got) {
			if !reflect.ValueOf(got).Elem().IsZero() {
				t.Errorf("%s is left to the codec, and %T is %v", raw, got, got)
			}
			continue
		}
		if err := json.Unmarshal(raw, want[i]); err != nil {
			t.Errorf("%s into %T: %v, want the error %v", raw, got, got, err)
		} else if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%s into %T: %v, want %v", raw, got, got, want[i])
		}
	}
}

var values = []string{
	`""`, `"a"`, `"a string of some length, é"`, `"a\n"`, `"\""`, "\"\xff\"", `"\u00e9"`, `true`, `false`, `null`, `0`, `-0`, `1`, `-1`, `42`,
	`999999999999999`, `-999999999999999`, `1000000000000000`, `9223372036854775807`, `1.5`, `1e3`, `1E-2`, `{}`, `[]`, `[1]`, `{"a":1}`,
}

func TestDecode(t *testing.T) {
	for _, raw := range values {
		checkDecode(t, []byte(raw))
	}
	for raw, v := range map[string]any{
		`"text"`: new(string), `true`: new(bool), `12`: new(int), `-12`: new(int64), `0`: new(float64), `{"a":1}`: new(json.RawMessage),
	} {
		if !scalar.Decode([]byte(raw), v) {
			t.Errorf("%s is left to the codec", raw)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, raw := range values {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || raw[0] <= ' ' || raw[len(raw)-1] <= ' ' {
			t.Skip("Decode is given valid JSON only")
		}
		checkDecode(t, raw)
	})
}

func TestAppend(t *testing.T) {
	for _, v := range []any{
		nil, "", "text", "\"quoted\"\n\x01\u2028é", true, false, 0, -1, int64(math.MinInt64), uint64(math.MaxUint64), int8(-8), int16(16),
		int32(-32), uint8(8), uint16(16), uint32(32), uint(1), 1.5, float32(0.1), 1e-7, 1e21, 0.0,
	} {
		got, ok := scalar.Append([]byte("x"), v)
		if !ok {
			t.Errorf("%T is left to the codec", v)
			continue
		}
		var back any
		if err := json.Unmarshal(got[1:], &back); err != nil {
			t.Errorf("%v: %s: %v", v, got, err)
			continue
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var wanted any
		if err := json.Unmarshal(want, &wanted); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, wanted) {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), float32(math.Inf(-1)), []byte("x"), json.RawMessage("1"), struct{}{}, new(string)} {
		if got, ok := scalar.Append([]byte("x"), v); ok || string(got) != "x" {
			t.Errorf("%T became %s", v, got)
		}
	}
}

// What is decoded and encoded here stays on the stack.
func TestNothingEscapes(t *testing.T) {
	raw := []byte("123456")
	buf := make([]byte, 0, 64)
	allocs := testing.AllocsPerRun(1000, func() {
		var n int
		if !scalar.Decode(raw, &n) {
			t.Error("left to the codec")
		}
		if _, ok := scalar.Append(buf, n); !ok {
			t.Error("left to the codec")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
