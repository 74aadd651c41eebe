package main

import (
	"maps"
	"slices"
	"testing"
)

func TestBlame(t *testing.T) {
	sender := report{Sent: 5, Refused: []int{1}, At: []int64{1000, 2000, 3000, 9000, 9020}}
	outages := []outage{
		{Began: 2800, Lasted: 500, Deaf: 400},
		{Began: 8900, Lasted: 500}, // in which it could hear
	}
	var f flow
	f.blame([]int{0, 1, 2, 3}, sender, outages)
	if f.Untold != 3 || f.Silent != 2 {
		t.Errorf("untold: %d, silent: %d, want 3 and 2", f.Untold, f.Silent)
	}
	f = flow{}
	f.blame([]int{0, 7}, report{}, outages)
	if f.Untold != 2 || f.Silent != 2 {
		t.Errorf("of a sender that was killed: untold: %d, silent: %d, want 2 and 2", f.Untold, f.Silent)
	}
}

func TestCharge(t *testing.T) {
	a, b, x := &goNode{is: "a"}, &goNode{is: "b"}, &npmNode{is: "x"}
	for _, c := range []struct {
		sender, receiver node
		want             []string
	}{
		{a, b, []string{"from a", "to b"}},
		{a, x, []string{"from a"}},
		{x, a, []string{"to a"}},
		{x, x, []string{"from x", "to x"}},
	} {
		f := flow{lost: make(map[string][]int)}
		f.charge(c.sender, c.receiver, 1)
		if got := slices.Sorted(maps.Keys(f.lost)); !slices.Equal(got, c.want) {
			t.Errorf("from %s to %s: charged %v, want %v", c.sender.name(), c.receiver.name(), got, c.want)
		}
	}
}

func TestWorstProcess(t *testing.T) {
	f := flow{lost: map[string][]int{"from a": {0, 9}, "from b": {3, 3}, "to c": {0, 3}, "to d": {9, 3}}}
	f.sum()
	if f.Node != 6 {
		t.Errorf("the process that has lost most has lost %d for each other, want 6", f.Node)
	}
}
