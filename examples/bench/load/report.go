package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// results holds the figures of all rounds.
type results struct {
	servers []*server
	figures map[cell][]float64
	failed  map[string]error // by scenario and server
}

// cell is a place in the table.
type cell struct {
	row    string
	server string
}

// newResults returns an empty table for the servers.
func newResults(servers []*server) *results {
	return &results{servers: servers, figures: map[cell][]float64{}, failed: map[string]error{}}
}

// add adds what a scenario has measured in one round.
func (r *results) add(sc scenario, s *server, figures []float64) {
	for i, figure := range figures {
		c := cell{row: sc.rows[i].title, server: s.name}
		r.figures[c] = append(r.figures[c], figure)
	}
}

// fail notes that the server has failed in the scenario. Its figures are
// withdrawn.
func (r *results) fail(sc scenario, s *server, err error) {
	r.failed[sc.name+" "+s.name] = err
	for _, row := range sc.rows {
		delete(r.figures, cell{row: row.title, server: s.name})
	}
}

// hasFailed tells whether the server has failed in the scenario.
func (r *results) hasFailed(sc scenario, s *server) bool {
	return r.failed[sc.name+" "+s.name] != nil
}

// write writes the medians as a Markdown table: a column for each server, then
// a column with the ratio of the first server to each of the others.
func (r *results) write(w io.Writer, scenarios []scenario) error {
	var b strings.Builder
	b.WriteString("| |")
	for _, s := range r.servers {
		b.WriteString(" " + s.title + " |")
	}
	for _, s := range r.servers[1:] {
		b.WriteString(" " + r.servers[0].title + " ÷ " + s.title + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", 2*len(r.servers)-1) + "\n")
	for _, sc := range scenarios {
		for _, row := range sc.rows {
			r.writeRow(&b, sc, row)
		}
	}
	for _, s := range r.servers {
		if f := s.flaws; f != nil && *f != (flaws{}) {
			fmt.Fprintf(&b, "\n%s left %d clients unanswered, which were replaced, and delivered %d broadcasts out of order.\n",
				s.title, f.hung, f.reordered)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// writeRow writes one line of the table.
func (r *results) writeRow(b *strings.Builder, sc scenario, row row) {
	b.WriteString("| " + row.title + " |")
	for _, s := range r.servers {
		switch figures := r.figures[cell{row.title, s.name}]; {
		case r.hasFailed(sc, s):
			b.WriteString(" failed |")
		case len(figures) == 0:
			b.WriteString(" - |")
		default:
			fmt.Fprintf(b, " "+row.format+" |", median(figures))
		}
	}
	first := r.figures[cell{row.title, r.servers[0].name}]
	for _, s := range r.servers[1:] {
		if other := r.figures[cell{row.title, s.name}]; !row.ratio && len(first) > 0 && len(other) > 0 && median(other) > 0 {
			fmt.Fprintf(b, " %.2f |", median(first)/median(other))
		} else {
			b.WriteString(" - |")
		}
	}
	b.WriteString("\n")
}

// median returns the middle of the figures, of which there is at least one; the
// mean of the two in the middle if their number is even.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
