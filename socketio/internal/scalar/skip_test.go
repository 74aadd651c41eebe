package scalar_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/scalar"
)

// plainSkip is Skip, one byte after the other.
func plainSkip(data []byte, i int) int {
	for ; i < len(data); i++ {
		if c := data[i]; c < ' ' || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// Skip finds every byte that has to be escaped, at every place of words of every length,
// and takes no other byte for one, whatever stands beside it.
func TestSkip(t *testing.T) {
	t.Parallel()
	const most = 75 // two blocks, a word and a rest
	for _, filler := range []byte{'a', ' ', '!', '#', '[', ']', 0x7f, 0x80, 0xa2, 0xdc, 0xff} {
		for size := range most {
			data := slices.Clip(bytes.Repeat([]byte{filler}, size))
			for start := 0; start <= size; start += 1 + size/8 {
				if got := scalar.Skip(data, start); got != size {
					t.Fatalf("%d bytes %q from %d on: stopped at %d", size, filler, start, got)
				}
			}
			for at := range data {
				for _, c := range []byte{'"', '\\', 0, 0x1f, '\n', ' ', '!', '#', '[', ']', 0x80, 0xff} {
					data[at] = c
					for _, start := range []int{0, at, at + 1, at / 2} {
						if got, want := scalar.Skip(data, start), plainSkip(data, start); got != want {
							t.Fatalf("%d bytes %q, %q at %d, from %d on: stopped at %d, want %d", size, filler, c, at, start, got, want)
						}
					}
				}
				data[at] = filler
			}
		}
	}
}

// Every byte is told apart as it should be, in a word and behind one.
func TestSkipEveryByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, next := range []byte{'a', '"', 0x1f, ' '} {
			for _, size := range []int{1, 7, 8, 9, 33} {
				data := append(bytes.Repeat([]byte{byte(c)}, size), next)
				if got, want := scalar.Skip(data, 0), plainSkip(data, 0); got != want {
					t.Fatalf("%d times %#x and %#x: stopped at %d, want %d", size, c, next, got, want)
				}
			}
		}
	}
}

// What is plain is decoded without the codec, up to the limits; the rest is left to it.
func TestWhatIsDecodedWithoutTheCodec(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		``: false, `"`: false, `""`: true, `"a"`: true, `"a`: false, `a"`: false, `"\n"`: false, "\"\xff\"": false,
		`"` + strings.Repeat("é", 50) + `"`: true, `"a"b"`: false, `"a b"`: true, "\"a\nb\"": false,
	} {
		var s string
		if got := scalar.Decode([]byte(raw), &s); got != want {
			t.Errorf("%s into a string: %t, want %t", raw, got, want)
		} else if got && s != raw[1:len(raw)-1] {
			t.Errorf("%s became %q", raw, s)
		}
	}
	for raw, want := range map[string]int64{
		`0`: 0, `7`: 7, `10`: 10, `-10`: -10, `909`: 909, `999999999999999`: 999999999999999, `-999999999999999`: -999999999999999,
		`100000000000000`: 100000000000000,
	} {
		var i int
		var i64 int64
		var f float64
		if !scalar.Decode([]byte(raw), &i) || !scalar.Decode([]byte(raw), &i64) || !scalar.Decode([]byte(raw), &f) {
			t.Errorf("%s is left to the codec", raw)
		}
		if int64(i) != want || i64 != want || int64(f) != want {
			t.Errorf("%s became %d, %d and %v", raw, i, i64, f)
		}
	}
	for _, raw := range []string{``, `-`, `-0`, `00`, `01`, `-01`, `1000000000000000`, `-1000000000000000`, `1.5`, `1e3`, `/`, `:`, `1:`, `1/`, `--1`} {
		for _, v := range []any{new(int), new(int64), new(float64)} {
			if scalar.Decode([]byte(raw), v) {
				t.Errorf("%q into %T is not left to the codec", raw, v)
			}
		}
	}
	for raw, want := range map[string]bool{`true`: true, `false`: true, `null`: false, `True`: false, ``: false, `truefalse`: false} {
		if got := scalar.Decode([]byte(raw), new(bool)); got != want {
			t.Errorf("%s into a bool: %t, want %t", raw, got, want)
		}
	}
}

// A variable that has held something is overwritten.
func TestDecodeIntoWhatHasHeldSomething(t *testing.T) {
	t.Parallel()
	s, b, i, raw := "before", true, 7, json.RawMessage(`"something longer"`)
	for _, ok := range []bool{
		scalar.Decode([]byte(`""`), &s), scalar.Decode([]byte(`false`), &b),
		scalar.Decode([]byte(`0`), &i), scalar.Decode([]byte(`{}`), &raw),
	} {
		if !ok {
			t.Error("left to the codec")
		}
	}
	if s != "" || b || i != 0 || string(raw) != "{}" {
		t.Errorf("%q, %t, %d, %s", s, b, i, raw)
	}
}

// What is appended is what encoding/json writes, apart from what it escapes for the sake
// of HTML.
func TestAppendIsWhatTheCodecWrites(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for c := range 0x180 {
		all.WriteRune(rune(c))
	}
	for _, v := range []any{
		all.String(), strings.Repeat("x", 100) + "\x1f", "\x1f" + strings.Repeat("x", 100), "\xff", "a\xffb", "\x7f", "\u2027\u2030",
		0.0, math.Copysign(0, -1), 1e-6, 9.9e-7, 1e-7, 1e-9, 1e-10, 1.5e-12, 1e-100, 1e20, 1e21, 9.99e20, 1.5e21, 1e100, -1e21, -1e-7, 123456789.125,
		float32(1e-7), float32(1e21), float32(3.4e38), float32(0.1),
		math.MaxInt64, math.MinInt64, uint64(math.MaxUint64), int8(-128), int16(-32768), int32(math.MinInt32), uint8(255), uint16(65535), uint32(math.MaxUint32),
	} {
		got, ok := scalar.Append([]byte("before"), v)
		if !ok {
			t.Errorf("%T is left to the codec", v)
			continue
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		wanted := strings.TrimSuffix(want.String(), "\n")
		if s, isString := v.(string); isString && strings.Contains(s, "\xff") {
			wanted = strings.ReplaceAll(wanted, `\ufffd`, "\ufffd")
		}
		if string(got) != "before"+wanted {
			t.Errorf("%v: %s, want %s", v, got[6:], wanted)
		}
	}
}
