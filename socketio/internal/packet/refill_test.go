package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// A frame that is filled again is the same as a new one, whatever it was before.
func TestRefill(t *testing.T) {
	var f Frame
	for _, m := range []struct {
		binary bool
		text   string
		hint   int
	}{
		{false, "2[]", 3},
		{true, "\x00\x01\x02", 3},
		{false, "", 0},
		{false, strings.Repeat("long", 100), 400},
		{false, "short again", -1},
		{true, strings.Repeat("larger than it was told", 1000), 10},
		{false, "after that", 10},
	} {
		fill := func(dst []byte) ([]byte, error) { return append(dst, m.text...), nil }
		if err := f.Refill(m.binary, m.hint, fill); err != nil {
			t.Fatal(err)
		}
		want, err := New(m.binary, m.hint, fill)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.WebSocket(), want.WebSocket()) || !bytes.Equal(f.Polling(), want.Polling()) ||
			!bytes.Equal(f.Payload(), want.Payload()) || f.IsBinary() != m.binary || f.Len() != want.Len() {
			t.Errorf("%.20q: refilled %.40q, new %.40q", m.text, f.WebSocket(), want.WebSocket())
		}
		if !f.Once() || want.Once() || want.Recyclable() || f.Recyclable() != (cap(f.buf) <= maxRefill) {
			t.Errorf("%.20q: once %t and %t, recyclable %t", m.text, f.Once(), want.Once(), f.Recyclable())
		}
	}
	failed := errors.New("failed")
	if err := f.Refill(false, 1, func([]byte) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

func TestRefillDoesNotAllocate(t *testing.T) {
	var f Frame
	allocs := testing.AllocsPerRun(1000, func() {
		if err := f.Refill(false, 60, func(dst []byte) ([]byte, error) { return append(dst, "43[1]"...), nil }); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
