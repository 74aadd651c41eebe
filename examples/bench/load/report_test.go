package main

import (
	"errors"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		in   []float64
		want float64
	}{
		{[]float64{4}, 4},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 3, 2, 1}, 2.5},
	}
	for _, tt := range tests {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	programs := []*server{
		{name: "a", title: "A"},
		{name: "b", title: "B"},
		{name: "c", title: "C", flaws: &flaws{hung: 2, reordered: 3}},
	}
	work := scenario{name: "work", rows: []row{{title: "work", format: "%.1f"}, {title: "more", format: "%.0f", ratio: true}}}
	r := newResults(programs)
	r.add(work, programs[0], []float64{1, 10})
	r.add(work, programs[0], []float64{3, 10})
	r.add(work, programs[1], []float64{4, 5})
	r.add(work, programs[2], []float64{4, 5})
	r.fail(work, programs[2], errors.New("broken"))

	var b strings.Builder
	if err := r.write(&b, []scenario{work}); err != nil {
		t.Fatal(err)
	}
	const want = `| | A | B | C | A ÷ B | A ÷ C |
| --- | ---: | ---: | ---: | ---: | ---: |
| work | 2.0 | 4.0 | failed | 0.50 | - |
| more | 10 | 5 | failed | - | - |

C left 2 clients unanswered, which were replaced, and delivered 3 broadcasts out of order.
`
	if b.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestSelectScenarios(t *testing.T) {
	selected, err := selectScenarios("room,idle")
	if err != nil || len(selected) != 2 || selected[0].name != "idle" || selected[1].name != "room" {
		t.Errorf("selectScenarios = %+v, %v", selected, err)
	}
	if _, err := selectScenarios("idle,nonsense"); !errors.Is(err, errUnknownScenario) {
		t.Errorf("selectScenarios of nonsense: %v", err)
	}
	if _, err := selectServers(t.Context(), "nonsense", "", ""); !errors.Is(err, errUnknownServer) {
		t.Errorf("selectServers of nonsense: %v", err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for range 2 * tailSize {
		if _, err := kept.Write([]byte("ab")); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept.String(); got != strings.Repeat("ab", tailSize/2) {
		t.Errorf("kept %d bytes: %.20q...", len(got), got)
	}
}
