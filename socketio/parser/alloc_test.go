//go:build !race

package parser

import "testing"

// These are not run with the race detector: under it a pool forgets some of what it is given.

func TestDecodeAllocations(t *testing.T) {
	var c Coder
	var v struct{ X, Y int }
	raw := []byte(`{"x":1,"y":2}`)
	if n := testing.AllocsPerRun(100, func() {
		if err := c.Decode(raw, nil, &v); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a struct without strings", n)
	}
}

func TestAppendStructAllocations(t *testing.T) {
	var c Coder
	dst := make([]byte, 0, 512)
	type point struct{ X, Y int }
	var v any = point{1, 2}
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := c.AppendEvent(dst, "event", v); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations for a struct", n)
	}
}
