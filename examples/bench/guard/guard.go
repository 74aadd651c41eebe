package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	// samples is how often something is measured that is to be recorded.
	samples = 3
	// attempts is how often something is measured, at the most, that seems to have risen.
	attempts = 6
)

// guard compares costs with a record, or changes the record.
type guard struct {
	root    string
	record  *record
	out     io.Writer
	verbose bool
	update  bool
	traced  bool
	only    *regexp.Regexp

	measured map[string]bool
	risen    []change
	fallen   []change
}

// operations treats the operations of a server.
func (g *guard) operations(ctx context.Context) error {
	for _, op := range operations() {
		if !g.only.MatchString(op.name) {
			continue
		}
		err := g.treat(op.name, tolerances, func() (figures, error) {
			f, detail, err := measure(ctx, op, g.traced)
			if g.verbose {
				fmt.Fprintf(g.out, "%s: %s allocs; %s\n", op.name, number(f["allocs"]), detail)
			}
			return f, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tolerances are those of figures that are recorded for the first time.
var tolerances = map[string]float64{"allocs": 0.25, "reads": 0.1, "writes": 0.1, "waits": 0.25, "others": 0.1}

// benchmarks treats the benchmarks of the library's packages.
func (g *guard) benchmarks(ctx context.Context) error {
	packages, err := packagesWithBenchmarks(g.root)
	if err != nil {
		return err
	}
	if g.only.String() != "" {
		packages = slices.DeleteFunc(packages, func(dir string) bool { return !g.mayHave(dir) })
	}
	if len(packages) == 0 {
		return nil
	}
	results, err := runBenchmarks(ctx, g.root, ".", packages...)
	if err != nil {
		return err
	}
	for _, b := range results {
		if !g.only.MatchString(b.label()) {
			continue
		}
		first := true
		err := g.treat(b.label(), nil, func() (figures, error) {
			if first || g.update {
				first = false
				return b.f, nil
			}
			return again(ctx, g.root, b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mayHave tells whether some recorded benchmark of a package is asked for.
func (g *guard) mayHave(dir string) bool {
	prefix := path.Base(dir) + "."
	return slices.ContainsFunc(g.record.lines, func(l line) bool {
		return strings.HasPrefix(l.name, prefix) && g.only.MatchString(l.name)
	})
}

// again runs one benchmark once more.
func again(ctx context.Context, root string, b benchmark) (figures, error) {
	function, _, _ := strings.Cut(b.name, "/")
	results, err := runBenchmarks(ctx, root, "^Benchmark"+function+"$", b.pkg)
	for _, r := range results {
		if r.name == b.name {
			return r.f, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: %s is gone", errBenchmarks, b.label())
	}
	return nil, err
}

// treat measures something and compares it, or rewrites its record. What seems to have risen is measured
// again: what has disturbed it only adds, so the least counts.
func (g *guard) treat(name string, tolerance map[string]float64, measure func() (figures, error)) error {
	if g.measured == nil {
		g.measured = make(map[string]bool)
	}
	g.measured[name] = true
	if g.update {
		return g.rewrite(name, tolerance, measure)
	}
	var now figures
	for n := range attempts {
		f, err := measure()
		if err != nil {
			return err
		}
		if n > 0 {
			f = least(f, now)
		}
		now = f
		risen, fallen := compare(g.record, name, now)
		if len(risen) > 0 && n < attempts-1 && !risen[0].new {
			continue
		}
		g.risen, g.fallen = append(g.risen, risen...), append(g.fallen, fallen...)
		break
	}
	return nil
}

// rewrite measures something and records the median.
func (g *guard) rewrite(name string, tolerance map[string]float64, measure func() (figures, error)) error {
	var all [samples]figures
	for n := range all {
		var err error
		if all[n], err = measure(); err != nil {
			return err
		}
	}
	g.record.set(name, median(all[:]), tolerance)
	return nil
}

// print prints what has changed.
func (g *guard) print() {
	for _, c := range g.fallen {
		fmt.Fprintf(g.out, "guard: %s: run this with -update to keep it so\n", c)
	}
	for _, c := range g.risen {
		fmt.Fprintf(g.out, "guard: %s\n", c)
	}
}

// report prints what has changed. It returns an error if something has risen, or has not
// been measured although it is recorded.
func (g *guard) report() error {
	g.print()
	missing := 0
	for _, l := range g.record.lines {
		if g.only.MatchString(l.name) && !g.measured[l.name] {
			fmt.Fprintf(g.out, "guard: %s is recorded but there is no such thing any more\n", l.name)
			missing++
		}
	}
	if len(g.risen) > 0 || missing > 0 {
		if !slices.Contains(g.record.head, platform()) {
			fmt.Fprintf(g.out, "guard: the record is of another platform; this one is %s\n", strings.TrimPrefix(platform(), "# Recorded with "))
		}
		return errRisen
	}
	fmt.Fprintf(g.out, "guard: %d operations and benchmarks cost no more than recorded\n", len(g.measured))
	return nil
}
