package packet

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// filler returns what fills a frame with n bytes.
func filler(n int) func(dst []byte) ([]byte, error) {
	text := strings.Repeat("x", n)
	return func(dst []byte) ([]byte, error) { return append(dst, text...), nil }
}

// A frame whose size is known in advance is made with one buffer, and refilled with the
// same size, or a smaller one, without another.
func TestRefillAllocatesOneBufferOfTheRightSize(t *testing.T) {
	for _, n := range []int{0, 10, minRefill, 500, 1000, 1012, 4000, 20_000} {
		for _, binary := range []bool{false, true} {
			fill := filler(n)
			var f *Frame
			refill := func() {
				if err := f.Refill(binary, n, fill); err != nil {
					t.Error(err)
				}
			}
			if allocs := testing.AllocsPerRun(50, func() {
				f = new(Frame)
				refill()
			}); allocs > 2 { // the frame and its buffer
				t.Errorf("%d bytes, binary %t: %v allocations, want 2", n, binary, allocs)
			}
			if allocs := testing.AllocsPerRun(50, refill); allocs > 0 {
				t.Errorf("%d bytes again, binary %t: %v allocations", n, binary, allocs)
			}
		}
	}
}

// The buffer of a frame that has been larger than it is told to become is used as it is.
func TestRefillReplacesOnlyABufferThatIsTooSmall(t *testing.T) {
	t.Parallel()
	var f Frame
	refill := func(n int) *byte {
		if err := f.Refill(false, n, filler(n)); err != nil {
			t.Fatal(err)
		}
		return &f.buf[0]
	}
	large := refill(1000)
	for _, n := range []int{1000, 10, 999, 0, 1000} {
		if refill(n) != large {
			t.Errorf("another buffer for %d bytes", n)
		}
	}
	if refill(1001) == large {
		t.Error("the same buffer for 1001 bytes")
	}
}

// Frames that are not larger than an idle one may be are recycled, to the byte.
func TestRecyclable(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]bool{0: true, maxRefill - 1: true, maxRefill: true, maxRefill + 1: false, 2 * maxRefill: false} {
		var f Frame
		hint := max(size-headRoom-1, 0)
		if err := f.Refill(false, hint, filler(hint)); err != nil {
			t.Fatal(err)
		}
		if f.Recyclable() != want {
			t.Errorf("a buffer of %d bytes: recyclable %t, want %t", cap(f.buf), !want, want)
		}
	}
}

// A frame says that it is binary, or once only, for what it is, not for what it was.
func TestRefillChangesTheKind(t *testing.T) {
	t.Parallel()
	var f Frame
	for range 2 {
		for _, m := range []struct {
			binary  bool
			polling string
		}{{true, "beHh4"}, {false, "4xxx"}, {true, "beHh4"}} {
			if err := f.Refill(m.binary, 3, filler(3)); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Polling()); got != m.polling || f.IsBinary() != m.binary || string(f.Payload()) != "xxx" {
				t.Errorf("binary %t: polling form %q, want %q; payload %q", f.IsBinary(), got, m.polling, f.Payload())
			}
		}
	}
}

// A frame that is not for once keeps its bytes whatever others are made.
func TestFramesShareNoMemory(t *testing.T) {
	t.Parallel()
	var f Frame
	if err := f.Refill(false, 3, filler(3)); err != nil {
		t.Fatal(err)
	}
	kept, err := New(false, 3, filler(3))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Refill(false, 3, func(dst []byte) ([]byte, error) { return append(dst, "yyy"...), nil }); err != nil {
		t.Fatal(err)
	}
	if string(kept.WebSocket()) != "\x81\x044xxx" || string(f.WebSocket()) != "\x81\x044yyy" {
		t.Errorf("frames %q and %q", kept.WebSocket(), f.WebSocket())
	}
}

func TestControl(t *testing.T) {
	for _, data := range []string{"", "x", strings.Repeat("x", 125)} {
		var f *Frame
		if allocs := testing.AllocsPerRun(50, func() { f = Control(ws.OpPing, []byte(data)) }); allocs > 2 {
			t.Errorf("%d bytes: %v allocations, want 2", len(data), allocs)
		}
		if got, want := string(f.WebSocket()), "\x89"+string(rune(len(data)))+data; got != want || f.Len() != len(want) {
			t.Errorf("got %q of %d bytes, want %q", got, f.Len(), want)
		}
	}
}
