package socketio_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A row is one statement about the protocol: what the client sends, and what comes of it.
type row struct {
	name   string
	script []string
}

// runRows runs each row on a fresh connection that has joined the main namespace, over both transports.
func runRows(t *testing.T, s *testServer, rows []row) {
	t.Helper()
	for _, transport := range transports {
		for _, r := range rows {
			t.Run(transport+"/"+r.name, func(t *testing.T) {
				s.join(t, transport).run(r.script...)
			})
		}
	}
}

// seen records the names of the events that a server gets.
type seen struct {
	mu    sync.Mutex
	names []string
}

func (s *seen) ServeEvent(_ context.Context, e *socketio.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, e.Name)
	return nil
}

// answerName makes the server acknowledge every event without a handler of its own with its name and arguments.
func answerName(s *testServer) {
	s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		if e.Name == "echo" || !e.WantsAck() {
			return nil
		}
		return e.Ack(append([]any{e.Name}, e.Args.MarshalArgs()...)...)
	}))
}

// Packets that a server must take: node-behaviour.md 2.10.
func TestPacketsAccepted(t *testing.T) {
	s := serve(t, nil).echo()
	s.Of("/custom")
	answerName(s)
	runRows(t, s, []row{
		{"event", []string{`> 2["anything"]`, "sync"}},
		{"event with arguments of all kinds", []string{
			`> 21["echo",1,-2.5e3,"x",true,null,[1,[2]],{"a":{"b":[]}}]`,
			`< 31[1,-2.5e3,"x",true,null,[1,[2]],{"a":{"b":[]}}]`,
		}},
		{"acknowledgement id 0", []string{`> 20["echo"]`, `< 30[]`}},
		{"leading zeros of an id are dropped", []string{`> 2007["echo"]`, `< 37[]`}},
		{"largest id", []string{`> 218446744073709551615["echo"]`, `< 318446744073709551615[]`}},
		{"explicit main namespace", []string{`> 2/,1["echo",1]`, `< 31[1]`}},
		{"number as event name", []string{`> 21[1.5,"x"]`, `< 31["1.5","x"]`}},
		{"integer as event name", []string{`> 21[7]`, `< 31["7"]`}},
		{"empty event name", []string{`> 21["",2]`, `< 31["",2]`}},
		{"connection is not reserved", []string{`> 21["connection"]`, `< 31["connection"]`}},
		{"error is not reserved", []string{`> 21["error",{"x":1}]`, `< 31["error",{"x":1}]`}},
		{"__proto__ as event name", []string{`> 21["__proto__"]`, `< 31["__proto__"]`}},
		{"escaped event name", []string{`> 21["\u0065cho",1]`, `< 31[1]`}},
		{"white space in the JSON", []string{"> 21[ \"echo\" ,\t1 ]", `< 31[1]`}},
		{"unicode", []string{`> 21["echo","\ud83d\ude00 ü \u2028"]`, `< 31["\ud83d\ude00 ü \u2028"]`}},
		{"control characters of the framing in a text", []string{`> 21["echo","\u001e"]`, `< 31["\u001e"]`}},
		{"unknown acknowledgement", []string{`> 399[1]`, "sync"}},
		{"acknowledgement without arguments", []string{`> 399[]`, "sync"}},
		{"namespace without comma", []string{`> 0/custom`, `< 0/custom,{"sid":"*"}`, "sync"}},
		{"leaving a namespace without comma", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom`, "sync"}},
		{"CONNECT with an empty object", []string{`> 0/custom,{}`, `< 0/custom,{"sid":"*"}`}},
		{"CONNECT with a payload", []string{`> 0/custom,{"token":"x"}`, `< 0/custom,{"sid":"*"}`}},
		{"query strings are part of a namespace", []string{`> 0/custom?x=1,`, `< 4/custom?x=1,{"message":"Invalid namespace"}`, "sync"}},
		{"placeholder in a text packet is an object", []string{
			`> 21["echo",{"_placeholder":true,"num":7}]`, `< 31[{"_placeholder":true,"num":7}]`,
		}},
		{"several packets at once", []string{`> 21["echo","a"] | 22["echo","b"]`, `< 31["a"]`, `< 32["b"]`}},
	})
}

// Packets after which the connection is closed: node-behaviour.md 2.10.
func TestPacketsRefused(t *testing.T) {
	s := serve(t, nil).echo()
	s.Of("/custom")
	var rows []row
	for name, packet := range map[string]string{
		"empty":                                ``,
		"unknown type":                         `7["a"]`,
		"no type":                              `x`,
		"CONNECT with null":                    `0/custom,null`,
		"CONNECT with a string":                `0/custom,"x"`,
		"CONNECT with a number":                `0/custom, 1`,
		"CONNECT with an array":                `0/custom,[]`,
		"CONNECT with broken JSON":             `0/custom,{"a"`,
		"DISCONNECT with an object":            `1{}`,
		"DISCONNECT with an array":             `1["x"]`,
		"CONNECT_ERROR":                        `4{"message":"x"}`,
		"CONNECT_ERROR with a string":          `4"x"`,
		"CONNECT_ERROR without payload":        `4`,
		"CONNECT_ERROR for another":            `4/custom,{"message":"x"}`,
		"event with an object":                 `2{}`,
		"event with a string":                  `2"echo"`,
		"event with null":                      `2null`,
		"event with an empty array":            `2[]`,
		"event named null":                     `2[null]`,
		"event named by an object":             `2[{"toString":1}]`,
		"event named by an array":              `2[["a"]]`,
		"event named true":                     `2[true]`,
		"reserved connect":                     `2["connect"]`,
		"reserved connect_error":               `2["connect_error"]`,
		"reserved disconnect":                  `2["disconnect"]`,
		"reserved disconnecting":               `2["disconnecting"]`,
		"reserved newListener":                 `2["newListener"]`,
		"reserved removeListener":              `2["removeListener"]`,
		"reserved name, escaped":               `2["\u0064isconnect"]`,
		"JSON cut off":                         `2["echo",1`,
		"JSON with something behind it":        `2["echo",1]x`,
		"two JSON values":                      `2["echo"]["echo"]`,
		"JavaScript that is not JSON":          `2['echo']`,
		"number with a leading zero":           `2["echo",01]`,
		"NaN":                                  `2["echo",NaN]`,
		"trailing comma":                       `2["echo",]`,
		"control character in a text":          "2[\"echo\",\"\n\"]",
		"id that does not fit in 64 bits":      `218446744073709551616["echo"]`,
		"negative id":                          `2-1["echo"]`,
		"ACK with an object":                   `31{}`,
		"ACK with broken JSON":                 `31[`,
		"nested too deep":                      `2["echo",` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `]`,
		"namespace of another that is no name": `2custom,["echo"]`,
	} {
		rows = append(rows, row{name, []string{"> " + packet, "closed"}})
	}
	runRows(t, s, rows)
}

// The reference takes all characters for digits that JavaScript makes a number of, so that a space is an id of 0, and rounds large ids.
func TestFaultIDsAreDigitsOnly(t *testing.T) {
	s := serve(t, nil).echo()
	runRows(t, s, []row{
		{"a space is not an id", []string{`> 2 ["echo",1]`, "sync"}},
		{"a space after the id is white space", []string{`> 23 ["echo",1]`, `< 33[1]`}},
		{"ids beyond 2^53 are exact", []string{`> 29007199254740993["echo"]`, `< 39007199254740993[]`}},
		{"no exponents", []string{`> 21e3["echo"]`, "closed"}},
		{"no fractions", []string{`> 21.5["echo"]`, "closed"}},
	})
}

// The reference delivers an event without any payload to its listeners.
func TestFaultEventWithoutPayload(t *testing.T) {
	s := serve(t, nil).echo()
	got := &seen{}
	s.OnAny(got)
	runRows(t, s, []row{
		{"event", []string{`> 2`, "closed"}},
		{"event with an id", []string{`> 25`, "closed"}},
		{"event in the explicit main namespace", []string{`> 2/,`, "closed"}},
		{"acknowledgement", []string{`> 31`, "closed"}},
		{"binary event", []string{`> 51-`, "closed"}},
		{"binary acknowledgement", []string{`> 61-1`, "closed"}},
	})
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.names) > 0 {
		t.Errorf("handlers were given %q", got.names)
	}
}

// Binary packets: node-behaviour.md 2.13.
func TestBinaryPackets(t *testing.T) {
	s := serve(t, nil).echo()
	const one = `{"_placeholder":true,"num":0}`
	const two = `{"_placeholder":true,"num":1}`
	ten := strings.TrimSuffix(strings.Repeat("{},", 10), ",")
	for i := range 10 {
		ten = strings.Replace(ten, "{}", strings.Replace(one, "0", string('0'+rune(i)), 1), 1)
	}
	attachments := strings.TrimSuffix(strings.Repeat(bin("x")+" | ", 10), " | ")
	lines := func(messages string) (lines []string) {
		for m := range strings.SplitSeq(messages, " | ") {
			lines = append(lines, "< "+m)
		}
		return lines
	}
	runRows(t, s, []row{
		{"one attachment", []string{`> 51-1["echo",` + one + `] | ` + bin("\x01\x02"), `< 61-1[` + one + `]`, "< " + bin("\x01\x02")}},
		{"attachment inside an object", []string{
			`> 51-1["echo",{"a":[1,` + one + `]}] | ` + bin("a"), `< 61-1[{"a":[1,` + one + `]}]`, "< " + bin("a"),
		}},
		{"two attachments in order", []string{
			`> 52-1["echo",` + one + `,` + two + `] | ` + bin("a") + " | " + bin("b"),
			`< 62-1[` + one + `,` + two + `]`, "< " + bin("a"), "< " + bin("b"),
		}},
		{"two attachments in reverse order are numbered anew", []string{
			`> 52-1["echo",` + two + `,` + one + `] | ` + bin("a") + " | " + bin("b"),
			`< 62-1[` + one + `,` + two + `]`, "< " + bin("b"), "< " + bin("a"),
		}},
		{"empty attachment", []string{`> 51-1["echo",` + one + `] | ` + "b", `< 61-1[` + one + `]`, "< b"}},
		{"attachment that is not used", []string{`> 51-1["echo",1] | ` + bin("a"), `< 31[1]`}},
		{"ten attachments", append([]string{`> 510-1["echo",` + ten + `] | ` + attachments, `< 610-1[` + ten + `]`}, lines(attachments)...)},
		{"binary acknowledgement nobody waits for", []string{`> 61-99[` + one + `] | ` + bin("a"), "sync"}},
		{"pong in between", []string{`> 51-1["echo",` + one + `]`, "! 3", "> " + bin("a"), `< 61-1[` + one + `]`, "< " + bin("a")}},
		{"a text packet as usual afterwards", []string{`> 51-["any",` + one + `] | ` + bin("a"), "sync"}},
	})
}

func TestBinaryPacketsRefused(t *testing.T) {
	s := serve(t, nil).echo()
	s.Of("/custom")
	const one = `{"_placeholder":true,"num":0}`
	var rows []row
	for name, packets := range map[string]string{
		"text message instead of an attachment":         `51-["echo",` + one + `] | 2["echo"]`,
		"DISCONNECT instead of an attachment":           `51-["echo",` + one + `] | 1`,
		"attachment without a packet":                   bin("a"),
		"attachment after the last":                     `51-["echo",` + one + `] | ` + bin("a") + ` | ` + bin("a"),
		"no count":                                      `5-["echo",` + one + `] | ` + bin("a"),
		"no dash":                                       `51["echo",` + one + `] | ` + bin("a"),
		"count with an exponent":                        `51e0-["echo",` + one + `] | ` + bin("a"),
		"hexadecimal count":                             `50x1-["echo",` + one + `] | ` + bin("a"),
		"negative count":                                `5-1-["echo",` + one + `] | ` + bin("a"),
		"fractional count":                              `51.5-["echo",` + one + `] | ` + bin("a"),
		"eleven attachments":                            `511-["echo",` + one + `]`,
		"huge count":                                    `599999999999999999999-["echo",` + one + `]`,
		"placeholder beyond the last":                   `51-["echo",{"_placeholder":true,"num":1}] | ` + bin("a"),
		"negative placeholder":                          `51-["echo",{"_placeholder":true,"num":-1}] | ` + bin("a"),
		"placeholder with a string":                     `51-["echo",{"_placeholder":true,"num":"0"}] | ` + bin("a"),
		"placeholder with the name of a property":       `51-["echo",{"_placeholder":true,"num":"splice"}] | ` + bin("a"),
		"placeholder without a number":                  `51-["echo",{"_placeholder":true}] | ` + bin("a"),
		"placeholder as event name":                     `51-[` + one + `] | ` + bin("a"),
		"binary event with a reserved name":             `51-["disconnect",` + one + `] | ` + bin("a"),
		"binary event for a namespace that is not open": `51-/custom,["echo",` + one + `] | ` + bin("a"),
		"broken JSON":                                   `51-["echo",` + one,
	} {
		rows = append(rows, row{name, []string{"> " + packets, "closed"}})
	}
	runRows(t, s, rows)
}

// The reference takes 50-[…] as a packet and then keeps every binary message for ever (CVE-2026-69185).
func TestFaultNoAttachments(t *testing.T) {
	s := serve(t, nil).echo()
	runRows(t, s, []row{
		{"zero", []string{`> 50-["echo"]`, "closed"}},
		{"zeros", []string{`> 5000-["echo"]`, "closed"}},
		{"empty", []string{`> 5-["echo"]`, "closed"}},
		{"acknowledgement", []string{`> 60-1[]`, "closed"}},
	})
}

// The reference takes a placeholder with a fraction for undefined.
func TestFaultFractionalPlaceholder(t *testing.T) {
	s := serve(t, nil).echo()
	runRows(t, s, []row{{"fraction", []string{`> 51-1["echo",{"_placeholder":true,"num":0.5}] | ` + bin("a"), "closed"}}})
}

// An attachment may be referred to twice; how often it is sent back is the encoder's affair.
func TestBinaryUsedTwice(t *testing.T) {
	s := serve(t, nil).echo()
	got := make(chan [][]byte, 1)
	socketio.On(s, "twice", func(_ context.Context, _ *socketio.Socket, a socketio.Args2[[]byte, []byte]) error {
		got <- [][]byte{a.A, a.B}
		return nil
	})
	eachTransport(t, func(t *testing.T, transport string) {
		c := s.join(t, transport)
		const one = `{"_placeholder":true,"num":0}`
		c.run(`> 51-["twice",` + one + `,` + one + `] | ` + bin("abc"))
		for _, b := range await(t, "the event", got) {
			if !bytes.Equal(b, []byte("abc")) {
				t.Errorf("an argument is %q", b)
			}
		}
		c.sync()
	})
}

// What the server sends: node-behaviour.md 2.10 and 2.13.
func TestPacketsSent(t *testing.T) {
	type inner struct {
		B []byte `json:"b"`
		N *int   `json:"n,omitempty"`
		S string `json:"s"`
	}
	const p0, p1, p2 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":2}`
	for _, tt := range []struct {
		name string
		args []any
		want []string
	}{
		{"no argument", nil, []string{`2["e"]`}},
		{"basic types", []any{1, -2.5, "x", true, nil}, []string{`2["e",1,-2.5,"x",true,null]`}},
		{"no HTML escaping", []any{"<a&b>"}, []string{`2["e","<a&b>"]`}},
		{"map and slice", []any{map[string]int{"b": 2, "a": 1}, []string{"x"}}, []string{`2["e",{"a":1,"b":2},["x"]]`}},
		{"nil slices are null", []any{[]int(nil), []byte(nil)}, []string{`2["e",null,null]`}},
		{"binary", []any{[]byte("ab")}, []string{`51-["e",` + p0 + `]`, bin("ab")}},
		{"empty binary", []any{[]byte{}}, []string{`51-["e",` + p0 + `]`, "b"}},
		{"binary in a struct", []any{inner{B: []byte("ab"), S: "t"}}, []string{`51-["e",{"b":` + p0 + `,"s":"t"}]`, bin("ab")}},
		{"binary in a pointer", []any{&inner{B: []byte("ab"), S: "t"}}, []string{`51-["e",{"b":` + p0 + `,"s":"t"}]`, bin("ab")}},
		{"binary depth first, in order", []any{
			[]any{[]byte("1"), map[string]any{"k": []byte("2")}}, []byte("3"),
		}, []string{`53-["e",[` + p0 + `,{"k":` + p1 + `}],` + p2 + `]`, bin("1"), bin("2"), bin("3")}},
		{"slice of binary", []any{[][]byte{[]byte("1"), []byte("2")}}, []string{`52-["e",[` + p0 + `,` + p1 + `]]`, bin("1"), bin("2")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				s.OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("e", tt.args...) })
				c := s.join(t, transport)
				c.expect(tt.want...)
				c.sync()
			})
		})
	}
}

// Namespaces other than the main one are named in every packet, with a comma.
func TestPacketsSentInNamespace(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		n := s.Of("/custom")
		socketio.OnWithAck(n, "echo", func(_ context.Context, _ *socketio.Socket, a socketio.Args) (socketio.Args, error) {
			return a, nil
		})
		n.OnConnect(func(_ context.Context, s *socketio.Socket) error { return s.Emit("hi", []byte("b")) })
		c := s.join(t, transport, "/", "/custom")
		c.run(
			`< 51-/custom,["hi",{"_placeholder":true,"num":0}]`, "< "+bin("b"),
			`> 2/custom,5["echo",1]`, `< 3/custom,5[1]`,
			`> 2/custom,5["echo"]`, `< 3/custom,5[]`,
			`> 51-/custom,6["echo",{"_placeholder":true,"num":0}] | `+bin("b"),
			`< 61-/custom,6[{"_placeholder":true,"num":0}]`, "< "+bin("b"),
			`> 1/custom,`, "sync",
		)
	})
}
