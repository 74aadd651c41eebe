package redisadapter

import (
	"encoding/json"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/adapter/wire"
)

// FuzzReceive throws anything at any of the channels. The adapter must not panic,
// and what it passes on and publishes must be well-formed.
func FuzzReceive(f *testing.F) {
	f.Add(uint8(0), []byte(pack(f, `["u",{"type":2,"data":["x",{"a":[1.5,null]}],"nsp":"/"},{"rooms":["room",7],"except":[],"flags":{"volatile":true,"compress":false}}]`)))
	f.Add(uint8(1), []byte(pack(f, `["u",{"type":2,"data":["x"],"nsp":"/"},{"rooms":["room"]}]`)))
	f.Add(uint8(2), []byte(pack(f, `{"uid":"u","requestId":"r","type":7,"packet":{"type":2,"data":["x"],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{"timeout":600}}}`)))
	for _, text := range []string{
		`{"uid":"u","requestId":"r","type":5,"opts":{"rooms":["room",7],"except":["none"]}}`, `{"requestId":"r","type":0,"rooms":[]}`, `{"type":1}`,
		`{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["a",1.5]}`, `{"type":3,"sid":"x","room":1}`, `{"type":4,"opts":{"rooms":["none"]},"close":1}`,
		`{"uid":"u","requestId":null,"type":6,"data":["x",{"y":1}]}`,
	} {
		f.Add(uint8(2), []byte(text))
	}
	for _, text := range []string{
		`{"type":8,"requestId":"mine","clientCount":3}`, `{"type":9,"requestId":"mine","packet":{"a":1}}`, `{"type":6,"requestId":"mine","data":"x"}`,
		`{"requestId":"mine","sockets":[{"id":"a","handshake":{},"rooms":["b",1],"data":{}}]}`,
	} {
		f.Add(uint8(3), []byte(text))
		f.Add(uint8(3), []byte(pack(f, text)))
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		b := newBare(t, "/", nil)
		p := b.Connect("room", "7")
		b.OnServerEvent(func(e adaptertest.ServerEvent) {
			if !json.Valid(e.Data) || e.Data[0] != '[' {
				t.Errorf("the event %q is malformed", e.Data)
			}
			if e.Respond != nil {
				e.Respond(adapter.Reply{Data: e.Data, Attachments: e.Attachments})
			}
		})
		p.AnswerWith(func(d *adaptertest.Delivery) {
			d.Answer(adapter.Reply{Data: d.Packet.Data, Attachments: d.Packet.Attachments})
		})
		b.c.pending.add("mine", func(r *response) { checkResponse(t, r) })
		channel := []string{b.c.broadcast, b.c.room("room"), b.c.request, b.c.answers("x")}[which%4]
		b.c.receive(channel, string(payload))
		for _, d := range p.Inbox() {
			if !json.Valid(d.Packet.Data) || d.Packet.Data[0] != '[' {
				t.Errorf("the event %q is malformed", d.Packet.Data)
			}
		}
		for _, m := range b.published() {
			if m.payload[0] == '{' && json.Valid(m.payload) {
				continue
			}
			if text, _, rest, err := wire.AppendJSON(nil, m.payload, nil); err != nil || len(rest) > 0 || text[0] != '{' {
				t.Errorf("published %q, which is malformed: %v", m.payload, err)
			}
		}
	})
}

// checkResponse decodes what an operation decodes.
func checkResponse(t *testing.T, r *response) {
	t.Helper()
	for _, v := range []value{r.packet, r.data} {
		if reply, err := v.reply(); err == nil && !json.Valid(reply.Data) {
			t.Errorf("the reply %q is malformed", reply.Data)
		}
	}
	if n, err := r.clientCount.int(); err == nil && n < 0 {
		t.Errorf("the count is %d", n)
	}
	sockets, err := readSockets(r.sockets)
	if err != nil {
		return
	}
	for _, s := range sockets {
		if !json.Valid(s.Handshake) || !json.Valid(s.Data) {
			t.Errorf("the socket %+v is malformed", s)
		}
	}
}
