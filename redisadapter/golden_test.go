package redisadapter

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// capture is a message that the npm packages have published.
type capture struct {
	Operation string          `json:"operation"`
	Channel   string          `json:"channel"`
	Bytes     []byte          `json:"bytes"`
	Decoded   json.RawMessage `json:"decoded"`
}

// captures returns what the npm packages have published on channels of that
// kind: "", "-request" or "-response".
func captures(t *testing.T, kind string, files ...string) []capture {
	t.Helper()
	var found []capture
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join("testdata", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var all []capture
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			name, _, _ := strings.Cut(c.Channel, "#")
			if strings.TrimPrefix(strings.TrimPrefix(name, "socket.io"), "my-prefix") == kind && c.Operation != "emit-custom-parser-json" {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no captures of kind %q", kind)
	}
	return found
}

// nodeFiles are the captures of nodes, as against those of emitters.
var nodeFiles = []string{"classic", "classic-specific-response", "classic-custom-key"}

// plain turns what stands for special values in a capture into what they are in
// JSON, and binary into placeholders.
func plain(v any, attachments *int) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plain(v[i], attachments)
		}
	case map[string]any:
		if date, ok := v["$date"]; ok {
			return date
		}
		if _, ok := v["$number"]; ok {
			return nil
		}
		if _, ok := v["$bin"]; ok {
			*attachments++
			return map[string]any{"_placeholder": true, "num": float64(*attachments - 1)}
		}
		for k := range v {
			v[k] = plain(v[k], attachments)
		}
	}
	return v
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// at returns the member of nested objects.
func at(v any, path ...string) any {
	for _, key := range path {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

// texts returns a list of rooms as texts.
func texts(t *testing.T, v any) (rooms []string) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var s selector
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// milli is how long the flag "timeout" says.
func milli(v any) time.Duration {
	ms, _ := v.(float64)
	return time.Duration(ms) * time.Millisecond
}

func TestGoldenBroadcasts(t *testing.T) {
	for _, c := range captures(t, "", append(nodeFiles, "emitter")...) {
		t.Run(c.Operation, func(t *testing.T) {
			want, _ := decoded(t, c.Decoded).([]any)
			m, err := readBroadcast(c.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			p, err := m.packet(string(m.namespace))
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			if wantData := plain(at(want[1], "data"), &count); !reflect.DeepEqual(decoded(t, p.Data), wantData) || len(p.Attachments) != count {
				t.Errorf("data = %s with %d attachments, want %v", p.Data, len(p.Attachments), wantData)
			}
			if string(m.uid) != want[0] || string(m.namespace) != at(want[1], "nsp") {
				t.Errorf("uid = %q, namespace = %q", m.uid, m.namespace)
			}
			if rooms := texts(t, at(want[2], "rooms")); !slices.Equal(m.target.Rooms, rooms) {
				t.Errorf("rooms = %q, want %q", m.target.Rooms, rooms)
			}
			if except := texts(t, at(want[2], "except")); !slices.Equal(m.target.Except, except) {
				t.Errorf("except = %q, want %q", m.target.Except, except)
			}
			flags := adapter.Flags{Volatile: at(want[2], "flags", "volatile") == true, NoCompress: at(want[2], "flags", "compress") == false}
			if m.target.Flags != flags {
				t.Errorf("flags = %+v, want %+v", m.target.Flags, flags)
			}
			switch c.Operation {
			case "broadcast-types-json", "broadcast-types-with-binary": // dates and NaN are no JSON
			case "broadcast-numeric-room": // Tandem names the room in both forms
			default:
				if string(m.uid) == "emitter" { // it orders the members in another way
					return
				}
				m.target.Flags.Timeout = milli(at(want[2], "flags", "timeout"))
				m.target.Flags.Single = at(want[2], "flags", "expectSingleResponse") == true
				again, err := appendBroadcast(nil, string(m.uid), p, m.target)
				if err != nil || !bytes.Equal(again, c.Bytes) {
					t.Errorf("encoded again: %x, %v\nwant           %x", again, err, c.Bytes)
				}
			}
		})
	}
}

func TestGoldenChannels(t *testing.T) {
	for _, c := range captures(t, "", nodeFiles...) {
		key, rest, _ := strings.Cut(c.Channel, "#")
		namespace, _, _ := strings.Cut(rest, "#")
		names := channelsOf(key, namespace)
		want, _ := decoded(t, c.Decoded).([]any)
		rooms := texts(t, at(want[2], "rooms"))
		channel, wantRoom := names.broadcast, ""
		if len(rooms) == 1 {
			channel, wantRoom = names.room(rooms[0]), rooms[0]
		}
		if channel != c.Channel {
			t.Errorf("%s: channel = %q, want %q", c.Operation, channel, c.Channel)
		}
		if room, ok := names.roomOf(c.Channel); !ok || room != wantRoom {
			t.Errorf("%s: room = %q, %v, want %q", c.Operation, room, ok, wantRoom)
		}
	}
}

func TestGoldenRequests(t *testing.T) {
	for _, c := range captures(t, "-request", append(nodeFiles, "emitter", "classic-legacy-requests")...) {
		t.Run(c.Operation, func(t *testing.T) {
			want := decoded(t, c.Decoded)
			r, err := readRequest(string(c.Bytes))
			if err != nil {
				t.Fatal(err)
			}
			uid, _ := at(want, "uid").(string)
			id, _ := at(want, "requestId").(string)
			if float64(r.kind()) != at(want, "type") || r.uid() != uid || stringOf(r.RequestID) != id {
				t.Errorf("type = %d, uid = %q, id = %s", r.kind(), r.uid(), r.RequestID)
			}
			var target adapter.Target
			if at(want, "opts") != nil {
				if target, err = r.target(); err != nil {
					t.Fatal(err)
				}
				if rooms := texts(t, at(want, "opts", "rooms")); !slices.Equal(target.Rooms, rooms) {
					t.Errorf("rooms = %q, want %q", target.Rooms, rooms)
				}
				if except := texts(t, at(want, "opts", "except")); !slices.Equal(target.Except, except) {
					t.Errorf("except = %q, want %q", target.Except, except)
				}
				if timeout := milli(at(want, "opts", "flags", "timeout")); target.Flags.Timeout != timeout {
					t.Errorf("timeout = %v, want %v", target.Flags.Timeout, timeout)
				}
			}
			if uid == "" || uid == "emitter" || uid == "zzz" || r.kind() == typeAllRooms {
				return // not something that a node sends
			}
			again, err := requestAgain(r, uid, id, target, want)
			checkAgain(t, c, again, err)
		})
	}
}

// checkAgain compares a message that has been decoded and encoded again with what it
// was. Where Node.js sends MessagePack although there is no binary in it, Tandem sends the
// same as JSON.
func checkAgain(t *testing.T, c capture, again []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(c.Decoded, []byte(`"$bin"`)) == (again[0] == '{') {
		t.Errorf("encoded again: %q, binary needs MessagePack, and nothing else does", again)
	}
	if again[0] == '{' && c.Bytes[0] != '{' {
		again = []byte(pack(t, string(again)))
	}
	if !bytes.Equal(again, c.Bytes) {
		t.Errorf("encoded again: %q\nwant           %q", again, c.Bytes)
	}
}

// requestAgain encodes a request that has been decoded.
func requestAgain(r *remoteRequest, uid, id string, target adapter.Target, want any) ([]byte, error) {
	if r.kind() == typeBroadcast {
		namespace, _ := at(want, "packet", "nsp").(string)
		p, err := r.packet(namespace)
		if err != nil {
			return nil, err
		}
		target.Flags.Single = at(want, "opts", "flags", "expectSingleResponse") == true
		return encodeAckRequest(uid, id, p, target)
	}
	out := request{RequestID: id, Type: r.kind(), Data: r.Data}
	if r.Opts != nil {
		out.Opts = optsOf(target)
	}
	if r.Rooms != nil {
		out.Rooms = r.Rooms
	}
	if r.Close != nil {
		closes := truthy(r.Close)
		out.Close = &closes
	}
	return out.encode(uid)
}

func TestGoldenResponses(t *testing.T) {
	for _, c := range captures(t, "-response", append(nodeFiles, "classic-legacy-requests")...) {
		t.Run(c.Operation, func(t *testing.T) {
			want := decoded(t, c.Decoded)
			r, err := readResponse(string(c.Bytes))
			if err != nil {
				t.Fatal(err)
			}
			if r.requestID != at(want, "requestId") {
				t.Errorf("id = %q", r.requestID)
			}
			id, err := json.Marshal(r.requestID)
			if err != nil {
				t.Fatal(err)
			}
			switch r.kind {
			case typeClientCount:
				n, err := r.clientCount.int()
				if err != nil || float64(n) != at(want, "clientCount") {
					t.Errorf("count = %d, %v", n, err)
				}
			case typeAck:
				checkReply(t, r.packet, at(want, "packet"))
				reply, err := r.packet.reply()
				if err != nil {
					t.Fatal(err)
				}
				again, err := encodeAck("", id, reply, true)
				checkAgain(t, c, again, err)
			case typeServerEmit:
				checkReply(t, r.data, at(want, "data"))
				again, err := marshal(eventResponse{Type: typeServerEmit, RequestID: id, Data: r.data.raw}, nil)
				checkAgain(t, c, again, err)
			default:
				if strings.HasPrefix(c.Operation, "fetch") {
					checkSockets(t, r.sockets, at(want, "sockets"))
				}
			}
		})
	}
}

// checkReply compares the one value of an answer.
func checkReply(t *testing.T, v value, want any) {
	t.Helper()
	reply, err := v.reply()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	wantArgs := []any{plain(want, &count)}
	if v.raw == nil {
		wantArgs = []any{}
	}
	if !reflect.DeepEqual(decoded(t, reply.Data), wantArgs) || len(reply.Attachments) != count {
		t.Errorf("reply = %s with %d attachments, want %v", reply.Data, len(reply.Attachments), wantArgs)
	}
}

func checkSockets(t *testing.T, v value, want any) {
	t.Helper()
	sockets, err := readSockets(v)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := want.([]any)
	if len(sockets) != len(list) {
		t.Fatalf("%d sockets, want %d", len(sockets), len(list))
	}
	for i, s := range sockets {
		rooms := texts(t, at(list[i], "rooms"))
		if s.ID != at(list[i], "id") || !slices.Equal(s.Rooms, rooms) ||
			!reflect.DeepEqual(decoded(t, s.Handshake), at(list[i], "handshake")) || !reflect.DeepEqual(decoded(t, s.Data), at(list[i], "data")) {
			t.Errorf("socket = %q in %q, %s, %s, want %v", s.ID, s.Rooms, s.Handshake, s.Data, list[i])
		}
	}
}
