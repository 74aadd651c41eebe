package redisadapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
)

// The answer to an event of the server is sent with its binary values. One that is no
// list is reported, and the other node gets an answer without a value.
func TestAnswersToServerEvents(t *testing.T) {
	b := newBare(t, "/", nil)
	var reply adapter.Reply
	b.OnServerEvent(func(e adaptertest.ServerEvent) { e.Respond(reply) })
	ask := func(r adapter.Reply) []byte {
		reply = r
		b.c.receive(b.c.request, `{"uid":"u","requestId":"r","type":6,"data":["ask"]}`)
		sent := b.published()
		if len(sent) != 1 {
			t.Fatalf("%d answers", len(sent))
		}
		return sent[0].payload
	}
	blob := adapter.Reply{Data: []byte(`[{"_placeholder":true,"num":0}]`), Attachments: [][]byte{[]byte("binary")}}
	if sent := ask(blob); !bytes.Contains(sent, []byte("\xc4\x06binary")) || b.count(troubleAnswer) != 0 {
		t.Errorf("sent %q, %d reported", sent, b.count(troubleAnswer))
	}
	blob.Data = []byte("none")
	if sent := ask(blob); sent[0] != '{' || bytes.Contains(sent, []byte("data")) || b.count(troubleAnswer) != 1 {
		t.Errorf("sent %q, %d reported", sent, b.count(troubleAnswer))
	}
}

// A socket without rooms has a list without any, which is what a Node.js server reads.
func TestDescriptionHasAListOfRooms(t *testing.T) {
	for want, rooms := range map[string][]string{`"rooms":[]`: nil, `"rooms":["a"]`: {"a"}} {
		if got := appendSocket(nil, adapter.RemoteSocket{ID: "s", Rooms: rooms}); !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s: %s", want, got)
		}
	}
}

// What is not an event is not sent to other nodes as one.
func TestEncodesOnlyEvents(t *testing.T) {
	if _, err := (request{Type: typeServerEmit, Data: json.RawMessage(`[]`)}).encode("u"); !errors.Is(err, errNotEvent) {
		t.Errorf("a list without a name: %v", err)
	}
	if _, err := (request{Type: typeServerEmit, Data: json.RawMessage(`[1]`)}).encode("u"); err != nil {
		t.Error(err)
	}
	if _, err := (request{Type: typeJoin}).encode("u"); err != nil {
		t.Errorf("a request that is no event: %v", err)
	}
}

// As many as have answered are counted one by one.
func TestCountsEachThatHasAnswered(t *testing.T) {
	b := newBare(t, "/", nil)
	s := attendance{c: b.c}
	for _, uid := range []string{"a", "", "b", "c"} {
		s.hear(uid)
	}
	want := []string{b.c.request, b.c.answers(b.c.uid), b.c.answers("a"), b.c.answers("b"), b.c.answers("c")}
	if got := s.channels(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
