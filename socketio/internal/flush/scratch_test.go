package flush_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// refill makes f the text message.
func refill(t *testing.T, f *packet.Frame, text string) {
	t.Helper()
	if err := f.Refill(false, len(text), func(dst []byte) ([]byte, error) { return append(dst, text...), nil }); err != nil {
		t.Fatal(err)
	}
}

// checkGather gathers the frames and compares the bytes with theirs.
func checkGather(t *testing.T, sc *flush.Scratch, frames ...*packet.Frame) {
	t.Helper()
	var want []byte
	for _, f := range frames {
		want = append(want, f.WebSocket()...)
	}
	if b, n := sc.Gather(frames); n != len(frames) || !bytes.Equal(b, want) {
		t.Errorf("gathered %q of %d frames, want %q of %d", b, n, want, len(frames))
	}
}

// Frames that are filled again are other messages although they are the same
// pointers: what was gathered of them before is not what they are, whatever else stands
// beside them.
func TestGatherFramesThatAreFilledAgain(t *testing.T) {
	shared, other := text("shared"), text("other")
	var once, second packet.Frame
	for name, frames := range map[string][]*packet.Frame{
		"behind a shared one":         {shared, &once},
		"before a shared one":         {&once, shared},
		"between shared ones":         {shared, &once, other},
		"two of them":                 {&once, &second},
		"two and a shared one":        {&once, &second, shared},
		"one that stands there twice": {&once, &once},
	} {
		t.Run(name, func(t *testing.T) {
			sc := flush.NewScratch()
			for _, m := range []string{"a", "b", "c"} { // one right after the other
				refill(t, &once, m)
				refill(t, &second, m+m)
				checkGather(t, sc, frames...)
			}
			checkGather(t, sc, shared, other) // what is remembered of these
			refill(t, &once, "d")
			checkGather(t, sc, frames...) // does not come instead of these
			checkGather(t, sc, shared, other)
		})
	}
}

// What is remembered of a broadcast is only used for the same frames.
func TestGatherOtherFramesThanBefore(t *testing.T) {
	t.Parallel()
	sc := flush.NewScratch()
	a, b, c := text("a"), text("b"), text("c")
	for range 2 {
		for _, frames := range [][]*packet.Frame{{a, b}, {a, b}, {b, a}, {a, b, c}, {a, b}, {a, c}, {a}, {c, a}, {a, b}} {
			checkGather(t, sc, frames...)
		}
	}
}

// What was left out because it did not fit is not taken for gathered.
func TestGatherAgainWhatDidNotFit(t *testing.T) {
	t.Parallel()
	sc := flush.NewScratch()
	half, small := text(strings.Repeat("x", flush.MaxGather/2)), text("small")
	frames := []*packet.Frame{small, half, half}
	for range 3 {
		for range 2 {
			b, n := sc.Gather(frames)
			if n != 2 || len(b) != small.Len()+half.Len() {
				t.Fatalf("gathered %d frames of %d bytes, want the first two", n, len(b))
			}
		}
		checkGather(t, sc, small, half)
	}
}

// As much as fits is written at once, to the last byte, and what fills a write by
// itself is not copied.
func TestGatherFillsAWrite(t *testing.T) {
	t.Parallel()
	sc := flush.NewScratch()
	sized := func(n int) *packet.Frame {
		f := text("")
		for size := n; f.Len() < n; size-- {
			if g := text(strings.Repeat("x", size)); g.Len() <= n {
				f = g
				break
			}
		}
		if f.Len() != n {
			t.Fatalf("no frame has %d bytes", n)
		}
		return f
	}
	half := sized(flush.MaxGather / 2)
	if b, n := sc.Gather([]*packet.Frame{half, half, half}); n != 2 || len(b) != flush.MaxGather {
		t.Errorf("two halves: %d frames, %d bytes", n, len(b))
	}
	if b, n := sc.Gather([]*packet.Frame{half, sized(flush.MaxGather/2 + 1)}); n != 1 || len(b) != half.Len() {
		t.Errorf("a byte too many: %d frames, %d bytes", n, len(b))
	}
	full := sized(flush.MaxGather)
	for _, frames := range [][]*packet.Frame{{full, half}, {full}, {half}} {
		if b, n := sc.Gather(frames); n != 1 || unsafe.SliceData(b) != unsafe.SliceData(frames[0].WebSocket()) {
			t.Errorf("%d frames of %d bytes were copied", n, len(b))
		}
	}
}

// An idle scratch keeps no frame alive.
func TestReturnedScratchForgets(t *testing.T) {
	p := newPool(t, 1)
	sc := p.Borrow()
	var frames []weak.Pointer[packet.Frame]
	gather := func(n int) {
		var gathered []*packet.Frame
		for range n {
			f := text(strings.Repeat("x", 100))
			gathered, frames = append(gathered, f), append(frames, weak.Make(f))
		}
		sc.Gather(gathered)
	}
	gather(10)
	gather(2) // fewer, behind which the others would stay
	p.Return(sc)
	runtime.GC()
	for i, f := range frames {
		if f.Value() != nil {
			t.Errorf("frame %d is kept", i)
		}
	}
	runtime.KeepAlive(sc)
}

// What a scratch has needed once it keeps: the next writer allocates nothing.
func TestReturnedScratchIsUsedAgain(t *testing.T) {
	p := newPool(t, 1)
	frames := []*packet.Frame{text("a"), text("b"), text("c")}
	if n := testing.AllocsPerRun(100, func() {
		sc := p.Borrow()
		sc.Gather(frames)
		p.Return(sc)
	}); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
