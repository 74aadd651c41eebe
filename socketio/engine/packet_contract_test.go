package engine_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A case of packets that end the session.
var badPackets = []struct {
	name, packet string
	reason       engine.Reason
}{
	{"unknown type", "abc", engine.ParseError},
	{"empty", "", engine.ParseError},
	{"type 7", "7", engine.ParseError},
	{"type 9", "9hello", engine.ParseError},
	{"blank", " 4a", engine.ParseError},
	{"null", "\x00", engine.ParseError},
	{"capital of binary", "BAQID", engine.ParseError},
	{"a digit of another script", "٤a", engine.ParseError},
	{"ping, which is for servers", "2", engine.TransportError},
	{"probe outside of an upgrade", "2probe", engine.TransportError},
}

// The reference answers the request that ended the session with 200 all the same.
func TestFaultBadPayloadIsRefused(t *testing.T) {
	for _, tc := range badPackets {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, nil)
			c := s.openPolling(t)
			if res := c.post(t, tc.packet); res.status != http.StatusBadRequest {
				t.Errorf("got %d %q, want 400", res.status, res.body)
			}
			c.peer.expectClose(t, tc.reason)
			c.peer.expectNow(t)
			c.expectGone(t)
		})
	}
}

func TestDecodingEndsAtTheFirstBadPacket(t *testing.T) {
	for payload, want := range map[string][]message{
		"4a\x1e\x1e4b":           {text("a")},
		"4a\x1e":                 {text("a")},
		"\x1e4a":                 nil,
		"\x1e":                   nil,
		"4a\x1ebAQ==\x1eq\x1e4b": {text("a"), bin("\x01")},
		"4a\x1e2\x1e4b":          {text("a")},
	} {
		s := start(t, nil)
		c := s.openPolling(t)
		if res := c.post(t, payload); res.status != http.StatusBadRequest {
			t.Errorf("%q: got %d %q, want 400", payload, res.status, res.body)
		}
		c.peer.expectClose(t, engine.ParseError, engine.TransportError)
		c.peer.expectNow(t, want...)
		c.expectGone(t)
	}
}

func TestBadPacketsOverWebSocket(t *testing.T) {
	for _, tc := range badPackets {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, nil)
			ws := s.openWS(t)
			ws.mustText(t, "4before", tc.packet, "4after")
			ws.expectClosing(t, noStatus)
			ws.peer.expectClose(t, tc.reason)
			ws.peer.expectNow(t, text("before"))
		})
	}
}

func TestPingFromTheClientIsExplained(t *testing.T) {
	s := start(t, nil)
	ws := s.openWS(t)
	ws.mustText(t, "2")
	if err := ws.peer.expectClose(t, engine.TransportError); !errors.Is(err, engine.ErrHeartbeatDirection) {
		t.Errorf("error %v, want %v", err, engine.ErrHeartbeatDirection)
	}
}

// Packets that make no sense from a client, but do no harm.
var idlePackets = []string{"0", `0{"sid":"x"}`, "3", "3probe", "5", "6", "6x"}

func TestPacketsThatAreIgnored(t *testing.T) {
	s := startEcho(t, nil)
	c := s.openPolling(t)
	c.mustPost(t, strings.Join(idlePackets, "\x1e")+"\x1e4hello")
	c.expectGet(t, "4hello")
	for _, p := range idlePackets {
		c.mustPost(t, p)
	}
	c.mustPost(t, "4again")
	c.expectGet(t, "4again")

	ws := s.openWS(t)
	ws.mustText(t, idlePackets...)
	ws.mustText(t, "4hello")
	ws.expect(t, "4hello")
	c.peer.expectOpen(t)
	ws.peer.expectOpen(t)
}

func TestMessagesOverWebSocket(t *testing.T) {
	s := startEcho(t, nil)
	ws := s.openWS(t)
	for _, m := range []string{"4", "4hello", "4€ 𝄞 \x00\x1e", "44", "4" + strings.Repeat("é", 100_000)} {
		ws.mustText(t, m)
		ws.expect(t, m)
	}
	for _, m := range []string{"", "\x00", "4hello", "\xff\xfe", strings.Repeat("\x01\xf0", 100_000)} {
		ws.must(t, finBinary, m)
		ws.expectFrame(t, finBinary, m)
	}
}

// Clients whose WebSocket carries only text send binary the way polling does.
func TestBinaryInText(t *testing.T) {
	s := start(t, nil)
	ws := s.openWS(t)
	ws.mustText(t, "bAQIDBA==", "b")
	ws.peer.expect(t, bin("\x01\x02\x03\x04"), bin(""))
}

// Base64 of other dialects is understood; what is no base64 at all may be read as
// something or refused, but not more.
func TestDialectsOfBase64(t *testing.T) {
	for packet, want := range map[string]string{
		"bAQIDBA": "\x01\x02\x03\x04", "bAQIDBA=": "\x01\x02\x03\x04", "b-_8=": "\xfb\xff", "b+/8": "\xfb\xff",
	} {
		s := start(t, nil)
		c := s.openPolling(t)
		c.mustPost(t, packet)
		c.peer.expectNow(t, bin(want))
	}
	for _, packet := range []string{"b@@@@", "bA", "bAQ==AQ==", "b====", "bAQ ID", "b\xff"} {
		s := start(t, nil)
		c := s.openPolling(t)
		switch res := c.post(t, packet); res.status {
		case http.StatusOK:
			c.mustPost(t, "4hello")
		case http.StatusBadRequest:
			c.peer.expectClose(t, engine.ParseError)
		default:
			t.Errorf("%q: got %d %q, want 200 or 400", packet, res.status, res.body)
		}
	}
}

// A text message is valid UTF-8 wherever it came from, so that it can be sent on
// to any client.
func TestInvalidUTF8InADataRequest(t *testing.T) {
	s := start(t, nil)
	c := s.openPolling(t)
	c.mustPost(t, "4a\xffb\xc3")
	m, ok := c.peer.messages.take(patience)
	if !ok || !utf8.ValidString(m.data) || !strings.HasPrefix(m.data, "a\uFFFDb\uFFFD") {
		t.Errorf("got %q, want U+FFFD for the bad bytes", m.data)
	}
}
