package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// errRecord is wrapped by the errors that say what is wrong with a record.
var errRecord = errors.New("reading the record")

// kinds are the figures that a cost can have, in the order in which they are written.
var kinds = [...]string{"allocs", "reads", "writes", "waits", "others"}

// figures are what one operation costs, by kind. A kind that was not measured is
// missing.
type figures map[string]float64

// recorded is a figure of the record.
type recorded struct {
	value     float64
	tolerance float64
}

// line is what the record says of one operation or benchmark.
type line struct {
	name    string
	figures map[string]recorded
	reason  string // why figures vary, as far as they do
}

// record is a file of costs.
type record struct {
	head  []string // the comment that the file starts with
	lines []line
}

// readRecord reads a file of costs.
func readRecord(path string) (*record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	r := &record{}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; sc.Scan(); n++ {
		text := strings.TrimSpace(sc.Text())
		switch {
		case strings.HasPrefix(text, "#") && len(r.lines) == 0:
			r.head = append(r.head, text)
		case text == "", strings.HasPrefix(text, "#"):
		default:
			l, err := parseLine(text)
			if err != nil {
				return nil, fmt.Errorf("%w: %s:%d: %w", errRecord, path, n, err)
			}
			if r.find(l.name) != nil {
				return nil, fmt.Errorf("%w: %s:%d: %s is there twice", errRecord, path, n, l.name)
			}
			r.lines = append(r.lines, l)
		}
	}
	return r, sc.Err()
}

// parseLine parses a line of the record.
func parseLine(text string) (line, error) {
	text, reason, _ := strings.Cut(text, "#")
	fields := strings.Fields(text)
	if len(fields)%2 == 0 {
		return line{}, fmt.Errorf("a name and pairs of a kind and a figure are wanted: %q", text)
	}
	l := line{name: fields[0], figures: make(map[string]recorded), reason: strings.TrimSpace(reason)}
	for i := 1; i < len(fields); i += 2 {
		if !isKind(fields[i]) {
			return line{}, fmt.Errorf("%q is no kind of figure", fields[i])
		}
		value, tolerance, varies := strings.Cut(fields[i+1], "±")
		f := recorded{}
		var err error
		if f.value, err = strconv.ParseFloat(value, 64); err != nil {
			return line{}, err
		}
		if varies {
			if f.tolerance, err = strconv.ParseFloat(tolerance, 64); err != nil {
				return line{}, err
			}
		}
		l.figures[fields[i]] = f
	}
	return l, nil
}

func isKind(s string) bool {
	for _, k := range kinds {
		if k == s {
			return true
		}
	}
	return false
}

// find returns the line of an operation, or nil.
func (r *record) find(name string) *line {
	for i := range r.lines {
		if r.lines[i].name == name {
			return &r.lines[i]
		}
	}
	return nil
}

// set records what an operation costs now. Tolerances and reasons stay; a figure
// that is new gets that of its kind.
func (r *record) set(name string, now figures, tolerances map[string]float64) {
	l := r.find(name)
	if l == nil {
		r.lines = append(r.lines, line{name: name, figures: make(map[string]recorded)})
		l = &r.lines[len(r.lines)-1]
	}
	for kind, value := range now {
		f, known := l.figures[kind]
		if !known {
			f.tolerance = tolerances[kind]
		}
		f.value = value
		l.figures[kind] = f
	}
}

// platform says what the costs belong to: the allocations of net/http are among them.
func platform() string {
	return fmt.Sprintf("# Recorded with %s on %s/%s.", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// stamp writes into the head of the record what it was recorded with.
func (r *record) stamp() {
	r.head = slices.DeleteFunc(r.head, func(h string) bool { return strings.HasPrefix(h, "# Recorded with ") })
	r.head = append(r.head, platform())
}

// keep drops the lines that wanted does not report.
func (r *record) keep(wanted func(name string) bool) {
	kept := r.lines[:0]
	for _, l := range r.lines {
		if wanted(l.name) {
			kept = append(kept, l)
		}
	}
	r.lines = kept
}

// String returns the record as it is written to its file, in columns.
func (r *record) String() string {
	var b strings.Builder
	for _, h := range r.head {
		b.WriteString(h + "\n")
	}
	if len(r.head) > 0 {
		b.WriteString("\n")
	}
	width := 0
	for _, l := range r.lines {
		width = max(width, len(l.name))
	}
	for _, l := range r.lines {
		b.WriteString(l.text(width) + "\n")
	}
	return b.String()
}

// text returns the line, with a name of the given width.
func (l line) text(width int) string {
	parts := []string{fmt.Sprintf("%-*s", width, l.name)}
	for _, kind := range kinds {
		if f, ok := l.figures[kind]; ok {
			parts = append(parts, fmt.Sprintf("%s %-*s", kind, column, f))
		}
	}
	if l.reason != "" {
		parts = append(parts, "# "+l.reason)
	}
	return strings.TrimRight(strings.Join(parts, "  "), " ")
}

// column is the width of a figure.
const column = 10

// String returns the figure with its tolerance.
func (f recorded) String() string {
	if f.tolerance == 0 {
		return number(f.value)
	}
	return number(f.value) + "±" + number(f.tolerance)
}

// number formats a figure with as many digits as it deserves: two behind the point.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
