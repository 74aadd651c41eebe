package engine_test

import (
	"errors"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Messages of which only a part has arrived count towards the budget of the input, and those who have sent nothing more for a second go
// before the one that has just begun.
func TestHalfMessagesAreWithinTheInputBudget(t *testing.T) {
	inBothModes(t, testHalfMessagesAreWithinTheInputBudget)
}

func testHalfMessagesAreWithinTheInputBudget(t *testing.T, opts *engine.Options) {
	const clients, half = 40, 512 << 10
	opts.InputBudget = 4 << 20
	s := start(t, opts)
	message := append(appendFrameHeader(nil, finBinary, 900_000), make([]byte, half)...)
	var peers []*peer
	for range clients {
		ws := s.openWS(t)
		peers = append(peers, ws.peer)
		if _, err := ws.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	open := func() (n int) {
		for _, p := range peers {
			select {
			case <-p.closed:
			default:
				n++
			}
		}
		return n
	}
	healthy := s.openWS(t)
	eventually(t, "the budget is kept", func() bool { return open() <= (4<<20)/half })
	if n := open(); n < 2 {
		t.Errorf("%d sessions are left, which have room in the budget", n)
	}
	for _, p := range peers {
		select {
		case <-p.closed:
			if err := p.expectClose(t, engine.Overload); !errors.Is(err, engine.ErrInputBudget) {
				t.Errorf("detail %v", err)
			}
		default:
		}
	}
	healthy.mustText(t, "4hello")
	healthy.peer.expect(t, text("hello"))
}
