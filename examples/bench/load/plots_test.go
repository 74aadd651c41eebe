package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/bench/load/chart"
)

func TestPlots(t *testing.T) {
	z, s := fullSizes(), &server{name: "a", title: "A server"}
	folder := filepath.Join(t.TempDir(), "new")
	r := lawful(z, s)
	r.failed[cell{clientsTitle(18_000), s.name}] = errStalled
	delete(r.figures, cell{clientsTitle(18_000), s.name})
	notes, err := r.plots(folder, growths(z))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"clients.svg: A server: not completed at 18,000 clients."}; !slices.Equal(notes, want) {
		t.Errorf("notes %q, want %q", notes, want)
	}
	for name, points := range map[string]int{"clients": 4, "rooms": 0, "members": 5, "bytes": 0, "instances": 4} {
		svg, err := os.ReadFile(filepath.Join(folder, name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		markers := points
		if points > 0 {
			markers++ // in the legend
		}
		if got := strings.Count(string(svg), `class="m0"`); got != markers {
			t.Errorf("%s has %d markers, want %d", name, got, markers)
		}
		if got := strings.Count(string(svg), "not completed"); got != len(notes) && name == "clients" || got != 0 && name != "clients" {
			t.Errorf("%s says %d times that something was not completed", name, got)
		}
	}
}

func TestLines(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name     string
		measured []any // for each of 1, 10, 100 and 1,000: a figure or an error
		points   []chart.Point
		note     string
	}{
		{"everything", []any{4.0, 3.0, 2.0, 1.0}, []chart.Point{{X: 1, Y: 4}, {X: 10, Y: 3}, {X: 100, Y: 2}, {X: 1000, Y: 1}}, ""},
		{"not measured", nil, nil, ""},
		{
			"one missing",
			[]any{4.0, broken, 2.0, 1.0},
			[]chart.Point{{X: 1, Y: 4}, {X: 100, Y: 2}, {X: 1000, Y: 1}},
			"A: not completed at 10 rooms.",
		},
		{
			"given up",
			[]any{errSkipped, broken, broken, 1.0},
			[]chart.Point{{X: 1000, Y: 1}},
			"A: not completed at 10 and 100 rooms and not tried further.",
		},
		{"nothing", []any{broken, broken, broken, broken}, nil, "A: not completed at 1, 10, 100 and 1,000 rooms."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{name: "a", title: "A"}
			r := newResults([]*server{s, {name: "y", title: "yardstick", yardstick: true}})
			g := &growth{name: "rooms"}
			for i, n := range []int{1, 10, 100, 1000} {
				p := point{x: n, title: thousands(n)}
				g.points = append(g.points, p)
				r.enter(s, p.title, tt.measured, i)
			}
			c := r.plot(g)
			if len(c.Lines) != 1 || c.Lines[0].Name != "A" || !slices.Equal(c.Lines[0].Points, tt.points) {
				t.Errorf("lines %+v, want one with %v", c.Lines, tt.points)
			}
			if got := strings.Join(c.Notes, "|"); got != tt.note {
				t.Errorf("note %q, want %q", got, tt.note)
			}
			for _, p := range c.Lines[0].Points {
				if p.Y == 0 {
					t.Errorf("drawn as zero: %+v", p)
				}
			}
		})
	}
}

// enter enters the outcome at i, if there is one, as what a step has measured.
func (r *results) enter(s *server, title string, outcomes []any, i int) {
	if i >= len(outcomes) {
		return
	}
	st := step{rows: []row{{title: title}}}
	switch o := outcomes[i].(type) {
	case float64:
		r.add(st, s, []float64{o})
	case error:
		r.fail(st, s, o)
	}
}

// What is plotted of whom: the Go peer has everything but a cluster.
func TestGrowthsOfServers(t *testing.T) {
	all := growths(fullSizes())
	var scenarios []scenario
	for _, g := range all {
		scenarios = append(scenarios, stubbed(g.scenarios)...)
	}
	programs := contenders(servers())
	r, _ := rehearse(t, 1, time.Minute, func(func(string, ...any)) []scenario { return scenarios }, programs...)
	for _, s := range programs {
		for _, g := range all {
			peer := s.name == "zishang"
			for _, p := range g.points {
				if _, ok := r.figure(p.title, s); ok != (!peer || g.name != "instances") {
					t.Errorf("%s has a figure for %d %s: %t", s.name, p.x, g.name, ok)
				}
			}
		}
	}
	if slices.ContainsFunc(programs, func(s *server) bool { return s.name == "plain" }) {
		t.Error("the yardstick is plotted")
	}
}

func TestManyRoomsComeFirst(t *testing.T) {
	g := growthOfRooms(fullSizes())
	for i, p := range g.points {
		sc := g.scenarios[len(g.scenarios)-1-i]
		if sc.steps[0].rows[0].title != p.title || i > 0 && p.x <= g.points[i-1].x {
			t.Errorf("point %d, %d rooms, is measured by %q", i, p.x, sc.steps[0].rows[0].title)
		}
	}
}
