package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

// Memory may be given back before another goroutine has counted it: nothing is left behind.
func TestMemoryThatIsGivenBackBeforeItIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &engine.Options{InputBudget: 1000})
		defer b.stop()
		b.dial("")
		early := b.session
		for _, n := range []int64{100, -150, 50} {
			early.Hold(n)
		}
		time.Sleep(2 * time.Second) // who holds something stands still now
		b.dial("")
		b.session.Hold(2000)
		synctest.Wait()
		if early.State() != engine.StateOpen {
			t.Error("a session had to go that holds nothing")
		}
		if b.session.State() != engine.StateClosed {
			t.Error("the session that holds everything is still there")
		}
	})
}
