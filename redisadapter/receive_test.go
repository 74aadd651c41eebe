package redisadapter

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/adapter/wire"
)

// pack is the MessagePack of a JSON text.
func pack(tb testing.TB, text string) string {
	tb.Helper()
	b, err := wire.AppendMsgpack(nil, []byte(text), nil)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return string(b)
}

// TestMalformed throws at the adapter what makes the reference implementation
// deaf or crash. It must ignore it, and say so.
func TestMalformed(t *testing.T) {
	const (
		broadcasts = "socket.io#/#"
		requests   = "socket.io-request#/#"
		responses  = "socket.io-response#/#"
	)
	tests := []struct {
		name, channel, payload string
		counts                 trouble // troubleKinds if it is not even counted
	}{
		{"nothing", broadcasts, "", troubleBroadcast},
		{"garbage", broadcasts, "\xc1\xff\x00", troubleBroadcast},
		{"text", broadcasts, "hello", troubleBroadcast},
		{"nil", broadcasts, "\xc0", troubleBroadcast},
		{"map", broadcasts, pack(t, `{"type":3,"data":{}}`), troubleBroadcast},
		{"JSON of another parser", broadcasts, `["emitter",{"type":2,"data":["hello",1],"nsp":"/"},{"rooms":[],"flags":{},"except":[]}]`, troubleBroadcast},
		{"two elements", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"}]`), troubleBroadcast},
		{"opts nil", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},null]`), troubleBroadcast},
		{"opts no map", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},[]]`), troubleBroadcast},
		{"rooms a number", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":5}]`), troubleBroadcast},
		{"rooms a string", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":"room"}]`), troubleBroadcast},
		{"a room that is none", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":[true]}]`), troubleBroadcast},
		{"except that is none", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"except":[null]}]`), troubleBroadcast},
		{"four billion rooms", broadcasts, "\x93\xa1u\x82\xa4type\x02\xa4data\x91\xa1x\x81\xa5rooms\xdd\xff\xff\xff\xff", troubleBroadcast},
		{"packet nil", broadcasts, pack(t, `["u",null,{"rooms":[]}]`), troubleBroadcast},
		{"no data", broadcasts, pack(t, `["u",{"type":2,"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"data no array", broadcasts, pack(t, `["u",{"type":2,"data":{},"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"data empty", broadcasts, pack(t, `["u",{"type":2,"data":[],"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"name no text", broadcasts, pack(t, `["u",{"type":2,"data":[{}],"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"another type", broadcasts, pack(t, `["u",{"type":1,"data":["x"],"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"no type", broadcasts, pack(t, `["u",{"data":["x"],"nsp":"/"},{"rooms":[]}]`), troubleBroadcast},
		{"flags no map", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"flags":1}]`), troubleBroadcast},
		{"trailing bytes", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":[]}]`) + "\xc0", troubleBroadcast},
		{"too deep", broadcasts, pack(t, `["u",{"type":2,"data":["x",`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`],"nsp":"/"},{"rooms":[]}]`)[:500], troubleBroadcast},
		{"nesting bomb", broadcasts, "\x93\xa1u\x82\xa4type\x02\xa4data\x92\xa1x" + strings.Repeat("\x91", 1<<20) + "\xc0\x80", troubleBroadcast},
		{"another namespace", broadcasts, pack(t, `["u",{"type":2,"data":["x"],"nsp":"/other"},{"rooms":[]}]`), troubleKinds},
		{"unknown room", broadcasts + "none#", "\xc1", troubleKinds},

		{"request: nothing", requests, "", troubleRequest},
		{"request: text", requests, "hello", troubleRequest},
		{"request: broken JSON", requests, `{"type":`, troubleRequest},
		{"request: nil", requests, "\xc0", troubleRequest},
		{"request: array", requests, pack(t, `[1]`), troubleRequest},
		{"request: unknown type", requests, `{"type":20}`, troubleKinds},
		{"request: type a text", requests, `{"type":"5"}`, troubleKinds},
		{"request: no type", requests, `{}`, troubleKinds},
		{"request: response type", requests, `{"type":8,"requestId":"r","clientCount":1}`, troubleKinds},
		{"request: fetch without opts", requests, `{"uid":"u","requestId":"r","type":5}`, troubleRequest},
		{"request: fetch with opts no map", requests, `{"uid":"u","requestId":"r","type":5,"opts":3}`, troubleRequest},
		{"request: broadcast without opts", requests, pack(t, `{"uid":"u","requestId":"r","type":7,"packet":{"type":2,"data":["x"]}}`), troubleRequest},
		{"request: broadcast without packet", requests, pack(t, `{"uid":"u","requestId":"r","type":7,"opts":{}}`), troubleRequest},
		{"request: broadcast without data", requests, pack(t, `{"uid":"u","requestId":"r","type":7,"opts":{},"packet":{"type":2}}`), troubleRequest},
		{"request: broadcast without id", requests, pack(t, `{"uid":"u","type":7,"opts":{},"packet":{"type":2,"data":["x"]}}`), troubleRequest},
		{"request: broadcast in another namespace", requests, pack(t, `{"uid":"u","requestId":"r","type":7,"opts":{},"packet":{"type":2,"data":["x"],"nsp":"/other"}}`), troubleKinds},
		{"request: join without rooms", requests, `{"type":2,"opts":{"rooms":[],"except":[]}}`, troubleRequest},
		{"request: leave with rooms null", requests, `{"type":3,"opts":{"rooms":[],"except":[]},"rooms":null}`, troubleRequest},
		{"request: join a room that is none", requests, `{"type":2,"opts":{"rooms":[],"except":[]},"rooms":[{}]}`, troubleRequest},
		{"request: disconnect rooms that are none", requests, `{"type":4,"opts":{"rooms":[false],"except":[]}}`, troubleRequest},
		{"request: disconnect with rooms a text", requests, `{"type":4,"opts":{"rooms":"room"}}`, troubleRequest},
		{"request: disconnect nobody", requests, `{"type":4}`, troubleKinds},
		{"request: join nobody", requests, `{"type":2,"sid":"nobody","room":"r"}`, troubleKinds},
		{"request: event without data", requests, `{"uid":"u","type":6}`, troubleRequest},
		{"request: event with data no array", requests, `{"uid":"u","type":6,"data":{"a":1}}`, troubleRequest},
		{"request: event without a name", requests, `{"uid":"u","type":6,"data":[]}`, troubleRequest},
		{"request: sockets in rooms that are none", requests, `{"requestId":"r","type":0,"rooms":3}`, troubleRequest},

		{"response: nothing", responses, "", troubleResponse},
		{"response: nil", responses, "\xc0", troubleResponse},
		{"response: text", responses, "hello", troubleResponse},
		{"response: broken JSON", responses, `{"requestId":`, troubleResponse},
		{"response: id no text", responses, pack(t, `{"requestId":5}`), troubleResponse},
		{"response: no id", responses, `{}`, troubleKinds},
		{"response: unknown id", responses, `{"requestId":"unknown"}`, troubleKinds},
	}
	b := newBare(t, "/", nil)
	p := b.Connect("room")
	b.OnServerEvent(func(e adaptertest.ServerEvent) { t.Errorf("an event has come: %s", e.Data) })
	b.c.pending.add("mine", func(r *response) { t.Errorf("a response has come: %+v", r) })
	var total uint64
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before uint64
			if tt.counts != troubleKinds {
				before = b.count(tt.counts)
				total++
			}
			b.c.receive(tt.channel, tt.payload)
			if tt.counts != troubleKinds && b.count(tt.counts) != before+1 {
				t.Error("it was not counted")
			}
			if d := p.Inbox(); len(d) > 0 {
				t.Errorf("the socket got %s", d[0].Packet.Data)
			}
			if m := b.published(); len(m) > 0 {
				t.Errorf("it was answered with %q", m[0].payload)
			}
		})
	}
	var counted uint64
	for kind := range troubleKinds {
		counted += b.count(kind)
	}
	if counted != total {
		t.Errorf("counted %d cases of trouble, want %d", counted, total)
	}
	if rooms := b.Adapter().Rooms(p); len(rooms) != 2 {
		t.Errorf("the socket is in %q", rooms)
	}
}

// TestTolerated sends what is unusual but understood by the reference
// implementation.
func TestTolerated(t *testing.T) {
	tests := []struct{ name, channel, message, want string }{
		{"no nsp", "", `["u",{"type":2,"data":["x"]},{"rooms":[],"except":[],"flags":{}}]`, `["x"]`},
		{"opts empty", "", `["u",{"type":2,"data":["x"],"nsp":"/"},{}]`, `["x"]`},
		{"opts full of nil", "", `["u",{"type":2,"data":["x"],"nsp":"/","id":null},{"rooms":null,"except":null,"flags":null}]`, `["x"]`},
		{"more members", "", `["u",{"a":{},"type":2,"b":[],"data":["x"],"nsp":"/"},{"c":1,"rooms":["room"],"flags":{"local":false,"broadcast":true,"timeout":1.5,"volatile":1}}]`, `["x"]`},
		{"more elements", "", `["u",{"type":2,"data":["x"],"nsp":"/"},{},"more",{}]`, `["x"]`},
		{"uid no text", "", `[7,{"type":2,"data":["x"],"nsp":"/"},{}]`, `["x"]`},
		{"type of a binary event", "", `["u",{"type":5,"data":["x"],"nsp":"/"},{}]`, `["x"]`},
		{"name a number", "", `["u",{"type":2,"data":[-7],"nsp":"/"},{}]`, `[-7]`},
		{"rooms of numbers", "", `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":[1,42,1.5]}]`, `["x"]`},
		{"last character of the channel", "room!", `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":["room"]}]`, `["x"]`},
	}
	b := newBare(t, "/", nil)
	p := b.Connect("room", "42")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.c.receive("socket.io#/#"+tt.channel, pack(t, tt.message))
			d := p.Inbox()
			if len(d) != 1 || string(d[0].Packet.Data) != tt.want {
				t.Errorf("got %d packets", len(d))
			}
		})
	}
	for kind := range troubleKinds {
		if n := b.count(kind); n > 0 {
			t.Errorf("%d times: %s", n, kind)
		}
	}
}

func TestOwnMessagesAreIgnored(t *testing.T) {
	b := newBare(t, "/", nil)
	p := b.Connect("room")
	if err := b.c.Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{}); err != nil {
		t.Fatal(err)
	}
	p.Next(t)
	all := adapter.Target{Flags: adapter.Flags{Timeout: 1}}
	ask, err := encodeAckRequest(b.c.uid, "r", event("/", `["x"]`), all)
	if err != nil {
		t.Fatal(err)
	}
	own := append(b.published(), message{channel: b.c.request, payload: ask})
	for _, r := range []request{
		{Type: typeJoin, Opts: optsOf(all), Rooms: []string{"a"}},
		{Type: typeDisconnect, Opts: optsOf(all)},
		{Type: typeFetch, RequestID: "r", Opts: optsOf(all)},
		{Type: typeServerEmit, Data: json.RawMessage(`["x"]`)},
	} {
		payload, err := r.encode(b.c.uid)
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, message{channel: b.c.request, payload: payload})
	}
	b.OnServerEvent(func(adaptertest.ServerEvent) { t.Error("the event came back") })
	for _, m := range own {
		b.c.receive(m.channel, string(m.payload))
	}
	if len(own) != 6 || len(p.Inbox()) > 0 || len(b.published()) > 0 || len(b.c.Rooms(p)) != 2 {
		t.Error("one of the own messages was not ignored")
	}
}

// TestLegacyRequests replays what was once asked and compares the answers with
// those of the reference implementation.
func TestLegacyRequests(t *testing.T) {
	b := newBare(t, "/", nil)
	p := b.Connect()
	all := captures(t, "-request", "classic-legacy-requests")
	answers := captures(t, "-response", "classic-legacy-requests")
	for i, c := range all {
		text := strings.ReplaceAll(string(c.Bytes), "L_TVNWUdkYiagTrkAAAA", p.ID())
		want := strings.ReplaceAll(string(answers[i].Bytes), "L_TVNWUdkYiagTrkAAAA", p.ID())
		b.c.receive(c.Channel, text)
		// The disconnection is an answer to the broadcast before, too.
		got := slices.DeleteFunc(b.published(), func(m message) bool { return bytes.HasPrefix(m.payload, []byte(`{"type":9,`)) })
		if len(got) != 1 || got[0].channel != answers[i].Channel {
			t.Fatalf("%s: %d answers, the first to %q", c.Operation, len(got), got[0].channel)
		}
		if c.Operation == answers[i].Operation && strings.Contains(c.Operation, "FETCH") {
			if !bytes.Contains(got[0].payload, []byte(`{"requestId":"r6","sockets":[{"id":"`+p.ID()+`","handshake":{`)) {
				t.Errorf("%s: got %s", c.Operation, got[0].payload)
			}
			continue
		}
		// A Go node says who it is besides.
		if text := strings.Replace(string(got[0].payload), `,"uid":"`+b.c.uid+`"`, "", 1); text != want {
			t.Errorf("%s: got  %s\nwant %s", c.Operation, text, want)
		}
		switch c.Operation {
		case "legacy REMOTE_JOIN sid/room":
			if !slices.Contains(b.c.Rooms(p), "lj") {
				t.Error("the socket has not joined")
			}
		case "legacy REMOTE_LEAVE sid/room":
			if slices.Contains(b.c.Rooms(p), "lj") {
				t.Error("the socket has not left")
			}
		}
	}
	<-p.Gone()
	if !p.ClosedTransport() {
		t.Error("the connection was not closed")
	}
}

func TestWhereAnswersGo(t *testing.T) {
	b := newBare(t, "/", &Options{PublishOnSpecificResponseChannel: true})
	b.Connect()
	b.OnServerEvent(func(e adaptertest.ServerEvent) { e.Respond(adapter.Reply{Data: []byte(`[1]`)}) })
	for ask, want := range map[string]string{
		`{"uid":"asker","requestId":"r","type":5,"opts":{}}`:      "socket.io-response#/#asker#",
		`{"requestId":"r","type":5,"opts":{}}`:                    "socket.io-response#/#",
		`{"uid":7,"requestId":"r","type":1}`:                      "socket.io-response#/#",
		`{"uid":"asker","requestId":"r","type":6,"data":["ask"]}`: "socket.io-response#/#",
	} {
		b.c.receive("socket.io-request#/#", ask)
		if m := b.published(); len(m) != 1 || m[0].channel != want {
			t.Errorf("%s was answered to %v, want %s", ask, m, want)
		}
	}
}

// TestAnswersWithBinaryGoToTheAsker tells that nobody else gets MessagePack, whatever the options say,
// as old adapters would end their process.
func TestAnswersWithBinaryGoToTheAsker(t *testing.T) {
	b := newBare(t, "/", nil)
	answers := map[bool]adapter.Reply{
		true:  {Data: []byte(`[{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1}}},
		false: {Data: []byte(`[{"n":1.5}]`)},
	}
	for binary, answer := range answers {
		b.OnServerEvent(func(e adaptertest.ServerEvent) { e.Respond(answer) })
		p := b.Connect("room")
		p.AnswerWith(func(d *adaptertest.Delivery) { d.Answer(answer) })
		want := b.c.response
		if binary {
			want = b.c.answers("asker")
		}
		b.c.receive(b.c.request, `{"uid":"asker","requestId":"r","type":6,"data":["ask"]}`)
		b.c.receive(b.c.request, `{"uid":"asker","requestId":"r","type":7,"packet":{"type":2,"data":["ask"]},"opts":{"rooms":["room"]}}`)
		acks := 0
		for _, m := range b.published() {
			if bytes.Contains(m.payload, []byte("clientCount")) {
				continue
			}
			if acks++; m.channel != want || (m.payload[0] == '{') == binary {
				t.Errorf("binary %t: %q was sent to %s, want %s", binary, m.payload, m.channel, want)
			}
		}
		if acks != 2 {
			t.Errorf("binary %t: %d answers, want 2", binary, acks)
		}
		p.Disconnect()
	}
}

// TestEventAnswers tells who is answered, and with what: that there is an id,
// even null, is what counts.
func TestEventAnswers(t *testing.T) {
	b := newBare(t, "/", nil)
	b.OnServerEvent(func(e adaptertest.ServerEvent) {
		if e.Respond != nil {
			e.Respond(adapter.Reply{Data: []byte(`["é<"]`)})
		}
	})
	for ask, want := range map[string]string{
		`{"uid":"u","type":6,"data":["x"]}`:                     "",
		`{"uid":"u","requestId":"r","type":6,"data":["x"]}`:     `{"type":6,"requestId":"r","data":"é<"}`,
		`{"uid":"u","requestId":null,"type":6,"data":["x"]}`:    `{"type":6,"requestId":null,"data":"é<"}`,
		`{"uid":"u","requestId":[1.50],"type":6,"data":["x",]}`: "",
	} {
		b.c.receive("socket.io-request#/#", ask)
		got := ""
		for _, m := range b.published() {
			got += strings.Replace(string(m.payload), `,"uid":"`+b.c.uid+`"`, "", 1)
		}
		if got != want {
			t.Errorf("%s was answered with %s, want %s", ask, got, want)
		}
	}
}

// TestAcksOfSockets follows a broadcast of another node through its answers.
func TestAcksOfSockets(t *testing.T) {
	b := newBare(t, "/", nil)
	first, second, third := b.Connect("room"), b.Connect("room"), b.Connect("room")
	b.Connect()
	b.c.receive(b.c.request, `{"uid":"u", "requestId":"r", "type":7, "packet":{"type":2, "data":[ "ask" ], "nsp":"/"}, "opts":{"rooms":["room"],"except":[],"flags":{"timeout":60000}}}`)
	checkPublished(t, b, `{"type":8,"requestId":"r","clientCount":3}`)
	first.Next(t).Answer(adapter.Reply{Data: []byte(`[null,1]`)})
	checkPublished(t, b, `{"type":9,"requestId":"r","packet":null}`)
	second.Next(t).Answer(adapter.Reply{Data: []byte(`[]`)})
	checkPublished(t, b, `{"type":9,"requestId":"r"}`)
	third.Disconnect()
	checkPublished(t, b, `{"type":9,"requestId":"r","disconnected":true}`)
	eventually(t, "the broadcast to be over", func() bool {
		b.c.serving.mu.Lock()
		defer b.c.serving.mu.Unlock()
		return len(b.c.serving.asked) == 0
	})
	b.c.receive(b.c.request, pack(t, `{"uid":"u","requestId":"r","type":7,"packet":{"type":2,"data":["ask"],"nsp":"/"},"opts":{"rooms":["none"],"except":[],"flags":{"timeout":60000}}}`))
	checkPublished(t, b, `{"type":8,"requestId":"r","clientCount":0}`)
	if len(b.c.serving.asked) > 0 {
		t.Error("a broadcast to nobody is not over")
	}
}

func checkPublished(t *testing.T, b *bare, want string) {
	t.Helper()
	m := b.published()
	if len(m) != 1 {
		t.Fatalf("%d messages were published, want %s", len(m), want)
	}
	text := m[0].payload
	if msgp.NextType(text) == msgp.MapType {
		var err error
		if text, _, _, err = wire.AppendJSON(nil, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	text = bytes.Replace(text, []byte(`,"uid":"`+b.c.uid+`"`), nil, 1) // a Go node says who it is
	if string(text) != want || m[0].channel != b.c.response {
		t.Errorf("published %s, want %s", text, want)
	}
}
