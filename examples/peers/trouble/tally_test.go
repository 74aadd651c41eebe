package main

import (
	"reflect"
	"testing"
)

// arrivals returns those of one sender, 20 ms apart from 1000 on.
func arrivals(seqs ...int) []arrival {
	var all []arrival
	for i, seq := range seqs {
		all = append(all, arrival{From: "a", Seq: seq, At: 1000 + 20*int64(i)})
	}
	return all
}

func TestFollow(t *testing.T) {
	for _, c := range []struct {
		name     string
		arrivals []arrival
		sent     int
		end      int64
		want     stream
	}{
		{"all", arrivals(0, 1, 2), 3, 1000, stream{}},
		{"none was sent", nil, 0, 1000, stream{Recovered: -1}},
		{"none arrived", nil, 2, 1000, stream{Lost: []int{0, 1}, Recovered: -1}},
		{"the first is lost", arrivals(1, 2), 3, 990, stream{Lost: []int{0}, Recovered: 10}},
		{"the last is lost", arrivals(0, 1), 3, 990, stream{Lost: []int{2}, Recovered: -1}},
		{"some are lost before the end", arrivals(0, 3, 4), 5, 1030, stream{Lost: []int{1, 2}, Recovered: 10}},
		{"one is lost after the end", arrivals(0, 1, 3, 4), 5, 1000, stream{Lost: []int{2}, Recovered: 40}},
		{"twice", arrivals(0, 1, 1, 0, 2), 3, 1000, stream{Duplicated: 2}},
		{"two change places", arrivals(0, 2, 1, 3), 4, 1000, stream{Reordered: 1}},
		{"the first comes last", arrivals(1, 2, 3, 0), 4, 1000, stream{Reordered: 1}},
		{"the last comes first", arrivals(3, 0, 1, 2), 4, 1000, stream{Reordered: 3}},
		{"a second one is no reordering", arrivals(0, 1, 2, 0), 3, 1000, stream{Duplicated: 1}},
		{"what was never sent", arrivals(-1, 0, 7), 1, 1010, stream{Recovered: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := follow(c.arrivals, c.sent, c.end); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestFromAndHighest(t *testing.T) {
	all := map[string]report{
		"x": {Got: []arrival{{From: "a", Seq: 0}, {From: "b", Seq: 4}, {From: "a", Seq: 1}}},
		"y": {Got: []arrival{{From: "a", Seq: 2}}},
	}
	if got := from(all["x"].Got, "a"); len(got) != 2 || got[1].Seq != 1 {
		t.Errorf("from a: %v", got)
	}
	for sender, want := range map[string]int{"a": 3, "b": 5, "c": 0} {
		if got := highest(all, sender); got != want {
			t.Errorf("%s has sent %d, want %d", sender, got, want)
		}
	}
}
