package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tolerated is how many steps of a series a server may fail in until the rest of
// them are skipped.
const tolerated = 2

// errSkipped is the failure of a step that has not been tried.
var errSkipped = errors.New("not tried, after failures in easier steps")

// runner runs scenarios against servers and collects their figures.
type runner struct {
	lab     *lab
	servers []*server
	results *results
	report  func(format string, args ...any)
}

// rounds runs all scenarios n times. The servers take turns within a scenario.
func (r *runner) rounds(ctx context.Context, n int, selected []scenario) error {
	for round := range n {
		for _, sc := range selected {
			for _, s := range r.servers {
				if missing := sc.needs &^ s.features; missing != 0 {
					continue
				}
				start := time.Now()
				r.scenario(ctx, sc, s)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				r.report("round %d, %s, %s: %v", round+1, sc.name, s.name, time.Since(start).Round(10*time.Millisecond))
			}
		}
	}
	return nil
}

// scenario takes the steps of a scenario on one rig. After one that fails, the
// next has a rig of its own; what has failed once is not tried again, nor is what
// is harder than two that have failed.
func (r *runner) scenario(ctx context.Context, sc scenario, s *server) {
	var g *rig
	defer func() { r.dispose(&g) }()
	for i, st := range sc.steps {
		if st.needs&^s.features != 0 || r.results.hasFailed(st, s) || ctx.Err() != nil {
			continue
		}
		if r.results.failures[series{st.series, s.name}] >= tolerated {
			r.results.fail(st, s, errSkipped)
			continue
		}
		figures, err := r.step(ctx, sc, i, s, &g)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.report("%s, %s, %s: failed: %v", sc.name, s.name, st.rows[0].title, err)
			r.results.fail(st, s, err)
			r.dispose(&g)
			continue
		}
		r.report("%s: %s: %.3g", s.name, st.rows[0].title, figures)
		r.results.add(st, s, figures)
	}
}

// step takes one step within the timeout, after the setup if there is no rig.
func (r *runner) step(ctx context.Context, sc scenario, i int, s *server, g **rig) ([]float64, error) {
	late := fmt.Errorf("%w: not finished after %v", errStalled, r.lab.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, r.lab.timeout, late)
	defer cancel()
	if *g == nil {
		var err error
		if *g, err = setUp(ctx, r.lab, sc, s); err != nil {
			return nil, err
		}
	}
	(*g).name = fmt.Sprintf("%s.%d", sc.name, i+1)
	figures, err := sc.steps[i].measure(ctx, *g)
	return figures, (*g).explain(err)
}

// dispose closes a rig, if there is one.
func (r *runner) dispose(g **rig) {
	if *g == nil {
		return
	}
	if err := (*g).close(); err != nil {
		r.report("%s: closing the clients: %v", (*g).server.name, err)
	}
	*g = nil
}

// stormAll runs the storms against each of the servers.
func (r *runner) stormAll(ctx context.Context) error {
	var errs []error
	for _, s := range r.servers {
		if err := storm(ctx, r.lab, s, r.report); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.title, err))
		}
	}
	return errors.Join(errs...)
}
