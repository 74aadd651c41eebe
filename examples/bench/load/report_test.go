package main

import (
	"errors"
	"slices"
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

func TestPercentile(t *testing.T) {
	figures := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[int]float64{0: 1, 1: 1, 10: 1, 11: 2, 50: 5, 99: 10, 100: 10} {
		if got := percentile(figures, p); got != want {
			t.Errorf("percentile %d is %v, want %v", p, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	programs := []*server{
		{name: "a", title: "A"},
		{name: "b", title: "B"},
		{name: "c", title: "C", flaws: &flaws{hung: 2, reordered: 3000}},
	}
	work := step{rows: []row{{title: "work", format: "%.1f"}, {title: "more", format: "%.0f", ratio: true}}}
	other := step{rows: []row{{title: "other way", format: "%.1f", against: "work"}}}
	never := step{rows: []row{{title: "never measured", format: "%.1f"}}}
	r := newResults(programs)
	r.add(work, programs[0], []float64{1, 10})
	r.add(work, programs[0], []float64{3, 10})
	r.add(work, programs[1], []float64{4, 5})
	r.add(work, programs[2], []float64{4, 5})
	r.add(other, programs[0], []float64{6})
	r.fail(work, programs[2], errors.New("broken"))

	var b strings.Builder
	if err := r.write(&b, []scenario{{steps: []step{work, other}}, {steps: []step{never}}}); err != nil {
		t.Fatal(err)
	}
	const want = `| | A | B | C | ÷ B | ÷ C |
| --- | ---: | ---: | ---: | ---: | ---: |
| work | 2.0 | 4.0 | not completed | 0.50 | |
| more | 10 | 5 | not completed | | |
| other way | 6.0 | | | 1.50 | |

C: 2 clients that were left unanswered were replaced, and 3,000 deliveries were out of order.
`
	if b.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestShortTable(t *testing.T) {
	a := &server{name: "a", title: "A"}
	st := step{rows: []row{{title: "one", format: "%.0f"}, {title: "two", format: "%.0f", main: true}}}
	r := newResults([]*server{a})
	r.add(st, a, []float64{1, 2})
	var b strings.Builder
	if err := r.write(&b, []scenario{{steps: []step{st}}}); err != nil {
		t.Fatal(err)
	}
	const want = `| | A |
| --- | ---: |
| two | 2 |

<details><summary>All figures</summary>

| | A |
| --- | ---: |
| one | 1 |
| two | 2 |

</details>
`
	if b.String() != want {
		t.Errorf("tables:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestTitlesAreUnique(t *testing.T) {
	for name, z := range map[string]sizes{"full": fullSizes(), "short": shortSizes()} {
		all := scenarios(z)
		for _, g := range growths(z) {
			all = append(all, g.scenarios...)
		}
		seen := map[string]string{}
		for _, sc := range all {
			for _, st := range sc.steps {
				for _, row := range st.rows {
					// Traffic is measured in two places, in the same way.
					if where, again := seen[row.title]; again && where != "redis" {
						t.Errorf("%s: %s has the row %q of %s", name, sc.name, row.title, where)
					}
					seen[row.title] = sc.name
				}
			}
		}
		for _, sc := range all {
			for _, st := range sc.steps {
				if against := st.rows[0].against; against != "" && seen[against] == "" {
					t.Errorf("%s: %q is compared with %q, which does not exist", name, st.rows[0].title, against)
				}
			}
		}
	}
}

func TestSelect(t *testing.T) {
	tests := []struct {
		names   string
		want    []string
		growths int
	}{
		{"connect,ack", []string{"connect", "ack"}, 0},
		{"room/1000,connect", []string{"connect", "room/1000"}, 0},
		{"room", []string{"room/10", "room/1000", "room/10000"}, 0},
		{"polling", []string{"polling/idle", "polling/ack", "polling/room"}, 0},
		{"growth/rooms,rooms", []string{"rooms"}, 1},
		{"growth", nil, 5},
	}
	for _, tt := range tests {
		selected, err := selectScenarios(scenarios(fullSizes()), tt.names)
		var got []string
		for _, sc := range selected {
			got = append(got, sc.name)
		}
		measured := selectGrowths(growths(fullSizes()), tt.names)
		if err != nil || !slices.Equal(got, tt.want) || len(measured) != tt.growths {
			t.Errorf("%s selects %q and %d growths, %v", tt.names, got, len(measured), err)
		}
	}
	if all, err := selectScenarios(scenarios(fullSizes()), "all"); err != nil || len(all) != len(scenarios(fullSizes())) {
		t.Errorf("all selects %d, %v", len(all), err)
	}
	if _, err := selectScenarios(scenarios(fullSizes()), "idle,nonsense"); !errors.Is(err, errUnknownScenario) {
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
