package parser_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

// goldenFile holds packets as socket.io-parser 4.2.7 has encoded them, one a
// line. TestReference checks that it still does; run with -update to have it
// written anew.
const goldenFile = "testdata/packets.jsonl"

// jsPacket is a packet as the reference sees it.
type jsPacket struct {
	Type int             `json:"type"`
	Nsp  string          `json:"nsp"`
	ID   *uint64         `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"` // with {"$bin":"<base64>"} for binary
}

// golden is a packet and the messages that it is encoded as.
type golden struct {
	Packet   jsPacket          `json:"packet"`
	Messages []json.RawMessage `json:"messages"` // strings and {"$bin":"<base64>"}
}

// bin is a binary value in the JSON that JavaScript sees.
type bin struct {
	Base64 string `json:"$bin"`
}

// binaries replaces []byte in a tree of JSON values by what stands for it.
func binaries(v any) any {
	switch v := v.(type) {
	case []byte:
		return bin{base64.StdEncoding.EncodeToString(v)}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = binaries(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for key := range v {
			object[key] = binaries(v[key])
		}
		return object
	}
	return v
}

// bytesOf undoes binaries.
func bytesOf(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = bytesOf(v[i])
		}
	case map[string]any:
		if text, ok := v["$bin"].(string); ok && len(v) == 1 {
			b, err := base64.StdEncoding.DecodeString(text)
			if err == nil {
				return b
			}
		}
		for key := range v {
			v[key] = bytesOf(v[key])
		}
	}
	return v
}

// tree returns the value of JSON with binary values in it.
func tree(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return bytesOf(v)
}

// trees makes random values.
type trees struct {
	*rand.Rand

	binaries int // how many more there may be
}

var someStrings = []string{
	"", "a", "hello world", "é", "日本語", "😀", "\"quoted\"", `back\slash`, "new\nline\ttab\r\b\f\x00\x1f\x7f", "<a href=\"x\">&amp;</a>",
	"_placeholder", `{"_placeholder":true,"num":0}`, strings.Repeat("long ", 50), "\u00a0\ufeff\ufffd",
}

var someNumbers = []float64{
	0, 1, -1, 42, 1.5, -0.25, 1e3, 1e20, 1e21, 1.5e300, 1e-6, 1e-7, 123456789012345, 1 << 53, 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308,
}

func (r *trees) value(depth int) any {
	kinds := 8
	if depth == 0 {
		kinds = 5
	}
	switch r.IntN(kinds) {
	case 0:
		return []any{nil, true, false}[r.IntN(3)]
	case 1:
		return someNumbers[r.IntN(len(someNumbers))]
	case 2:
		return someStrings[r.IntN(len(someStrings))]
	case 3, 4:
		if r.binaries == 0 {
			return float64(r.IntN(100))
		}
		r.binaries--
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case 5, 6:
		return r.list(r.IntN(4), depth-1)
	default:
		object := make(map[string]any)
		for range r.IntN(4) {
			object[fmt.Sprint("key ", someStrings[r.IntN(len(someStrings))])] = r.value(depth - 1)
		}
		return object
	}
}

func (r *trees) list(n, depth int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = r.value(depth)
	}
	return list
}

// packet makes a random packet whose payload is a tree, absent if nil.
func (r *trees) packet() (p jsPacket, payload any) {
	p.Nsp = []string{"/", "/admin", "/a/b?c=d"}[r.IntN(3)]
	r.binaries = []int{0, 3, 10}[r.IntN(3)]
	switch r.IntN(10) {
	case 0:
		r.binaries = 0
		return p, []any{nil, map[string]any{}, map[string]any{"token": r.value(2)}}[r.IntN(3)]
	case 1:
		p.Type = 1
		return p, nil
	case 2:
		p.Type = 4
		r.binaries = 0
		return p, map[string]any{"message": "no", "data": r.value(2)}
	case 3, 4:
		p.Type = 3
		id := r.Uint64N(1 << 50)
		p.ID = &id
		return p, r.list(r.IntN(4), 3)
	default:
		p.Type = 2
		if r.IntN(2) == 0 {
			id := r.Uint64N(1 << 50)
			p.ID = &id
		}
		name := someStrings[r.IntN(len(someStrings))]
		return p, append([]any{name}, r.list(r.IntN(4), 3)...)
	}
}

// randomPackets returns count packets, the same ones every time.
func randomPackets(t *testing.T, count int) []jsPacket {
	t.Helper()
	r := &trees{Rand: rand.New(rand.NewPCG(1, 2))}
	packets := make([]jsPacket, count)
	for i := range packets {
		p, payload := r.packet()
		if payload != nil {
			var err error
			if p.Data, err = (parser.JSON{}).Marshal(binaries(payload)); err != nil {
				t.Fatal(err)
			}
		}
		packets[i] = p
	}
	return packets
}

func readGolden(t *testing.T) []golden {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(goldenFile))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for line := range bytes.Lines(text) {
		var g golden
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	if len(all) < 200 {
		t.Fatalf("%d packets", len(all))
	}
	return all
}

// message is one message on the connection.
type message struct {
	data   []byte
	binary bool
}

// messages returns what the reference has written.
func (g *golden) messages(t *testing.T) []message {
	t.Helper()
	list := make([]message, len(g.Messages))
	for i, m := range g.Messages {
		switch v := tree(t, m).(type) {
		case string:
			list[i] = message{[]byte(v), false}
		case []byte:
			list[i] = message{v, true}
		default:
			t.Fatalf("a message is a %T", v)
		}
	}
	return list
}

// TestGoldenDecode decodes what the reference has encoded.
func TestGoldenDecode(t *testing.T) {
	var st parser.State
	for i, g := range readGolden(t) {
		p := decode(t, &st, g.messages(t))
		want := g.Packet
		if p.Type != adapter.PacketType(want.Type) || p.Namespace != want.Nsp || p.HasID != (want.ID != nil) || want.ID != nil && p.ID != *want.ID {
			t.Errorf("packet %d: got type %d, namespace %q, id %d %t", i, p.Type, p.Namespace, p.ID, p.HasID)
		}
		if (p.Data == nil) != (want.Data == nil) {
			t.Errorf("packet %d: got the payload %q", i, p.Data)
		}
		if p.Data == nil {
			continue
		}
		var c parser.Coder
		var got any
		if err := c.Decode(p.Data, p.Attachments, &got); err != nil {
			t.Errorf("packet %d: %v", i, err)
		} else if wanted := tree(t, want.Data); !reflect.DeepEqual(got, wanted) {
			t.Errorf("packet %d: got %#v, want %#v", i, got, wanted)
		}
	}
}

// decode decodes the messages of one packet.
func decode(t *testing.T, st *parser.State, messages []message) *adapter.Packet {
	t.Helper()
	p := new(adapter.Packet)
	for i, m := range messages {
		complete, err := new(parser.Default).Decode(st, m.data, m.binary, p)
		if err != nil || complete != (i == len(messages)-1) {
			t.Fatalf("message %d, %q: complete %t, %v", i, m.data, complete, err)
		}
	}
	return p
}

// TestGoldenEncode encodes the same packets, byte for byte.
func TestGoldenEncode(t *testing.T) {
	for i, g := range readGolden(t) {
		p := encode(t, g.Packet)
		text, binary, err := new(parser.Default).Append(nil, p)
		if err != nil || binary {
			t.Fatalf("packet %d: %v", i, err)
		}
		want := g.messages(t)
		if !bytes.Equal(text, want[0].data) {
			t.Errorf("packet %d:\n%s\nwant\n%s", i, text, want[0].data)
		}
		if len(p.Attachments) != len(want)-1 {
			t.Fatalf("packet %d: %d attachments, want %d", i, len(p.Attachments), len(want)-1)
		}
		for j, b := range p.Attachments {
			if !bytes.Equal(b, want[j+1].data) {
				t.Errorf("packet %d: attachment %d is %q", i, j, b)
			}
		}
	}
}

// encode encodes the payload of a packet from Go values.
func encode(t *testing.T, js jsPacket) *adapter.Packet {
	t.Helper()
	p := &adapter.Packet{Type: adapter.PacketType(js.Type), Namespace: js.Nsp}
	if js.ID != nil {
		p.ID, p.HasID = *js.ID, true
	}
	if js.Data == nil {
		return p
	}
	var c parser.Coder
	var err error
	switch payload := tree(t, js.Data).(type) {
	case []any:
		if p.Type == adapter.Event {
			name, ok := payload[0].(string)
			if !ok {
				t.Fatal("the event has no name")
			}
			p.Data, p.Attachments, err = c.AppendEvent(nil, name, payload[1:]...)
		} else {
			p.Data, p.Attachments, err = c.AppendAck(nil, payload...)
		}
	default:
		p.Data, err = (parser.JSON{}).Marshal(payload)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// FuzzBinary encodes trees with binary values in them and decodes them again.
func FuzzBinary(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint64(0))
	}
	f.Fuzz(func(t *testing.T, seed, stream uint64) {
		r := &trees{Rand: rand.New(rand.NewPCG(seed, stream)), binaries: 10}
		want := r.list(3, 4)
		var c parser.Coder
		data, attachments, err := c.AppendAck(nil, want...)
		if err != nil {
			t.Fatal(err)
		}
		args, err := parser.SplitArgs(data, nil)
		if err != nil || len(args) != len(want) {
			t.Fatal(len(args), err)
		}
		for i, arg := range args {
			var got any
			var raw parser.Raw
			if err := errors.Join(c.Decode(arg, attachments, &got), c.Decode(arg, attachments, &raw)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want[i]) {
				t.Fatalf("got %#v, want %#v", got, want[i])
			}
			// Passed on as it is, it is still the same.
			passed, attachments, err := c.AppendAck(nil, raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Decode(passed[1:len(passed)-1], attachments, &got); err != nil || !reflect.DeepEqual(got, want[i]) {
				t.Fatalf("passed on: %#v, want %#v (%v)", got, want[i], err)
			}
		}
	})
}
