package parser

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// raw is a type whose JSON is taken over as it is.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(`"` + string(r) + `"`), nil }

// text is the same for text.
type text string

func (t text) MarshalText() ([]byte, error) { return []byte(t), nil }

// verbatim is a codec that does not look at what it takes over.
type verbatim struct{ JSON }

func (verbatim) Marshal(any) ([]byte, error) { return []byte("\"\xff\""), nil }

// badTexts are values that hold text that is not UTF-8, in every way in which they can.
func badTexts(bad string) map[string]any {
	message := json.RawMessage(`"` + bad + `"`)
	return map[string]any{
		"string":                  bad,
		"string in a map":         map[string]any{"a": bad},
		"key":                     map[string]int{bad: 1},
		"raw message":             message,
		"raw message in a map":    map[string]any{"a": message},
		"raw message in a struct": struct{ M json.RawMessage }{message},
		"pointer to raw message":  &message,
		"raw message and binary":  []any{message, []byte("b")},
		"marshaler":               raw(bad),
		"marshaler in a list":     []any{1, raw(bad)},
		"marshaler and binary":    []any{raw(bad), []byte("b")},
		"text marshaler":          text(bad),
		"text marshaler as key":   map[text]int{text(bad): 1},
		"argument as it came":     Raw{Data: message},
	}
}

// What is sent is UTF-8 and JSON, whatever the caller's types make of it.
func TestInvalidUTF8(t *testing.T) {
	var ours Coder
	codecs := map[string]*Coder{"JSON": &ours, "another codec": {Codec: struct{ JSON }{}}, "careless codec": {Codec: verbatim{}}}
	for name, c := range codecs {
		for _, bad := range []string{"\xff", "a\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\xaf"} {
			for what, v := range badTexts(bad) {
				data, _, err := c.AppendEvent(nil, "e", v)
				if err != nil || !utf8.Valid(data) || !json.Valid(data) {
					t.Errorf("%s: %s of %q: %q (%v)", name, what, bad, data, err)
				}
				if data, _, err = c.AppendAck(nil, v); err != nil || !utf8.Valid(data) || !json.Valid(data) {
					t.Errorf("%s: %s of %q in an answer: %q (%v)", name, what, bad, data, err)
				}
			}
		}
	}
	data, _, err := ours.AppendEvent(nil, "e", map[string]any{"a": raw("1\xff2\xff")})
	if want := `["e",{"a":"1` + "\ufffd" + `2` + "\ufffd" + `"}]`; string(data) != want || err != nil {
		t.Errorf("got %s (%v), want %s", data, err, want)
	}
}

// Text that is UTF-8 is left as it is.
func TestValidUTF8(t *testing.T) {
	var c Coder
	const good = "aé€\U0001F600\ufffd"
	data, _, err := c.AppendEvent(nil, "e", []any{raw(good), json.RawMessage(`"` + good + `"`)})
	if want := `["e",["` + good + `","` + good + `"]]`; string(data) != want || err != nil {
		t.Errorf("got %s (%v), want %s", data, err, want)
	}
}
