package parser

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	listOfLists []listOfLists
	mapOfMaps   map[string]mapOfMaps
	pointers    *pointers
	anyList     []any

	hidden struct {
		Secret []byte `json:"secret"`
	}
	Exported struct {
		Shown []byte `json:"shown"`
	}
	odd struct {
		*hidden // a codec sees what is in it, reflection cannot replace it
		*Exported
		embedded `json:"named"`

		Own   []byte             `json:"own"`
		Items map[int]*Exported  `json:"items,omitempty"`
		Iface fmt.Stringer       `json:"iface,omitempty"`
		Deep  **[]any            `json:"deep,omitempty"`
		Pairs map[string][2]blob `json:"pairs,omitempty"`
		List  anyList            `json:"list,omitempty"`
		Rec   mapOfMaps          `json:"rec,omitempty"`
	}
	stringer struct{ B []byte }
	// recursive types, of which only one leads to a []byte
	left struct {
		Right *right `json:"right,omitempty"`
		Bytes []byte `json:"bytes,omitempty"`
	}
	right struct {
		Left *left `json:"left,omitempty"`
	}
)

func (s *stringer) String() string { return string(s.B) }

func TestOddTypes(t *testing.T) {
	deep := &[]any{[]byte("deep")}
	var nilPointers pointers
	tests := []struct {
		name string
		arg  any
		want string
		atts int
	}{
		{"recursive slice", listOfLists{{}, nil}, `[[],null]`, 0},
		{"recursive map", mapOfMaps{"a": {}}, `{"a":{}}`, 0},
		{"recursive pointer", nilPointers, `null`, 0},
		{"right", right{&left{Bytes: []byte("x")}}, `{"left":{"bytes":` + ph0 + `}}`, 1},
		{"left", left{Right: &right{&left{Bytes: []byte("x")}}}, `{"right":{"left":{"bytes":` + ph0 + `}}}`, 1},
		{"pointer in interface", odd{Iface: &stringer{[]byte("x")}}, `{"named":{"thumb":null},"own":null,"iface":{"B":` + ph0 + `}}`, 1},
		{
			"hidden",
			odd{hidden: &hidden{[]byte("hi")}, Exported: &Exported{[]byte("x")}, embedded: embedded{[]byte("hi")}, Own: []byte("y")},
			`{"secret":"aGk=","shown":` + ph0 + `,"named":{"thumb":"aGk="},"own":` + ph1 + `}`, 2,
		},
		{
			"everything",
			odd{Items: map[int]*Exported{1: {[]byte("1")}, 2: nil}, Deep: &deep, Pairs: map[string][2]blob{"p": {nil, blob("p")}}, List: anyList{[]byte("l"), nil}, Rec: mapOfMaps{"r": nil}},
			`{"named":{"thumb":null},"own":null,"items":{"1":{"shown":` + ph0 + `},"2":null},"deep":[` + ph1 + `],"pairs":{"p":[null,` + ph2 + `]},"list":[{"_placeholder":true,"num":3},null],"rec":{"r":null}}`, 4,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c Coder
			for range 2 { // the second time with what is known of the types
				data, atts, err := c.AppendAck(nil, test.arg)
				if err != nil || string(data) != "["+test.want+"]" || len(atts) != test.atts {
					t.Fatalf("%s, %d attachments, %v\nwant %s, %d attachments", data, len(atts), err, test.want, test.atts)
				}
			}
		})
	}
}

func TestDecodeOddTypes(t *testing.T) {
	atts := [][]byte{[]byte("zero"), []byte("one"), []byte("two"), []byte("three")}
	raw := `{"secret":` + ph0 + `,"shown":` + ph1 + `,"own":` + ph2 + `,"items":{"1":{"shown":` + ph0 + `},"2":null},"deep":[` + ph1 +
		`],"pairs":{"p":[null,` + ph2 + `]},"list":[{"_placeholder":true,"num":3},null,true,1,"s"]}`
	got := odd{hidden: new(hidden)} // encoding/json cannot make it either
	if err := new(Coder).Decode([]byte(raw), atts, &got); err != nil {
		t.Fatal(err)
	}
	deep := &[]any{atts[1]}
	want := odd{
		hidden: &hidden{atts[0]}, Exported: &Exported{atts[1]}, Own: atts[2], Items: map[int]*Exported{1: {atts[0]}, 2: nil},
		Deep: &deep, Pairs: map[string][2]blob{"p": {nil, atts[2]}}, List: anyList{atts[3], nil, true, 1.0, "s"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// TestDecodeIntoCycle decodes into a value that contains itself.
func TestDecodeIntoCycle(t *testing.T) {
	v := &left{Right: &right{}}
	v.Right.Left = v
	if err := new(Coder).Decode([]byte(`{"bytes":`+ph0+`}`), [][]byte{[]byte("x")}, v); err != nil || string(v.Bytes) != "x" {
		t.Errorf("%q, %v", v.Bytes, err)
	}
}

// TestDecodeIntoInterface decodes into what an interface holds already.
func TestDecodeIntoInterface(t *testing.T) {
	into := &inner{}
	var v any = into
	if err := new(Coder).Decode([]byte(`{"bytes":`+ph0+`}`), [][]byte{[]byte("x")}, &v); err != nil || string(into.Bytes) != "x" {
		t.Errorf("%q, %v", into.Bytes, err)
	}
}

func TestManyBinaryValues(t *testing.T) {
	c := Coder{MaxAttachments: 1 << 20}
	list := make([][]byte, maxMarked)
	for i := range list {
		list[i] = []byte{byte(i), byte(i >> 8)}
	}
	data, atts, err := c.AppendAck(nil, list)
	if err != nil || len(atts) != len(list) {
		t.Fatal(len(atts), err)
	}
	var got [][]byte
	if err := c.Decode(data[1:len(data)-1], atts, &got); err != nil || !reflect.DeepEqual(got, list) {
		t.Error(err)
	}
	if _, _, err := c.AppendAck(nil, [][][]byte{list, list[:1]}); !errors.Is(err, ErrTooManyAttachments) {
		t.Error(err)
	}
	raw := "[" + strings.Repeat(ph0+",", maxMarked) + ph0 + "]"
	if err := c.Decode([]byte(raw), atts, &got); !errors.Is(err, ErrTooManyAttachments) {
		t.Error(err)
	}
}

// TestAttachmentNamedOften decodes into a type that decodes itself, for which an
// attachment is copied wherever it is named, even in a field that nobody reads. What
// is copied stays in proportion to what has come.
func TestAttachmentNamedOften(t *testing.T) {
	for _, test := range []struct {
		name        string
		size, times int
		want        error
	}{
		{"a large one a few times", 100_000, maxRepeated, nil},
		{"a large one often", 100_000, 100, ErrTooManyAttachments},
		{"a small one often", 10, 2000, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw := `{"unknown":[` + strings.Repeat(ph0+",", test.times-1) + ph0 + `]}`
			var v struct{ At time.Time }
			if err := new(Coder).Decode([]byte(raw), [][]byte{make([]byte, test.size)}, &v); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
