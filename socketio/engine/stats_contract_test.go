package engine_test

import (
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

func TestStats(t *testing.T) { inBothModes(t, testStats) }

func testStats(t *testing.T, opts *engine.Options) {
	s := startEcho(t, opts)
	want := func(what string, websockets, polling int) {
		t.Helper()
		w := engine.Stats{Polling: polling}
		if opts.DisableParking {
			w.Reading = websockets
		} else {
			w.Parked = websockets
		}
		got := s.engine.Stats()
		got.HeldUp = 0 // a machine that stalls may
		if got != w {
			t.Errorf("%s: got %+v, want %+v", what, got, w)
		}
	}
	want("nothing yet", 0, 0)
	ws := s.openWS(t)
	c := s.openPolling(t)
	want("one of each", 1, 1)
	c.probe(t)
	want("while an upgrade is tried", 1, 1)
	other := s.openPolling(t)
	want("another one", 1, 2)
	other.upgrade(t).mustText(t, "4hello")
	other.peer.expect(t, text("hello"))
	want("upgraded", 2, 1)
	ws.must(t, finClose, closePayload(1000, ""))
	ws.peer.expectClose(t, engine.TransportClose)
	want("one has left", 1, 1)
}
