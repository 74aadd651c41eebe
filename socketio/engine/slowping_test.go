package engine_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// A slow client cannot answer a ping that is behind what it is still taking: it is given up when it takes nothing any more, not before.
func TestSlowClientCannotAnswerYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.stop()
		c := b.dial("")
		for range 100 {
			b.session.Send(engine.NewTextFrame(strings.Repeat("x", 16<<10)), 0)
		}
		for range 40 { // 200 seconds, in which several pings are due
			time.Sleep(5 * time.Second)
			if _, err := io.CopyN(io.Discard, c.br, 16<<10); err != nil {
				t.Fatal(err)
			}
		}
		if reasons, errs := b.journal.closed(); len(reasons) > 0 {
			t.Fatalf("closed for %q, %v", reasons, errs)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		reasons, errs := b.journal.closed()
		if len(reasons) != 1 || reasons[0] != engine.SlowConsumer || !errors.Is(errs[0], engine.ErrNoProgress) {
			t.Errorf("closed for %q, %v", reasons, errs)
		}
	})
}
