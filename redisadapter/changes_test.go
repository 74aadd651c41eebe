package redisadapter

import (
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter/adaptertest"
)

// A request to join has the sockets that it selects join, and one to leave has them leave.
func TestSelectedSocketsJoinAndLeave(t *testing.T) {
	b := newBare(t, "/", nil)
	p, other := b.Connect("selected"), b.Connect()
	for _, tt := range []struct {
		request string
		in      bool
	}{
		{`{"uid":"u","type":2,"opts":{"rooms":["selected"],"except":[]},"rooms":["new",7]}`, true},
		{`{"uid":"u","type":3,"opts":{"rooms":["selected"],"except":[]},"rooms":["new",7]}`, false},
	} {
		b.c.receive(b.c.request, tt.request)
		for _, room := range []string{"new", "7"} {
			if slices.Contains(b.c.Rooms(p), room) != tt.in || slices.Contains(b.c.Rooms(other), room) {
				t.Errorf("after %s the rooms are %v and %v", tt.request, b.c.Rooms(p), b.c.Rooms(other))
			}
		}
	}
}

// The shortest event of another server has a digit for its name. An answer that can be encoded is no
// trouble.
func TestShortestServerEvent(t *testing.T) {
	b := newBare(t, "/", nil)
	var got []string
	b.OnServerEvent(func(e adaptertest.ServerEvent) {
		got = append(got, string(e.Data))
		e.Respond(answerOne)
	})
	for _, data := range []string{`[1]`, `[]`} {
		b.c.receive(b.c.request, `{"uid":"u","requestId":"r","type":6,"data":`+data+`}`)
	}
	if !slices.Equal(got, []string{`[1]`}) || b.count(troubleRequest) != 1 || b.count(troubleAnswer) != 0 {
		t.Errorf("got %q, with %d malformed requests and %d answers in trouble", got, b.count(troubleRequest), b.count(troubleAnswer))
	}
	if sent := b.published(); len(sent) != 1 {
		t.Errorf("%d answers", len(sent))
	}
}

// What is to be an event is an array that is not empty, however much space is in it.
func TestWhatIsEventData(t *testing.T) {
	for data, want := range map[string]bool{
		`["x"]`: true, `[1]`: true, " [ \n1]": true, `[{}]`: true,
		``: false, ` `: false, `[`: false, `[ `: false, `[]`: false, `[ ]`: false, `{"x":1}`: false, `"x"`: false,
	} {
		if isEventData([]byte(data)) != want {
			t.Errorf("%q: want %t", data, want)
		}
	}
}

// A room whose name is how JavaScript writes an integer has two forms.
func TestNumericRooms(t *testing.T) {
	for room, want := range map[string]bool{
		"0": true, "7": true, "9": true, "10": true, "-7": true, "9007199254740991": true, "-9007199254740991": true,
		"": false, "-": false, "-0": false, "07": false, "+1": false, "1.5": false, " 1": false, "1 ": false, ":": false, "a": false, "1e3": false,
		"9007199254740992": false, "-9007199254740992": false, "99999999999999999": false, "-99999999999999999": false,
	} {
		if _, ok := numeric(room); ok != want {
			t.Errorf("%q: want %t", room, want)
		}
	}
}

// A room in JSON is a text or a number.
func TestRoomNamesInJSON(t *testing.T) {
	for data, want := range map[string]string{
		`"a"`: "a", `""`: "", `0`: "0", `9`: "9", `-5`: "-5", `1.50`: "1.5", `1e3`: "1000",
		``: "error", `/`: "error", `:`: "error", `true`: "error", `null`: "error", `[1]`: "error", `{}`: "error", `"`: "error",
	} {
		var r roomName
		err := r.UnmarshalJSON([]byte(data))
		if got := string(r); err != nil && want != "error" || err == nil && got != want {
			t.Errorf("%s: %q, %v, want %s", data, got, err, want)
		}
	}
}

// A message of a kind that is not known is of none, in both encodings.
func TestKindsOfMessages(t *testing.T) {
	for kind, want := range map[string]int{`0`: 0, `9`: 9, `10`: -1, `"x"`: -1, `null`: -1} {
		r, err := readRequest(`{"type":` + kind + `}`)
		if err != nil || r.kind() != want {
			t.Errorf("request %s: %d, %v, want %d", kind, r.kind(), err, want)
		}
	}
	for _, payload := range []string{`{"requestId":"r"}`, pack(t, `{"requestId":"r"}`)} {
		r, err := readResponse(payload)
		if err != nil || r.kind != -1 || r.requestID != "r" {
			t.Errorf("%q: %+v, %v", payload, r, err)
		}
	}
}
