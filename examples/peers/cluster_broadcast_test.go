package peers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// broadcastRow is a broadcast and who gets it.
type broadcastRow struct {
	name string
	to   selection // Nsp is filled in
	want []string  // the clients, in the namespace of the broadcast
	args []any

	rooms, except []string // clients whose ids are added to the selection
	from          bool     // the server's socket of the client over WebSocket emits
	local         bool     // only clients of the server get it
	senders       string   // if not empty, the only senders
}

// selections are the rows about who gets something.
func selections() []broadcastRow {
	yes, no := true, false
	in := func(rooms ...any) selection { return selection{Rooms: rooms} }
	return []broadcastRow{
		{name: "all", want: everyone},
		{name: "room", to: in("polling"), want: []string{"n.p", "a.p", "b.p"}},
		{name: "rooms", to: in("mixed", "solo"), want: []string{"n.p", "a.w", "b.w"}},
		{name: "overlapping rooms", to: in("polling", "mixed"), want: []string{"n.p", "a.p", "a.w", "b.p"}},
		{name: "room without members", to: in("none")},
		{name: "rooms without members", to: in("none", "nobody")},
		{name: "odd room", to: in(oddRoom), want: []string{"n.p", "b.p"}},
		{name: "number as room", to: in(7), want: []string{"n.w", "a.p"}},
		{name: "number among rooms", to: in(7, "solo"), want: []string{"n.w", "a.p", "b.w"}},
		{name: "text of a number as room", to: in("7"), want: []string{"a.p"}, senders: "node emitter"},
		{name: "text that is almost a number", to: in("007")},
		{name: "one socket", rooms: []string{"n.p"}, want: []string{"n.p"}},
		{name: "another socket", rooms: []string{"a.p"}, want: []string{"a.p"}},
		{name: "a third socket", rooms: []string{"b.w"}, want: []string{"b.w"}},
		{name: "three sockets", rooms: []string{"n.w", "a.w", "b.p"}, want: []string{"n.w", "a.w", "b.p"}},
		{name: "socket and room", to: in("solo"), rooms: []string{"n.w"}, want: []string{"n.w", "b.w"}},
		{name: "except a room", to: selection{Except: []any{"polling"}}, want: []string{"n.w", "a.w", "b.w"}},
		{name: "except rooms", to: selection{Except: []any{"polling", "solo"}}, want: []string{"n.w", "a.w"}},
		{name: "except a number", to: selection{Except: []any{7}}, want: []string{"n.p", "a.w", "b.p", "b.w"}},
		{name: "except a socket", except: []string{"b.p"}, want: []string{"n.p", "n.w", "a.p", "a.w", "b.w"}},
		{name: "room except room", to: selection{Rooms: []any{"websocket"}, Except: []any{"mixed", "solo"}}, want: []string{"n.w"}},
		{name: "room except itself", to: selection{Rooms: []any{"polling"}, Except: []any{"polling"}}},
		{name: "uncompressed", to: selection{Compress: &no}, want: everyone},
		{name: "compressed", to: selection{Compress: &yes}, want: everyone},
		{name: "local", to: selection{Local: true}, want: everyone, local: true, senders: "node a b"},
		{name: "local room", to: selection{Local: true, Rooms: []any{"polling"}}, want: []string{"n.p", "a.p", "b.p"}, local: true, senders: "node a b"},
		{name: "socket to others", from: true, want: everyone, senders: "node a b"},
		{name: "socket to room", to: in("websocket"), from: true, want: []string{"n.w", "a.w", "b.w"}, senders: "node a b"},
		{name: "socket except room", to: selection{Except: []any{"polling"}}, from: true, want: []string{"n.w", "a.w", "b.w"}, senders: "node a b"},
		{name: "binary in a room", to: in("mixed"), want: []string{"n.p", "a.w"}, args: []any{[]byte("room"), map[string]any{"b": []byte{0}}}},
	}
}

// values are the rows about what they get.
func values() []broadcastRow {
	return []broadcastRow{
		{name: "no arguments", want: everyone, args: []any{}},
		{name: "many arguments", want: everyone, args: []any{"a", 1, nil, true, false, []any{}, map[string]any{}, "", 0}},
		{name: "integers", want: everyone, args: []any{
			-1, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<53 - 1,
			-32, -33, -127, -128, -129, -32768, -32769, -1 << 31, -1<<31 - 1, -1<<53 + 1,
		}},
		{name: "floats", want: everyone, args: []any{0.1, -0.5, 1.5, 3.141592653589793, 5e-324, 2.5e-300, 1e-7, 123456.789}},
		{name: "texts", want: everyone, args: []any{
			"é ü ß", "日本語", "😀👩‍👩‍👧", "\u2028\u2029", "<>&\"'\\/", "\x00\x01\x1e\x7f", strings.Repeat("x", 31), strings.Repeat("ö", 16),
			strings.Repeat("y", 255), strings.Repeat("z", 256), strings.Repeat("w", 65536), "__proto__", "451-[",
		}},
		{name: "nested", want: everyone, args: []any{deep(20), map[string]any{"ключ": []any{map[string]any{"": []any{nil}}}, "b": map[string]any{"c": "d"}}}},
		{name: "long list", want: everyone, args: []any{numbers(20), numbers(2000)}},
		{name: "binary", want: everyone, args: []any{[]byte{0, 1, 254, 255}}},
		{name: "nested binary", want: everyone, args: []any{
			map[string]any{"list": []any{[]byte{1}, "text", []byte{}, map[string]any{"deep": []byte{2, 3}}}, "b": []byte{4}}, 5, []byte{6},
		}},
		{name: "large binary", want: everyone, args: []any{bytes.Repeat([]byte{0xAB, 0}, 40_000), []byte{1}}},
		{name: "ten attachments", want: everyone, args: []any{tenBytes()}},
		{name: "what looks like binary", want: everyone, args: []any{map[string]any{"_placeholder": true, "num": 0}, map[string]any{"type": "Buffer", "data": []any{1}}}},
	}
}

func deep(n int) any {
	var v any = "bottom"
	for range n {
		v = []any{map[string]any{"in": v}}
	}
	return v
}

func numbers(n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func tenBytes() []any {
	all := make([]any, 10)
	for i := range all {
		all[i] = []byte{byte(i)}
	}
	return all
}

// senders are the servers and the emitter.
func (c *cluster) senders() []instance { return append(c.instances(), c.emitter) }

// testBroadcasts sends each row from each sender, one after the other, and then compares what the clients have got. That it comes in the
// order in which it was sent is part of the test.
func testBroadcasts(t *testing.T, c *cluster, nsp string, rows []broadcastRow) {
	for _, sender := range c.senders() {
		t.Run("from "+sender.name(), func(t *testing.T) {
			c.received(t, sender)
			want := make(map[string][][]any) // by client
			sent := make([]broadcastRow, 0, len(rows))
			for _, row := range rows {
				if row.senders != "" && !slices.Contains(strings.Fields(row.senders), sender.name()) {
					continue
				}
				if row.args == nil {
					row.args = []any{"x", 1}
				}
				sender.emit(t, c.target(t, row, sender, nsp), row.name, row.args...)
				for _, client := range c.recipients(row, sender) {
					want[client] = append(want[client], append([]any{row.name}, row.args...))
				}
				sent = append(sent, row)
			}
			got := c.received(t, sender)
			for _, row := range sent {
				t.Run(row.name, func(t *testing.T) { checkRow(t, row, nsp, got, want) })
			}
			checkOrder(t, nsp, got, want)
		})
	}
}

// target completes the selection of a row.
func (c *cluster) target(t *testing.T, row broadcastRow, sender instance, nsp string) selection {
	to := row.to
	to.Nsp = nsp
	for _, client := range row.rooms {
		to.Rooms = append(slices.Clone(to.Rooms), c.id(t, client, nsp))
	}
	for _, client := range row.except {
		to.Except = append(slices.Clone(to.Except), c.id(t, client, nsp))
	}
	if row.from {
		to.From = c.id(t, sender.name()[:1]+".w", nsp)
	}
	return to
}

// id returns the id of a client's socket in the namespace.
func (c *cluster) id(t *testing.T, client, nsp string) (id string) {
	t.Helper()
	c.eval(t, &id, `return c.get(...args).socket.id`, client, nsp)
	return id
}

// recipients returns the clients that must get the row.
func (c *cluster) recipients(row broadcastRow, sender instance) []string {
	return slices.DeleteFunc(slices.Clone(row.want), func(client string) bool {
		own := client[0] == sender.name()[0]
		return row.local && !own || row.from && own && client[2] == 'w'
	})
}

// checkRow compares what came of one row.
func checkRow(t *testing.T, row broadcastRow, nsp string, got, want map[string][][]any) {
	of := func(events [][]any) [][]any {
		return slices.DeleteFunc(slices.Clone(events), func(event []any) bool { return event[0] != row.name })
	}
	for client, events := range got {
		name, custom := strings.CutSuffix(client, "/custom")
		if custom == (nsp == "/custom") {
			same(t, client, of(events), of(want[name]))
		} else if other := of(events); len(other) > 0 {
			t.Errorf("%s has got %s", client, text(other))
		}
	}
}

// checkOrder compares the order of what came.
func checkOrder(t *testing.T, nsp string, got, want map[string][][]any) {
	t.Helper()
	names := func(events [][]any) (all []any) {
		for _, event := range events {
			all = append(all, event[0])
		}
		return all
	}
	for _, client := range everyone {
		same(t, "the events of "+client, names(got[in(client, nsp)]), names(want[client]))
	}
}

// testOwnTypes sends what only one of the languages has.
func testOwnTypes(t *testing.T, c *cluster) {
	t.Run("from JavaScript", func(t *testing.T) {
		for js, want := range map[string]string{
			`new Date(Date.UTC(2024, 0, 2, 3, 4, 5, 678)), new Date(0)`:           `["2024-01-02T03:04:05.678Z","1970-01-01T00:00:00.000Z"]`,
			`new Date(1e12), new Date(-1), new Date(Date.UTC(2600, 0, 1))`:        `["2001-09-09T01:46:40.000Z","1969-12-31T23:59:59.999Z","2600-01-01T00:00:00.000Z"]`,
			`{ at: new Date(5), list: [new Date(6)] }`:                            `[{"at":"1970-01-01T00:00:00.005Z","list":["1970-01-01T00:00:00.006Z"]}]`,
			`undefined, [undefined], { u: undefined, f() {} }, null`:              `[null,[null],{},null]`,
			`NaN, Infinity, -Infinity, -0`:                                        `[null,null,null,0]`,
			`new Uint8Array([1, 2]), new Uint8Array([3]).buffer`:                  `[{"$bin":"AQI="},{"$bin":"Aw=="}]`,
			`{ toJSON() { return { as: "JSON" } } }, [1, , 3]`:                    `[{"as":"JSON"},[1,null,3]]`,
			`2 ** 53, 2 ** 60, -(2 ** 55), 1e15, 1.5e-300`:                        `[9007199254740992,1152921504606846976,-36028797018963968,1e15,1.5e-300]`,
			`new Map([[1, 2]]), new Set([1]), Object.create({ inherited: true })`: `[{},{},{}]`,
		} {
			t.Run(js, func(t *testing.T) {
				// The emitter stands for every sender in JavaScript: what it publishes comes to all servers the same way.
				c.eval(t, nil, `c.emitter.emit("typed", `+js+`)`)
				c.checkTyped(t, c.emitter, want)
				c.eval(t, nil, `c.server.io.emit("typed", `+js+`)`)
				c.checkTyped(t, c.reference, want)
			})
		}
	})
	t.Run("from Go", func(t *testing.T) {
		type inner struct {
			B     []byte            `json:"b"`
			N     uint8             `json:"n"`
			Skip  string            `json:"-"`
			Empty string            `json:"empty,omitempty"`
			Raw   json.RawMessage   `json:"raw"`
			Ints  map[int]int       `json:"ints"`
			Next  *inner            `json:"next"`
			Any   any               `json:"any"`
			At    time.Time         `json:"at"`
			Bytes map[string][]byte `json:"bytes"`
		}
		v := inner{
			B: []byte{1}, N: 2, Raw: json.RawMessage(`{"x":[1]}`), Ints: map[int]int{5: 6}, Any: []byte{3},
			At: time.UnixMilli(1704164645678).UTC(), Bytes: map[string][]byte{"k": {4}}, Next: &inner{Raw: json.RawMessage(`1`)},
		}
		const want = `[{"b":{"$bin":"AQ=="},"n":2,"raw":{"x":[1]},"ints":{"5":6},"any":{"$bin":"Aw=="},"at":"2024-01-02T03:04:05.678Z","bytes":{"k":{"$bin":"BA=="}},` +
			`"next":{"b":null,"n":0,"raw":1,"ints":null,"next":null,"any":null,"at":"0001-01-01T00:00:00Z","bytes":null}},` +
			`[-9.223372036854775808e18,1.8446744073709552e19],0.1,["a"],{"a":null}]`
		c.a.emit(t, selection{Nsp: "/"}, "typed", v, []any{int64(-1 << 63), uint64(1<<64 - 1)}, float32(0.1), [1]string{"a"}, map[string]*int{"a": nil})
		c.checkTyped(t, c.a, want)
	})
}

// checkTyped checks the arguments of the event "typed", which every client in "/" has got once and nobody else has.
func (c *cluster) checkTyped(t *testing.T, sender instance, want string) {
	t.Helper()
	var args []any
	if err := json.Unmarshal([]byte(want), &args); err != nil {
		t.Fatal(err)
	}
	for client, events := range c.received(t, sender) {
		if strings.HasSuffix(client, "/custom") {
			same(t, client, len(events), 0)
			continue
		}
		same(t, client, events, []any{append([]any{"typed"}, args...)})
	}
}

// testVolatile sends volatile events until all clients have got one: each may be dropped, but not all of them.
func testVolatile(t *testing.T, c *cluster) {
	for _, sender := range c.senders() {
		t.Run("from "+sender.name(), func(t *testing.T) {
			c.received(t, sender)
			for _, to := range []selection{{Nsp: "/", Volatile: true}, {Nsp: "/", Volatile: true, Rooms: []any{"polling", "websocket"}}} {
				tag := fmt.Sprint("volatile ", len(to.Rooms))
				eventually(t, "a volatile event at every client", func() bool {
					sender.emit(t, to, tag, []byte{1})
					var all bool
					c.eval(t, &all, `await sleep(5); return args[0].every((name) => c.get(name).log.some(([event]) => event === args[1]))`, everyone, tag)
					return all
				})
			}
			for client, events := range c.received(t, sender) {
				for _, event := range events {
					if strings.HasSuffix(client, "/custom") || text(event[1:]) != `[{"$bin":"AQ=="}]` {
						t.Errorf("%s has got %s", client, text(event))
					}
				}
			}
		})
	}
}
