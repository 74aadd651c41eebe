package peers_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// testFetch finds sockets of all servers from each server.
func testFetch(t *testing.T, c *cluster, nsp string) {
	for _, by := range c.instances() {
		t.Run("by "+by.name(), func(t *testing.T) {
			for _, row := range selections() {
				if row.from || row.to.Compress != nil || row.senders != "" && !slices.Contains(strings.Fields(row.senders), by.name()) {
					continue
				}
				t.Run(row.name, func(t *testing.T) {
					same(t, "the clients", c.names(t, by, c.target(t, row, by, nsp)), slices.AppendSeq([]string{}, slices.Values(slices.Sorted(slices.Values(c.recipients(row, by))))))
				})
			}
		})
	}
	t.Run("descriptions", func(t *testing.T) { c.checkDescriptions(t, nsp) })
}

// names returns the names of the clients that a server finds.
func (c *cluster) names(t *testing.T, by instance, to selection) []string {
	t.Helper()
	names := []string{}
	for _, s := range by.fetch(t, to) {
		auth, _ := s.Handshake["auth"].(map[string]any)
		names = append(names, fmt.Sprint(auth["name"]))
	}
	slices.Sort(names)
	return names
}

// checkDescriptions compares what each server knows of every socket: with what is true, with what the others know, and a handshake at
// one of our servers with that of the same kind of client at the reference server.
func (c *cluster) checkDescriptions(t *testing.T, nsp string) {
	byNode := c.described(t, c.reference, nsp)
	for _, by := range []instance{c.a, c.b} {
		same(t, by.name()+" does not see what node sees:", c.described(t, by, nsp), byNode)
	}
	for _, client := range everyone {
		s, ok := byNode[client].(map[string]any)
		if !ok {
			t.Errorf("%s is missing", client)
			continue
		}
		same(t, "the id of "+client, s["id"], c.id(t, client, nsp))
		same(t, "the data of "+client, s["data"], map[string]any{"name": client, "deep": map[string]any{"list": []any{1, nil, "é"}}})
		want := []any{s["id"]}
		for _, room := range rooms[client] {
			want = append(want, fmt.Sprint(room))
		}
		got, _ := s["rooms"].([]any)
		sameSet(t, "the rooms of "+client, got, want)
		model, _ := byNode["n"+client[1:]].(map[string]any)
		c.checkHandshake(t, client, s["handshake"], model["handshake"])
	}
	var truth map[string]any
	c.eval(t, &truth, `return Object.fromEntries([...c.server.io.of(args[0]).sockets.values()].map((s) => [s.data.name, s.handshake]))`, nsp)
	for client, handshake := range truth {
		s, _ := byNode[client].(map[string]any)
		same(t, "the handshake of "+client, s["handshake"], handshake)
	}
}

// described returns what a server knows of the clients, by name.
func (c *cluster) described(t *testing.T, by instance, nsp string) map[string]any {
	t.Helper()
	all := make(map[string]any)
	for _, s := range by.fetch(t, selection{Nsp: nsp}) {
		auth, _ := s.Handshake["auth"].(map[string]any)
		slices.Sort(s.Rooms)
		all[fmt.Sprint(auth["name"])] = plain(t, map[string]any{
			"id": s.ID, "handshake": s.Handshake, "rooms": s.Rooms, "data": s.Data,
		})
	}
	return all
}

// checkHandshake compares a handshake with one of the reference server's for the same kind of client.
func (c *cluster) checkHandshake(t *testing.T, client string, got, model any) {
	t.Helper()
	g, w := general(t, got), general(t, model)
	same(t, "the handshake of "+client, g, w)
	handshake, _ := got.(map[string]any)
	if auth, _ := handshake["auth"].(map[string]any); auth["name"] != client {
		t.Errorf("%s has the auth %v", client, auth)
	}
	headers, _ := handshake["headers"].(map[string]any)
	if host := strings.TrimPrefix(c.url(client), "http://"); headers["host"] != host || headers["x-name"] != client {
		t.Errorf("%s has the headers %v", client, headers)
	}
	var valid bool
	c.eval(t, &valid, `const { time, issued, url, query } = args[0];
		const q = Object.fromEntries(new URL(url, "http://host").searchParams);
		return Math.abs(Date.parse(time) - issued) <= 1000 && new Date(Date.parse(time)).toString() === time && Math.abs(Date.now() - issued) < 600_000 &&
			Object.keys(q).length === Object.keys(query).length && Object.keys(q).every((name) => q[name] === query[name])`, got)
	if issuedHere := client[0] != 'n'; issuedHere && !valid {
		t.Errorf("the time, the URL or the query of %s is wrong: %s", client, text(got))
	}
}

// general takes out of a handshake what is different for each client.
func general(t *testing.T, handshake any) map[string]any {
	t.Helper()
	h, ok := plain(t, handshake).(map[string]any)
	if !ok {
		t.Fatalf("no handshake: %v", handshake)
	}
	for _, number := range []string{"issued"} {
		if _, ok := h[number].(float64); !ok {
			t.Errorf("%s is %v", number, h[number])
		}
		delete(h, number)
	}
	for _, key := range []string{"time", "url"} {
		if s, ok := h[key].(string); !ok || s == "" {
			t.Errorf("%s is %v", key, h[key])
		}
		delete(h, key)
	}
	for key, drop := range map[string][]string{"headers": {"host", "sec-websocket-key", "x-name"}, "query": {"t", "name"}} {
		inner, ok := h[key].(map[string]any)
		if !ok {
			t.Errorf("%s is %v", key, h[key])
		}
		inner = maps.Clone(inner)
		for _, name := range drop {
			if v, ok := inner[name]; ok {
				inner[name] = fmt.Sprintf("a %T", v)
			}
		}
		h[key] = inner
	}
	if auth, ok := h["auth"].(map[string]any); ok {
		auth["name"] = "a name"
	}
	return h
}

// testMembership makes sockets of all servers join and leave rooms, from each server and from the emitter.
func testMembership(t *testing.T, c *cluster, nsp string) {
	for _, by := range c.senders() {
		t.Run("by "+by.name(), func(t *testing.T) {
			room, second := "new by "+by.name(), "second by "+by.name()
			// inRoom waits until the room has the members, whoever looks.
			inRoom := func(room any, want ...string) {
				t.Helper()
				for _, looks := range c.instances() {
					var got []string
					eventually(t, fmt.Sprint(want, " in ", room, " as seen by ", looks.name()), func() bool {
						got = c.names(t, looks, selection{Nsp: nsp, Rooms: []any{room}})
						return slices.Equal(got, want)
					})
				}
			}
			by.joinAll(t, selection{Nsp: nsp}, room, second)
			inRoom(room, "a.p", "a.w", "b.p", "b.w", "n.p", "n.w")
			inRoom(second, "a.p", "a.w", "b.p", "b.w", "n.p", "n.w")
			for _, other := range []string{"/", "/custom"} {
				if members := c.names(t, c.a, selection{Nsp: other, Rooms: []any{room}}); other != nsp && len(members) > 0 {
					t.Errorf("%s have joined in %s", members, other)
				}
			}
			by.leaveAll(t, selection{Nsp: nsp, Rooms: []any{"polling"}}, room)
			inRoom(room, "a.w", "b.w", "n.w")
			by.leaveAll(t, selection{Nsp: nsp, Rooms: []any{room}, Except: []any{"mixed"}}, second, room)
			inRoom(room, "a.w")
			inRoom(second, "a.p", "a.w", "b.p", "n.p")
			by.joinAll(t, selection{Nsp: nsp, Rooms: []any{c.id(t, "n.p", nsp), c.id(t, "b.p", nsp)}}, room)
			inRoom(room, "a.w", "b.p", "n.p")
			by.leaveAll(t, selection{Nsp: nsp, Rooms: []any{room, second}}, room, second)
			inRoom(room)
			inRoom(second)

			// A number stands for the reference server's number and our text.
			by.joinAll(t, selection{Nsp: nsp, Rooms: []any{7}}, "seven")
			inRoom("seven", "a.p", "n.w")
			by.leaveAll(t, selection{Nsp: nsp}, "seven")
			inRoom("seven")
		})
	}
}

// testDisconnect disconnects sockets of all servers, from each server and from the emitter.
func testDisconnect(t *testing.T, c *cluster) {
	for _, by := range c.senders() {
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprintf("by %s, closing is %v", by.name(), closes), func(t *testing.T) {
				room := fmt.Sprint("doomed ", by.name(), closes)
				var doomed []string
				for _, client := range everyone {
					doomed = append(doomed, client+" is "+room)
				}
				c.extra(t, room, doomed...)
				by.emit(t, selection{Nsp: "/custom", Rooms: []any{room}}, "last words")
				by.disconnect(t, selection{Nsp: "/custom", Rooms: []any{room}}, closes)
				c.eval(t, nil, `await until(() => args[0].every((name) => c.get(name, "/custom").ended !== null)).catch(() => {
					throw new Error("still there: " + args[0].filter((name) => c.get(name, "/custom").ended === null)) })`, doomed)
				var ends, custom []any
				c.eval(t, &custom, `return args[0].map((name) => [c.get(name, "/custom").ended, c.get(name, "/custom").log.map(([event]) => event)])`, doomed)
				for i, end := range custom {
					same(t, doomed[i], end, []any{"io server disconnect", []any{"last words"}})
				}
				if closes {
					c.eval(t, nil, `await until(() => args[0].every((name) => c.get(name).ended !== null && !c.get(name).socket.io.engine?.readyState?.startsWith("open")))`, doomed)
				} else {
					c.eval(t, nil, `for (const name of args[0]) await c.get(name).socket.emitWithAck("echo", 1)`, doomed)
				}
				c.eval(t, &ends, `return args[0].map((name) => c.get(name).ended)`, doomed)
				for i, end := range ends {
					want := any(nil)
					if closes {
						want = "io server disconnect"
					}
					same(t, "main namespace of "+doomed[i], end, want)
				}
				for _, looks := range c.instances() {
					eventually(t, "no socket left at "+looks.name(), func() bool { return len(looks.fetch(t, selection{Nsp: "/custom", Rooms: []any{room}})) == 0 })
				}
			})
		}
	}
}

// testRemoteSockets does what can be done with a socket that a server has fetched.
func testRemoteSockets(t *testing.T, c *cluster, nsp string) {
	for _, by := range c.instances() {
		for _, of := range []string{"n.p", "a.w", "b.p"} {
			t.Run(by.name()+" and "+of, func(t *testing.T) {
				c.received(t, by)
				id := c.id(t, of, nsp)
				s := by.remote(t, nsp, id)
				s.emit(t, "to you", 1, []byte{2}, nil)
				s.emit(t, "without")
				same(t, "the answer", s.ask(t, "ask", "x", []any{1}), map[string]any{"from": of, "got": []any{"x", []any{1}}})
				same(t, "the binary answer", s.ask(t, "ask binary", []byte{9}), map[string]any{"from": of, "bytes": []any{[]byte(of), []byte{9}}})
				room := "remote by " + by.name() + " of " + of
				s.join(t, room, room+" 2")
				for _, looks := range c.instances() {
					eventually(t, "the room", func() bool {
						return slices.Equal(c.names(t, looks, selection{Nsp: nsp, Rooms: []any{room + " 2"}}), []string{of})
					})
				}
				s.leave(t, room+" 2")
				s.leave(t, room)
				for _, looks := range c.instances() {
					eventually(t, "the end of the room", func() bool { return len(looks.fetch(t, selection{Nsp: nsp, Rooms: []any{room, room + " 2"}})) == 0 })
				}
				for client, events := range c.received(t, by) {
					want := []any{}
					if client == in(of, nsp) {
						want = []any{[]any{"to you", 1, []byte{2}, nil}, []any{"without"}, []any{"ask", "x", []any{1}}, []any{"ask binary", []byte{9}}}
					}
					same(t, "the events of "+client, events, want)
				}
			})
		}
	}
	t.Run("disconnect", func(t *testing.T) { c.checkRemoteDisconnect(t, nsp) })
}

func (c *cluster) checkRemoteDisconnect(t *testing.T, nsp string) {
	for _, by := range c.instances() {
		for i, of := range []string{"n.w", "a.p", "b.w"} {
			doomed := fmt.Sprintf("%s by %s", of, url.PathEscape(by.name()))
			c.extra(t, "none", doomed)
			by.remote(t, nsp, c.id(t, doomed, nsp)).disconnect(t, i == 1)
			c.eval(t, nil, `await until(() => c.get(...args).ended === "io server disconnect")`, doomed, nsp)
			for _, looks := range c.instances() {
				eventually(t, "the end at "+looks.name(), func() bool { return !slices.Contains(c.names(t, looks, selection{Nsp: nsp}), doomed) })
			}
		}
	}
}
