package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
	programs := []*server{{name: "a", title: "A"}, {name: "b", title: "B"}, {name: "c", title: "C"}}
	work := step{rows: []row{{title: "work", format: "%.1f", main: true}, {title: "more", format: "%.0f", ratio: true}}}
	other := step{rows: []row{{title: "other way", format: "%.1f", against: "work"}}}
	never := step{rows: []row{{title: "never measured", format: "%.1f"}}}
	r := newResults(programs)
	r.add(work, programs[0], []float64{1, 10})
	r.add(work, programs[0], []float64{3, 10})
	r.add(work, programs[1], []float64{4, 5})
	r.add(work, programs[2], []float64{4, 5})
	r.add(other, programs[0], []float64{6})
	r.fail(work, programs[2], errors.New("broken"))

	const head = `| | A | B | C | ÷ B | ÷ C |
| --- | ---: | ---: | ---: | ---: | ---: |
| work | 2.0 | 4.0 | not completed | 0.50 | |
`
	const rest = `| more | 10 | 5 | not completed | | |
| other way | 6.0 | | | 1.50 | |
`
	for mainOnly, want := range map[bool]string{false: head + rest, true: head} {
		if got := r.table([]scenario{{steps: []step{work, other}}, {steps: []step{never}}}, mainOnly); got != want {
			t.Errorf("main rows only: %t: table:\n%s\nwant:\n%s", mainOnly, got, want)
		}
	}
}

func TestFiguresGoToAFile(t *testing.T) {
	a := &server{name: "a", title: "A"}
	r := &runner{lab: &lab{timeout: time.Minute}, servers: []*server{a}, results: newResults([]*server{a}), report: t.Logf}
	file := filepath.Join(t.TempDir(), "FIGURES.md")
	if err := r.table(t.Context(), 1, stubbed([]scenario{{steps: []step{{rows: []row{{title: "work", format: "%.1f"}}}}}}), file); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(page), "# All figures\n") || !strings.HasSuffix(string(page), "\n| work | 1.0 |\n") {
		t.Errorf("the page is %q, %v", page, err)
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
		{"room", []string{"room/1000", "room/10000"}, 0},
		{"polling", []string{"polling/idle", "polling/ack", "polling/room"}, 0},
		{"growth/rooms,redis", []string{"redis"}, 1},
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
