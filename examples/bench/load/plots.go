package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/examples/bench/load/chart"
)

// plots writes the plot of each growth that has been measured to a folder. It
// returns what had to be said in them, by the names of the files.
func (r *results) plots(folder string, measured []*growth) (notes []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for the plots: %w", err)
	}
	for _, g := range measured {
		c, file := r.plot(g), g.name+".svg"
		for _, note := range c.Notes {
			notes = append(notes, file+": "+note)
		}
		if err := os.WriteFile(filepath.Join(folder, file), c.SVG(), 0o644); err != nil {
			return nil, fmt.Errorf("writing a plot: %w", err)
		}
	}
	return notes, nil
}

// plot returns the chart of a growth, with a line for each server that has
// completed some of its points and notes on those that have not completed all.
func (r *results) plot(g *growth) chart.Chart {
	c := g.chart
	for _, s := range contenders(r.servers) {
		line, notes := r.line(g, s)
		c.Lines = append(c.Lines, line)
		c.Notes = append(c.Notes, notes...)
	}
	return c
}

// line returns the line of a server, and what has to be said of it. A server that
// loses broadcasts has a line with one in flight if it has next to none with more.
func (r *results) line(g *growth, s *server) (line chart.Line, notes []string) {
	t := r.track(g, s, func(p point) string { return p.title })
	line = chart.Line{Name: s.title, Points: t.points}
	if t.complete() {
		return line, nil
	}
	alone := r.track(g, s, func(p point) string { return p.alone })
	if len(t.points) > 1 || len(alone.points) == 0 {
		return line, []string{fmt.Sprintf("%s: %s.", s.title, t.missing(g))}
	}
	line = chart.Line{Name: s.title + ", 1 in flight", Points: alone.points}
	notes = append(notes, fmt.Sprintf("%s: %d in flight %s; its line is with 1 in flight.", s.title, growthWindow, t.missing(g)))
	if !alone.complete() {
		notes = append(notes, fmt.Sprintf("%s: %s.", line.Name, alone.missing(g)))
	}
	return line, notes
}

// track is what there is of a line: the points that were completed, and those
// at which the server has failed.
type track struct {
	points  []chart.Point
	failed  []string
	skipped bool // some points have not been tried
}

// track returns what a server has in the rows of a growth.
func (r *results) track(g *growth, s *server, row func(point) string) track {
	var t track
	for _, p := range g.points {
		title := row(p)
		figure, ok := r.figure(title, s)
		switch err := r.failed[cell{title, s.name}]; {
		case ok:
			t.points = append(t.points, chart.Point{X: float64(p.x), Y: figure})
		case errors.Is(err, errSkipped):
			t.skipped = true
		case err != nil:
			t.failed = append(t.failed, thousands(p.x))
		}
	}
	return t
}

// complete tells whether no point is missing.
func (t track) complete() bool { return len(t.failed) == 0 && !t.skipped }

// missing tells which points are.
func (t track) missing(g *growth) string {
	said := "not completed at " + enumerate(t.failed) + " " + g.name
	if t.skipped {
		said += " and not tried further"
	}
	return said
}

// enumerate joins words as a sentence does.
func enumerate(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// contenders are the servers that are plotted.
func contenders(all []*server) []*server {
	return slices.DeleteFunc(slices.Clone(all), func(s *server) bool { return s.yardstick })
}
