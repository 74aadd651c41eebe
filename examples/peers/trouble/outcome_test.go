package main

import (
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

func TestWorstProcess(t *testing.T) {
	f := flow{lost: map[string][]int{"from a": {0, 9}, "from b": {3, 3}, "to c": {0, 3}, "to d": {9, 3}}}
	f.sum()
	if f.Node != 6 {
		t.Errorf("the process that has lost most has lost %d for each other, want 6", f.Node)
	}
}
