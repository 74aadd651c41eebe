package flush

import (
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// refill makes f the text message.
func refill(t *testing.T, f *packet.Frame, text string) {
	t.Helper()
	if err := f.Refill(false, len(text), func(dst []byte) ([]byte, error) { return append(dst, text...), nil }); err != nil {
		t.Fatal(err)
	}
}

// Frames that are filled again are other messages although they are the same
// pointers.
func TestGatherFramesThatAreFilledAgain(t *testing.T) {
	sc := NewScratch()
	shared := packet.Text(packet.Message, "shared")
	var once packet.Frame
	frames := []*packet.Frame{shared, &once}
	for _, text := range []string{"a", "b", "c"} {
		refill(t, &once, text)
		b, n := sc.Gather(frames)
		if want := "\x81\x074shared\x81\x024" + text; string(b) != want || n != 2 {
			t.Errorf("gathered %q of %d frames, want %q", b, n, want)
		}
		if b, _ := sc.Gather([]*packet.Frame{shared, shared}); string(b) != "\x81\x074shared\x81\x074shared" {
			t.Errorf("gathered %q", b)
		}
	}
}
