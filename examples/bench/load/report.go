package main

import (
	"fmt"
	"slices"
	"strings"
)

// results holds the figures of all rounds.
type results struct {
	servers []*server
	figures map[cell][]float64
	failed  map[cell]error
	// failures counts the steps of each series that have been tried in vain.
	failures map[series]int
}

// series is what a server does in the steps of that name.
type series struct {
	name   string
	server string
}

// cell is a place in the table.
type cell struct {
	row    string
	server string
}

// newResults returns an empty table for the servers.
func newResults(servers []*server) *results {
	return &results{servers: servers, figures: map[cell][]float64{}, failed: map[cell]error{}, failures: map[series]int{}}
}

// add adds what a step has measured in one round.
func (r *results) add(st step, s *server, figures []float64) {
	for i, figure := range figures {
		c := cell{row: st.rows[i].title, server: s.name}
		r.figures[c] = append(r.figures[c], figure)
	}
}

// fail notes that the server has failed in a step. Its figures are withdrawn.
func (r *results) fail(st step, s *server, err error) {
	if st.series != "" {
		r.failures[series{st.series, s.name}]++
	}
	for _, row := range st.rows {
		c := cell{row: row.title, server: s.name}
		r.failed[c] = err
		delete(r.figures, c)
	}
}

// hasFailed tells whether the server has failed in the step.
func (r *results) hasFailed(st step, s *server) bool {
	return r.failed[cell{row: st.rows[0].title, server: s.name}] != nil
}

// figure returns the median of what was measured, if anything was.
func (r *results) figure(title string, s *server) (figure float64, ok bool) {
	figures := r.figures[cell{row: title, server: s.name}]
	if len(figures) == 0 {
		return 0, false
	}
	return median(figures), true
}

// table returns the medians as Markdown, of all rows or of the main ones: a column
// for each server, then a column with the ratio of the first server to each of the
// others.
func (r *results) table(scenarios []scenario, mainOnly bool) string {
	b := &strings.Builder{}
	b.WriteString("| |")
	for _, s := range r.servers {
		b.WriteString(" " + s.title + " |")
	}
	for _, s := range r.servers[1:] {
		b.WriteString(" ÷ " + s.title + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", 2*len(r.servers)-1) + "\n")
	for _, sc := range scenarios {
		for _, st := range sc.steps {
			for _, row := range st.rows {
				if row.main || !mainOnly {
					r.writeRow(b, row)
				}
			}
		}
	}
	return b.String()
}

// writeRow writes one line of the table, unless there is nothing in it.
func (r *results) writeRow(b *strings.Builder, row row) {
	cells := make([]string, 0, 2*len(r.servers))
	empty := true
	for _, s := range r.servers {
		figure, ok := r.figure(row.title, s)
		switch {
		case r.failed[cell{row.title, s.name}] != nil:
			cells = append(cells, " not completed")
			empty = false
		case ok:
			cells = append(cells, fmt.Sprintf(" "+row.format, figure))
			empty = false
		default:
			cells = append(cells, "")
		}
	}
	if !empty {
		cells = append(cells, r.ratios(row)...)
		b.WriteString("| " + row.title + " |" + strings.Join(cells, " |") + " |\n")
	}
}

// ratios returns the cells with the ratios of a row.
func (r *results) ratios(row row) (cells []string) {
	first, measured := r.figure(row.title, r.servers[0])
	against := row.title
	if row.against != "" {
		against = row.against
	}
	for _, s := range r.servers[1:] {
		if other, ok := r.figure(against, s); !row.ratio && measured && ok && other > 0 {
			cells = append(cells, fmt.Sprintf(" %.2f", first/other))
		} else {
			cells = append(cells, "")
		}
	}
	return cells
}

// median returns the middle of the figures, of which there is at least one; the
// mean of the two in the middle if their number is even.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
