//go:build !race

package parser

import "testing"

// Under the race detector a pool forgets some of what it is given.
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
