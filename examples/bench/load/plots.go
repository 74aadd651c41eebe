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
		line, note := r.line(g, s)
		c.Lines = append(c.Lines, line)
		if note != "" {
			c.Notes = append(c.Notes, note)
		}
	}
	return c
}

// line returns the line of a server through the points that it has completed, and
// a note on the others if there are any.
func (r *results) line(g *growth, s *server) (line chart.Line, note string) {
	line.Name = s.title
	var failed []string
	skipped := false
	for _, p := range g.points {
		figure, ok := r.figure(p.title, s)
		switch err := r.failed[cell{p.title, s.name}]; {
		case ok:
			line.Points = append(line.Points, chart.Point{X: float64(p.x), Y: figure})
		case errors.Is(err, errSkipped):
			skipped = true
		case err != nil:
			failed = append(failed, thousands(p.x))
		}
	}
	if len(failed) > 0 {
		note = fmt.Sprintf("%s: not completed at %s %s", s.title, enumerate(failed), g.name)
		if skipped {
			note += " and not tried further"
		}
		note += "."
	}
	return line, note
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
