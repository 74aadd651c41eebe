package parser

import (
	"errors"
	"testing"
)

// several stands for its elements.
type several []any

func (s several) MarshalArgs() []any { return s }

// owned stands for several arguments, and has JSON of its own.
type owned struct{ several }

func (owned) MarshalJSON() ([]byte, error) { return []byte(`"own"`), nil }

// A value stands for several arguments if it is the only one. Within another one it is an error,
// unless it says what its JSON is; one that is not there is null, as always.
func TestSeveralArguments(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []any
		want string // "" is an error
	}{
		"two":                         {[]any{several{1, "x"}}, `["ev",1,"x"]`},
		"none":                        {[]any{several{}}, `["ev"]`},
		"behind a pointer":            {[]any{&several{1, 2}}, `["ev",1,2]`},
		"nil pointer":                 {[]any{(*several)(nil)}, ""},
		"beside another one":          {[]any{several{1}, 2}, ""},
		"within itself":               {[]any{several{several{1}}}, ""},
		"in a slice":                  {[]any{[]several{{1}}}, ""},
		"in a field":                  {[]any{struct{ A several }{}}, ""},
		"in an interface":             {[]any{struct{ A any }{several{1}}}, ""},
		"in its interface":            {[]any{struct{ A ArgsMarshaler }{several{1}}}, ""},
		"its interface holds nothing": {[]any{struct{ A ArgsMarshaler }{}}, `["ev",{"A":null}]`},
		"within, with JSON":           {[]any{[]owned{{}}}, `["ev",["own"]]`},
	} {
		data, _, err := new(Coder).AppendEvent(nil, "ev", tt.args...)
		switch {
		case tt.want == "" && !errors.Is(err, ErrNestedArgs):
			t.Errorf("%s: %s, %v", name, data, err)
		case tt.want != "" && (err != nil || string(data) != tt.want):
			t.Errorf("%s: %s, %v, want %s", name, data, err, tt.want)
		}
	}
}
