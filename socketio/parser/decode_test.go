package parser

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// person is a target that the standard decoder fills by reflection.
type person struct {
	Name  string
	Age   int
	Tags  []string
	Raw   json.RawMessage
	Inner *struct{ X, Y float64 }
}

// fussy is a target with a mind of its own.
type fussy struct{ text string }

func (f *fussy) UnmarshalJSON(data []byte) error {
	switch f.text = string(data); f.text {
	case `"panic"`:
		panic("fussy")
	case `"error"`:
		return errors.New("fussy")
	}
	return nil
}

// values are JSON values and what is none, each in a message of its own.
var values = []string{
	`{"name":"Ann","age":7,"tags":["a","b"],"raw":{"b":[1, 2]},"inner":{"x":1.5}}`,
	`{"Name":"Bob"}`, `{"age":"old","name":"Cid"}`, `{"inner":{"x":true,"y":2}}`, `{"tags":[1]}`, `{"age":1e400}`,
	`{}`, `[]`, `[{"name":"x"},2]`, `null`, `true`, `1`, `-0.5e3`, `"text"`, `"\ud800\u00e9\n"`, "\"\xff\"", `"error"`,
	` {"age":1}`, `{"age":2} `, "\n[1]\t", ` 3`, `4 `,
	``, ` `, `tru`, `1 2`, `{}{}`, `{"age":3}{"age":4}`, `[1`, `{"age":5`, `"`, `"\x"`, `]`, `{"age":6},`, "{\"age\":7}\x00",
	`{"name":"` + strings.Repeat("long ", 1000) + `"}`,
	`{"name":"` + strings.Repeat("long ", maxPooledInput) + `"}`,
	strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	strings.Repeat(`{"a":`, 11000) + "1" + strings.Repeat("}", 11000),
}

// targets make new variables to decode into.
var targets = []func() any{
	func() any { return new(person) },
	func() any { return new([]person) },
	func() any { return new(map[string]any) },
	func() any { return new(any) },
	func() any { return new(fussy) },
	func() any { return &struct{ Name fussy }{} },
	func() any { return new(*int16) },
	func() any { return person{} }, // no pointer
	func() any { return nil },
}

// sameAsUnmarshal decodes a value as the coder and as a new decoder do, into a new variable.
func sameAsUnmarshal(t *testing.T, c *Coder, data string, target func() any) {
	t.Helper()
	got, want := target(), target()
	gotErr, wantErr := c.unmarshal([]byte(data), got), JSON{}.Unmarshal([]byte(data), want)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || reflect.TypeOf(gotErr) != reflect.TypeOf(wantErr) {
		t.Errorf("%.60q into a %T: %v, want %v", data, got, gotErr, wantErr)
	}
	if plain := json.Unmarshal([]byte(data), target()); plain == nil && wantErr != nil {
		t.Errorf("%.60q into a %T: %v, which encoding/json decodes", data, got, wantErr)
	}
	if wantErr == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%.60q is %+v, want %+v", data, got, want)
	}
}

// One coder, whatever it has decoded before, decodes as a new decoder does.
func TestDecodesAsUnmarshal(t *testing.T) {
	var c Coder
	for range 2 {
		for _, data := range values {
			for _, target := range targets {
				sameAsUnmarshal(t, &c, data, target)
			}
		}
	}
}

// What a value's own method does when it is decoded has no effect on the next one.
func TestDecodeAfterPanic(t *testing.T) {
	var c Coder
	sameAsUnmarshal(t, &c, values[0], targets[0])
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = c.unmarshal([]byte(`[{"Name":"x"},{"Name":"panic"}]`), new([]struct{ Name fussy }))
	}()
	sameAsUnmarshal(t, &c, values[0], targets[0])
}

// What has been decoded stays as it is when the decoder is used again.
func TestDecodedValuesAreOwn(t *testing.T) {
	var c Coder
	var first, second person
	data := []byte(values[0])
	if err := c.unmarshal(data, &first); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if err := c.unmarshal([]byte(strings.ReplaceAll(values[0], "a", "z")), &second); err != nil {
		t.Fatal(err)
	}
	if first.Tags[0] != "a" || string(first.Raw) != `{"b":[1, 2]}` {
		t.Errorf("%+v", first)
	}
}

// FuzzDecodeValues decodes two values, one after the other, as a new decoder does.
func FuzzDecodeValues(f *testing.F) {
	before := "1"
	for _, data := range values {
		if len(data) < 1000 {
			f.Add(before, data)
			before = data
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		var c Coder
		for _, target := range targets {
			if strings.Contains(first+second, "panic") {
				return
			}
			sameAsUnmarshal(t, &c, first, target)
			sameAsUnmarshal(t, &c, second, target)
		}
	})
}

// A number is rewritten if it is whole and not written as an integer, and without loss.
func TestWholeNumber(t *testing.T) {
	for number, want := range map[string]string{
		"5.0": "5", "-5.00": "-5", "1e3": "1000", "1E+3": "1000", "1.5e1": "15", "10e-1": "1", "0.5e1": "5", "0.0": "0", "0e999999999": "0",
		"18446744073709551615.0": "18446744073709551615", "99999999999999999999.0": "99999999999999999999", "-0.000": "0", "100.0e-2": "1",
		"5": "", "-7": "", "5.5": "", "1e-1": "", "1e20": "", "1e30": "", "1e99999999999999999999": "", "1.5e0": "", "123456789012345678901.0": "",
	} {
		got, ok := wholeNumber([]byte(number))
		if ok != (want != "") || ok && string(got) != want || !ok && string(got) != number {
			t.Errorf("%s becomes %s (%t), want %q", number, got, ok, want)
		}
	}
}

// Only numbers are rewritten, whole ones, wherever they are.
func TestAppendWhole(t *testing.T) {
	for data, want := range map[string]string{
		"5.0": "5", "[1e+3,-2.0]": "[1000,-2]", `{"5.0":"1e3","x":[5.50,0.0]}`: `{"5.0":"1e3","x":[5.50,0]}`, "[1,-2]": "", `"5.0"`: "", `["5.0`: "",
	} {
		got, changed := appendWhole(nil, []byte(data))
		if changed != (want != "") || changed && string(got) != want {
			t.Errorf("%s becomes %s (%t), want %q", data, got, changed, want)
		}
	}
}

// FuzzWholeNumbers compares the JSON with rewritten numbers with what it was.
func FuzzWholeNumbers(f *testing.F) {
	for _, data := range append(values, `[5.0,{"5.0":1e3,"x":"1.0"},-0.5e1]`) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		var before, after any
		if json.Unmarshal([]byte(data), &before) != nil {
			return
		}
		whole, changed := appendWhole(nil, []byte(data))
		if !changed {
			return
		}
		if err := json.Unmarshal(whole, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q becomes %q: %v", data, whole, err)
		}
	})
}
