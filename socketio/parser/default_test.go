package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/tandem-go/tandem/adapter"
)

// ev is an event of the main namespace.
func ev(data string) *adapter.Packet {
	return &adapter.Packet{Type: adapter.Event, Namespace: "/", Data: []byte(data)}
}

// with returns the packet with some fields changed.
func with(p *adapter.Packet, change func(p *adapter.Packet)) *adapter.Packet {
	change(p)
	return p
}

func id(n uint64) func(*adapter.Packet) {
	return func(p *adapter.Packet) { p.ID, p.HasID = n, true }
}

func plain(typ adapter.PacketType, namespace, data string) *adapter.Packet {
	p := &adapter.Packet{Type: typ, Namespace: namespace}
	if data != "" {
		p.Data = []byte(data)
	}
	return p
}

// exchanged are packets and their text as both sides write it.
var exchanged = []struct {
	text   string
	packet *adapter.Packet
}{
	{`0`, plain(adapter.Connect, "/", "")},
	{`0{"sid":"x"}`, plain(adapter.Connect, "/", `{"sid":"x"}`)},
	{`0/admin,`, plain(adapter.Connect, "/admin", "")},
	{`0/admin,{"token":"t"}`, plain(adapter.Connect, "/admin", `{"token":"t"}`)},
	{`0/admin?x=1,`, plain(adapter.Connect, "/admin?x=1", "")},
	{`1`, plain(adapter.Disconnect, "/", "")},
	{`1/admin,`, plain(adapter.Disconnect, "/admin", "")},
	{`2["a"]`, ev(`["a"]`)},
	{`2[""]`, ev(`[""]`)},
	{`2["connection"]`, ev(`["connection"]`)},
	{`2["error","x"]`, ev(`["error","x"]`)},
	{`2[1,2]`, ev(`[1,2]`)},
	{`2[-1.5]`, ev(`[-1.5]`)},
	{`20["a"]`, with(ev(`["a"]`), id(0))},
	{`213["a",{"b":[1]}]`, with(ev(`["a",{"b":[1]}]`), id(13))},
	{`2/nsp,13["a"]`, with(plain(adapter.Event, "/nsp", `["a"]`), id(13))},
	{`2/a/b-c[x],["a"]`, plain(adapter.Event, "/a/b-c[x]", `["a"]`)},
	{`2/1,2["a"]`, with(plain(adapter.Event, "/1", `["a"]`), id(2))},
	{`218446744073709551615["a"]`, with(ev(`["a"]`), id(1<<64-1))},
	{`2["a",{"_placeholder":true,"num":99}]`, ev(`["a",{"_placeholder":true,"num":99}]`)},
	{`2["é日本😀"]`, ev(`["é日本😀"]`)},
	{`30[]`, with(plain(adapter.Ack, "/", `[]`), id(0))},
	{`37[1,null]`, with(plain(adapter.Ack, "/", `[1,null]`), id(7))},
	{`3/nsp,7["connect"]`, with(plain(adapter.Ack, "/nsp", `["connect"]`), id(7))},
	{`4{"message":"no"}`, plain(adapter.ConnectError, "/", `{"message":"no"}`)},
	{`4"no"`, plain(adapter.ConnectError, "/", `"no"`)},
	{`4/nsp,{"message":"no"}`, plain(adapter.ConnectError, "/nsp", `{"message":"no"}`)},
	{`51-["a",{"_placeholder":true,"num":0}]`, with(ev(`["a",{"_placeholder":true,"num":0}]`), attach("x"))},
	{
		`52-/nsp,5["a",{"_placeholder":true,"num":1},{"b":[{"_placeholder":true,"num":0}]}]`,
		with(plain(adapter.Event, "/nsp", `["a",{"_placeholder":true,"num":1},{"b":[{"_placeholder":true,"num":0}]}]`), func(p *adapter.Packet) {
			id(5)(p)
			attach("", "\x00\xff")(p)
		}),
	},
	{`61-5[{"_placeholder":true,"num":0}]`, with(with(plain(adapter.Ack, "/", `[{"_placeholder":true,"num":0}]`), id(5)), attach("x"))},
	{`51-["a",[` + strings.Repeat(ph0+",", 9) + ph0 + `]]`, with(ev(`["a",[`+strings.Repeat(ph0+",", 9)+ph0+`]]`), attach("x"))},
	{`510-["a",[` + phs(0, 10) + `]]`, with(ev(`["a",[`+phs(0, 10)+`]]`), attach("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))},
}

func attach(values ...string) func(*adapter.Packet) {
	return func(p *adapter.Packet) {
		for _, v := range values {
			p.Attachments = append(p.Attachments, []byte(v))
		}
	}
}

func TestAppend(t *testing.T) {
	for _, test := range exchanged {
		t.Run(test.text, func(t *testing.T) {
			got, binary, err := new(Default).Append([]byte("before"), test.packet)
			if err != nil || binary || string(got) != "before"+test.text {
				t.Errorf("got %s, binary %t, %v", got, binary, err)
			}
		})
	}
}

func TestAppendErrors(t *testing.T) {
	eleven := with(ev(`["a"]`), func(p *adapter.Packet) { p.Attachments = make([][]byte, 11) })
	for _, test := range []struct {
		name   string
		packet *adapter.Packet
		want   error
	}{
		{"type", plain(5, "/", ""), ErrType},
		{"attachments", eleven, ErrTooManyAttachments},
		{"attachments of a CONNECT", with(plain(adapter.Connect, "/", "{}"), attach("x")), ErrAttachmentCount},
		{"comma", plain(adapter.Event, "/a,b", `["a"]`), ErrNamespace},
		{"no slash", plain(adapter.Event, "a", `["a"]`), ErrNamespace},
	} {
		dst := []byte("before")
		got, _, err := new(Default).Append(dst, test.packet)
		if !errors.Is(err, test.want) || string(got) != "before" {
			t.Errorf("%s: %q, error %v, want %v", test.name, got, err, test.want)
		}
	}
	if _, _, err := (&Default{MaxAttachments: 11}).Append(nil, eleven); err != nil {
		t.Errorf("with another limit: %v", err)
	}
}

// samePacket compares all the fields.
func samePacket(a, b *adapter.Packet) bool {
	if len(a.Attachments) != len(b.Attachments) {
		return false
	}
	for i := range a.Attachments {
		if !bytes.Equal(a.Attachments[i], b.Attachments[i]) || a.Attachments[i] == nil {
			return false
		}
	}
	return a.Type == b.Type && a.Namespace == b.Namespace && a.ID == b.ID && a.HasID == b.HasID &&
		bytes.Equal(a.Data, b.Data) && (a.Data == nil) == (b.Data == nil)
}

func show(p *adapter.Packet) string {
	return fmt.Sprintf("{type %d, namespace %q, id %d %t, data %s, attachments %q}",
		p.Type, p.Namespace, p.ID, p.HasID, p.Data, p.Attachments)
}

func TestDecodePacket(t *testing.T) {
	var st State
	got := &adapter.Packet{ID: 99, HasID: true, Data: []byte("old"), Attachments: [][]byte{nil}} // of an earlier packet
	for _, test := range exchanged {
		t.Run(test.text, func(t *testing.T) {
			d := new(Default)
			complete, err := d.Decode(&st, []byte(test.text), false, got)
			for i, b := range test.packet.Attachments {
				if err != nil || complete || !st.Pending() {
					t.Fatalf("before attachment %d: complete %t, pending %t, %v", i, complete, st.Pending(), err)
				}
				// The buffer is used for something else afterwards.
				buf := append([]byte(nil), b...)
				complete, err = d.Decode(&st, buf, true, got)
				clear(buf)
			}
			if err != nil || !complete || st.Pending() {
				t.Fatalf("complete %t, pending %t, %v", complete, st.Pending(), err)
			}
			if !samePacket(got, test.packet) {
				t.Errorf("got %s\nwant %s", show(got), show(test.packet))
			}
		})
	}
}

// TestDecodeLenient has what nobody writes but everybody reads.
func TestDecodeLenient(t *testing.T) {
	for _, test := range []struct {
		text string
		want *adapter.Packet
	}{
		{`0/admin`, plain(adapter.Connect, "/admin", "")},
		{`1/admin`, plain(adapter.Disconnect, "/admin", "")},
		{`2/,["a"]`, ev(`["a"]`)},
		{`0/`, plain(adapter.Connect, "/", "")},
		{`2007["a"]`, with(ev(`["a"]`), id(7))},
		{"2 [\n\"a\" ]\t", ev("[\n\"a\" ]")},
		{`2["\u0061"]`, ev(`["\u0061"]`)},
	} {
		var st State
		var got adapter.Packet
		complete, err := new(Default).Decode(&st, []byte(test.text), false, &got)
		if err != nil || !complete || !samePacket(&got, test.want) {
			t.Errorf("%s: %s, complete %t, %v\nwant %s", test.text, show(&got), complete, err, show(test.want))
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for _, test := range []struct {
		text string
		want error
	}{
		{``, ErrEmpty},
		{`7`, ErrType},
		{`a`, ErrType},
		{` 2["a"]`, ErrType},
		{"\xff", ErrType},
		// CONNECT takes nothing or an object.
		{`0null`, ErrPayload},
		{`0"x"`, ErrPayload},
		{`0[]`, ErrPayload},
		{`0true`, ErrPayload},
		{`0{`, ErrSyntax},
		{`0{}x`, ErrSyntax},
		{`01`, ErrID},
		{`00{}`, ErrID},
		// DISCONNECT takes nothing.
		{`1{}`, ErrPayload},
		{`1 `, ErrPayload},
		{`15`, ErrID},
		// CONNECT_ERROR takes a string or an object.
		{`4`, ErrPayload},
		{`4[]`, ErrPayload},
		{`4null`, ErrPayload},
		// EVENT takes an array that begins with a name.
		{`2`, ErrPayload},
		{`25`, ErrPayload},
		{`2/nsp`, ErrPayload},
		{`2/nsp,`, ErrPayload},
		{`2{}`, ErrPayload},
		{`2"a"`, ErrPayload},
		{`2null`, ErrPayload},
		{`2[]`, ErrEventName},
		{`2[null]`, ErrEventName},
		{`2[true,"a"]`, ErrEventName},
		{`2[{"toString":"x"}]`, ErrEventName},
		{`2[["a"]]`, ErrEventName},
		{`2["connect"]`, ErrReservedEvent},
		{`2["connect_error"]`, ErrReservedEvent},
		{`2["disconnect"]`, ErrReservedEvent},
		{`2["disconnecting"]`, ErrReservedEvent},
		{`2["newListener"]`, ErrReservedEvent},
		{`2["removeListener"]`, ErrReservedEvent},
		{`2["disconn\u0065ct",1]`, ErrReservedEvent},
		{`2["a"`, ErrSyntax},
		{`2["a"]]`, ErrSyntax},
		{`2["a"]2["b"]`, ErrSyntax},
		{`2['a']`, ErrSyntax},
		{`2 `, ErrSyntax},
		{`2["a",` + deep + `]`, ErrDepth},
		// Ids are digits, and not too many.
		{`218446744073709551616["a"]`, ErrID},
		{`299999999999999999999["a"]`, ErrID},
		{`21 2["a"]`, ErrSyntax},
		{`2-1["a"]`, ErrSyntax},
		{`21e3["a"]`, ErrSyntax},
		{`2+1["a"]`, ErrSyntax},
		// ACK takes an id and an array.
		{`3`, ErrID},
		{`3[]`, ErrID},
		{`3/nsp,[]`, ErrID},
		{`31`, ErrPayload},
		{`31{}`, ErrPayload},
		{`31null`, ErrPayload},
		// The number of attachments is 1 to 10.
		{`5`, ErrAttachmentCount},
		{`5["a"]`, ErrAttachmentCount},
		{`5-["a"]`, ErrAttachmentCount},
		{`50-["a"]`, ErrAttachmentCount},
		{`500-["a"]`, ErrAttachmentCount},
		{`51`, ErrAttachmentCount},
		{`51["a"]`, ErrAttachmentCount},
		{`5-1-["a"]`, ErrAttachmentCount},
		{`51.0-["a"]`, ErrAttachmentCount},
		{`51e0-["a"]`, ErrAttachmentCount},
		{`50x1-["a"]`, ErrAttachmentCount},
		{`5 1-["a"]`, ErrAttachmentCount},
		{`5Infinity-["a"]`, ErrAttachmentCount},
		{`511-["a"]`, ErrTooManyAttachments},
		{`599999999999999999999999999-["a"]`, ErrTooManyAttachments},
		{`60-1[]`, ErrAttachmentCount},
		{`51-`, ErrPayload},
		{`51-[{"_placeholder":true,"num":0}]`, ErrEventName},
		{`61-[]`, ErrID},
		// Placeholders name attachments.
		{`51-["a",{"_placeholder":true,"num":1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":-1}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":0.5}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":"0"}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":"splice"}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true}]`, ErrPlaceholder},
		{`51-["a",{"_placeholder":true,"num":99999999999999999999}]`, ErrPlaceholder},
		{`51-["a",{"b":[{"num":0,"\u005fplaceholder":true,"num":1}]}]`, ErrPlaceholder},
		{`61-1[{"_placeholder":true,"num":1}]`, ErrPlaceholder},
		{`51-["a",[` + strings.Repeat(ph0+",", 10) + ph0 + `]]`, ErrTooManyAttachments},
		{`61-1[` + strings.Repeat(ph0+",", 10) + ph0 + `]`, ErrTooManyAttachments},
	} {
		t.Run(test.text[:min(40, len(test.text))], func(t *testing.T) {
			var st State
			var p adapter.Packet
			complete, err := new(Default).Decode(&st, []byte(test.text), false, &p)
			if !errors.Is(err, test.want) || complete || st.Pending() {
				t.Errorf("complete %t, pending %t, error %v, want %v", complete, st.Pending(), err, test.want)
			}
		})
	}
}

// TestDecodeSequence decodes messages that do not fit together. After an error
// the state is as good as new.
func TestDecodeSequence(t *testing.T) {
	const header = `52-["a",{"_placeholder":true,"num":0}]`
	type message struct {
		data   string
		binary bool
	}
	for _, test := range []struct {
		name     string
		messages []message
		want     error // of the last message
	}{
		{"attachment without a packet", []message{{"x", true}}, ErrUnexpectedBinary},
		{"attachment after a packet", []message{{`2["a"]`, false}, {"x", true}}, ErrUnexpectedBinary},
		{"one attachment too many", []message{{header, false}, {"x", true}, {"y", true}, {"z", true}}, ErrUnexpectedBinary},
		{"text instead of an attachment", []message{{header, false}, {"x", true}, {`2["a"]`, false}}, ErrUnexpectedText},
		{"empty text instead of an attachment", []message{{header, false}, {"", false}}, ErrUnexpectedText},
		{"attachments too large", []message{{header, false}, {strings.Repeat("x", 60), true}, {strings.Repeat("x", 41), true}}, ErrAttachmentSize},
		{"one attachment too large", []message{{header, false}, {strings.Repeat("x", 101), true}}, ErrAttachmentSize},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &Default{MaxAttachmentBytes: 100}
			var st State
			var p adapter.Packet
			var err error
			for i, m := range test.messages {
				if err != nil {
					t.Fatalf("message %d: %v", i-1, err)
				}
				_, err = d.Decode(&st, []byte(m.data), m.binary, &p)
			}
			if !errors.Is(err, test.want) || st.Pending() {
				t.Errorf("pending %t, error %v, want %v", st.Pending(), err, test.want)
			}
			if complete, err := d.Decode(&st, []byte(`2["b"]`), false, &p); !complete || err != nil {
				t.Errorf("afterwards: complete %t, %v", complete, err)
			}
		})
	}
}

func TestDecodeAttachmentBytes(t *testing.T) {
	d := &Default{MaxAttachmentBytes: 100}
	var st State
	var p adapter.Packet
	for range 2 { // the limit is for each packet
		if _, err := d.Decode(&st, []byte(`52-["a"]`), false, &p); err != nil {
			t.Fatal(err)
		}
		for i, size := range []int{60, 40} {
			if complete, err := d.Decode(&st, make([]byte, size), true, &p); err != nil || complete != (i == 1) {
				t.Fatal(complete, err)
			}
		}
	}
}

func TestStateReset(t *testing.T) {
	var st State
	var p adapter.Packet
	d := new(Default)
	if _, err := d.Decode(&st, []byte(`51-["a"]`), false, &p); err != nil || !st.Pending() {
		t.Fatal(st.Pending(), err)
	}
	st.Reset()
	if _, err := d.Decode(&st, []byte("x"), true, &p); st.Pending() || !errors.Is(err, ErrUnexpectedBinary) {
		t.Error(st.Pending(), err)
	}
}

// TestLongNamespace: a name that only an attacker has is not kept.
func TestLongNamespace(t *testing.T) {
	var st State
	var p adapter.Packet
	name := "/" + strings.Repeat("x", 100_000)
	if _, err := new(Default).Decode(&st, []byte("0"+name), false, &p); err != nil || p.Namespace != name {
		t.Error(err)
	}
	if st.kept != nil {
		t.Error("the name is kept")
	}
}

// TestStateOfMainNamespace: most connections are in the main namespace and send no
// attachments, and so cost no more than the State itself.
func TestStateOfMainNamespace(t *testing.T) {
	if size := unsafe.Sizeof(State{}); size != unsafe.Sizeof(uintptr(0)) {
		t.Errorf("a State has %d bytes", size)
	}
	var st State
	var p adapter.Packet
	for _, text := range []string{"0", `0{"token":1}`, `2["a",1]`, `2/,["a"]`, `217["a"]`, `317["a"]`, "1", `2["connect"]`, "0/"} {
		complete, err := new(Default).Decode(&st, []byte(text), false, &p)
		if complete == (err != nil) || st.Pending() {
			t.Errorf("%s: complete %t, %v", text, complete, err)
		}
		if st.kept != nil {
			t.Errorf("%s: something is kept", text)
		}
	}
}

// TestStateKeepsNamespace: an attachment, a mistake or a packet of the main
// namespace in between does not make a connection forget the name.
func TestStateKeepsNamespace(t *testing.T) {
	var st State
	var p adapter.Packet
	d := new(Default)
	for _, m := range []struct {
		data         string
		binary, fits bool
	}{
		{"0/chat,", false, true},
		{`51-/chat,["a",{"_placeholder":true,"num":0}]`, false, true},
		{"x", true, true},
		{`2["a"]`, false, true},
		{"x", true, false},
	} {
		if _, err := d.Decode(&st, []byte(m.data), m.binary, &p); (err == nil) != m.fits {
			t.Errorf("%q: %v", m.data, err)
		}
		if st.kept == nil || st.kept.namespace != "/chat" {
			t.Errorf("%q: the name is not kept", m.data)
		}
	}
}

func TestPacketAllocations(t *testing.T) {
	d := new(Default)
	out := with(plain(adapter.Event, "/chat", string(smallArgs)), id(7))
	buf := make([]byte, 0, 256)
	text, _, err := d.Append(nil, out)
	if err != nil {
		t.Fatal(err)
	}
	var st State
	var in adapter.Packet
	for name, f := range map[string]func() error{
		"Append": func() error { _, _, err := d.Append(buf, out); return err },
		"Decode": func() error { _, err := d.Decode(&st, text, false, &in); return err },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzDecode decodes a text message and as many attachments as it asks for. What
// comes out, encoded again, must be decoded as the same.
func FuzzDecode(f *testing.F) {
	for _, test := range exchanged {
		f.Add([]byte(test.text))
	}
	for _, s := range []string{`2["a"`, `51-["a",{"_placeholder":true,"num":1}]`, `2/a`, `0/a?b=1,{"x":"y"}`, `61-["\u0061"]`, `2007 ["a"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := new(Default)
		first := decodeAll(t, d, text)
		if first == nil {
			return
		}
		again, binary, err := d.Append(nil, first)
		if err != nil || binary {
			t.Fatalf("%q: %s is not encoded: %v", text, show(first), err)
		}
		second := decodeAll(t, d, again)
		if second == nil || !samePacket(first, second) {
			t.Fatalf("%q was decoded as %s, encoded as %q", text, show(first), again)
		}
		if first.Type == adapter.Event || first.Type == adapter.Ack {
			checkArguments(t, first)
		}
	})
}

// decodeAll decodes a packet, nil if it is wrong.
func decodeAll(t *testing.T, d *Default, text []byte) *adapter.Packet {
	t.Helper()
	var st State
	p := new(adapter.Packet)
	complete, err := d.Decode(&st, text, false, p)
	for i := 0; err == nil && !complete; i++ {
		if i >= DefaultMaxAttachments {
			t.Fatalf("%q asks for too many attachments", text)
		}
		complete, err = d.Decode(&st, []byte{byte(i)}, true, p)
	}
	if err != nil {
		return nil
	}
	return p
}

// checkArguments decodes the arguments of a valid packet, which always works,
// and encodes them again.
func checkArguments(t *testing.T, p *adapter.Packet) {
	t.Helper()
	args, err := SplitArgs(p.Data, nil)
	if err != nil {
		t.Fatalf("%s: %v", p.Data, err)
	}
	if p.Type == adapter.Event {
		if name := EventName(args[0]); name == nil || Reserved(string(name)) {
			t.Fatalf("%s has the name %q", p.Data, name)
		}
	}
	c := Coder{MaxAttachments: 1 << 20}
	for _, arg := range args {
		var v any
		var raw Raw
		if err := errors.Join(c.Decode(arg, p.Attachments, &v), c.Decode(arg, p.Attachments, &raw)); err != nil {
			if bytes.ContainsAny(arg, "eE") || len(arg) > 300 {
				continue // a number that is no float64
			}
			t.Fatalf("%s: %v", arg, err)
		}
		if _, _, err := c.AppendAck(nil, v, raw); err != nil && !errors.Is(err, ErrPlaceholder) {
			t.Fatalf("%s: %v", arg, err)
		}
	}
}
