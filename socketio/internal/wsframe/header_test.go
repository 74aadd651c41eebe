package wsframe_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// A frame that violates the protocol is refused as soon as its header is there: nothing
// more of it is waited for.
func TestRefusedByTheHeaderAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header []byte
		code   ws.StatusCode
	}{
		"unmasked":                     {[]byte{0x82, 125}, ws.StatusProtocolError},
		"unmasked, of two bytes":       {[]byte{0x82, 126, 0xff, 0xff}, ws.StatusProtocolError},
		"unmasked, of eight bytes":     {[]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 1, 0}, ws.StatusProtocolError},
		"highest bit of the length":    {[]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, ws.StatusProtocolError},
		"masked, beyond the limit":     {[]byte{0x82, 0xfe, 0x03, 0xe9, 1, 2, 3, 4}, ws.StatusMessageTooBig},
		"masked, far beyond the limit": {[]byte{0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4}, ws.StatusMessageTooBig},
		"masked, a reserved bit":       {[]byte{0xc2, 0x80, 1, 2, 3, 4}, ws.StatusProtocolError},
	} {
		for _, n := range []int{1, len(tt.header)} {
			var p wsframe.Parser
			// All but the last byte is waited upon.
			if err := feed(&p, tt.header[:len(tt.header)-1], n, nop{}); err != nil || p.Idle() {
				t.Errorf("%s, pieces of %d: refused before the header is complete: %v", name, n, err)
				continue
			}
			err := feed(&p, tt.header[len(tt.header)-1:], n, nop{})
			if ce, ok := errors.AsType[*wsframe.CloseError](err); !ok || ce.Code != tt.code {
				t.Errorf("%s, pieces of %d: error %v, want code %d", name, n, err, tt.code)
			}
			if !p.Idle() {
				t.Errorf("%s, pieces of %d: something is kept of what was refused", name, n)
			}
		}
	}
}

// A frame that arrives in one piece is not copied because it belongs to a message of
// which others have arrived.
func TestFragmentsInOnePieceAreNotCopied(t *testing.T) {
	lim := wsframe.Limits{MaxMessage: 1000, MaxFragments: 1 << 30}
	var p wsframe.Parser
	if err := p.Feed(frame(0x01, "x"), lim, nop{}); err != nil {
		t.Fatal(err)
	}
	data := frame(0x00, "")
	buf := make([]byte, len(data))
	if n := testing.AllocsPerRun(1000, func() {
		copy(buf, data)
		if err := p.Feed(buf, lim, nop{}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A parser that has been through everything reads the next message as a new one does.
func TestParserIsUsedAgain(t *testing.T) {
	t.Parallel()
	var p wsframe.Parser
	for round := range 3 {
		for _, n := range []int{1, 3, 1000} {
			var r recorder
			// Each message has as many fragments, and is as large, as may be.
			stream := join(frame(0x01, "a"), bytes.Repeat(frame(0x89, "ping"), 7), frame(0x00, "b"), frame(0x00, ""), frame(0x00, "c"), frame(0x80, "d"),
				frame(0x02, string(make([]byte, 600))), frame(0x80, string(make([]byte, 400))), frame(0x81, "e"))
			if err := feed(&p, stream, n, &r); err != nil || len(r.events) != 7+3 || r.events[7] != `message binary=false "abcd"` {
				t.Fatalf("round %d, pieces of %d: %d messages, %v", round, n, len(r.events), err)
			}
			if !p.Idle() {
				t.Fatalf("round %d, pieces of %d: something is left", round, n)
			}
		}
	}
}

// A failed parser keeps nothing, so that one that is used again all the same begins
// anew.
func TestErrorForgetsWhatWasHalfReceived(t *testing.T) {
	t.Parallel()
	var p wsframe.Parser
	if err := p.Feed(join(frame(0x01, "half"), frame(0x81, "refused")), limits, nop{}); err == nil {
		t.Fatal("no error")
	}
	var r recorder
	if err := p.Feed(frame(0x81, "next"), limits, &r); err != nil || len(r.events) != 1 || !p.Idle() {
		t.Errorf("got %q, %v", r.events, err)
	}
}
