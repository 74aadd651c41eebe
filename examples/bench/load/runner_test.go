package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// rehearse runs scenarios on servers that are not started and returns the calls.
func rehearse(t *testing.T, n int, timeout time.Duration, scenarios func(note func(format string, args ...any)) []scenario, programs ...*server) (*results, []string) {
	t.Helper()
	var calls []string
	note := func(format string, args ...any) { calls = append(calls, fmt.Sprintf(format, args...)) }
	r := &runner{lab: &lab{timeout: timeout}, servers: programs, results: newResults(programs), report: t.Logf}
	if err := r.rounds(t.Context(), n, scenarios(note)); err != nil {
		t.Fatal(err)
	}
	return r.results, calls
}

func TestServersTakeTurns(t *testing.T) {
	a, b := &server{name: "a", features: polls}, &server{name: "b"}
	r, calls := rehearse(t, 2, time.Minute, func(note func(string, ...any)) []scenario {
		named := func(name string, needs feature) scenario {
			return scenario{
				name: name, needs: needs,
				setup: func(_ context.Context, r *rig) error { note("setup %s %s", name, r.server.name); return nil },
				steps: []step{
					{rows: []row{{title: name}}, measure: func(_ context.Context, r *rig) ([]float64, error) {
						note("%s %s", r.name, r.server.name)
						return []float64{1}, nil
					}},
					{rows: []row{{title: name + " with polls"}}, needs: polls, measure: func(context.Context, *rig) ([]float64, error) { return []float64{2}, nil }},
				},
			}
		}
		return []scenario{named("x", 0), named("y", polls)}
	}, a, b)
	round := []string{"setup x a", "x.1 a", "setup x b", "x.1 b", "setup y a", "y.1 a"}
	if want := slices.Concat(round, round); !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	if got := r.figures[cell{"x", "a"}]; !slices.Equal(got, []float64{1, 1}) {
		t.Errorf("figures %v", got)
	}
	if _, ok := r.figure("x with polls", b); ok {
		t.Error("a step that needs what the server does not have was taken")
	}
}

func TestFailedStepsAreNotRepeated(t *testing.T) {
	broken := errors.New("broken")
	a := &server{name: "a"}
	r, calls := rehearse(t, 2, 50*time.Millisecond, func(note func(string, ...any)) []scenario {
		measure := func(name string, err error) step {
			return step{rows: []row{{title: name}}, measure: func(ctx context.Context, _ *rig) ([]float64, error) {
				note("%s", name)
				if name == "hangs" {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return []float64{1}, err
			}}
		}
		return []scenario{{
			name:  "x",
			setup: func(context.Context, *rig) error { note("setup"); return nil },
			steps: []step{measure("works", nil), measure("fails", broken), measure("hangs", nil), measure("works again", nil)},
		}}
	}, a)
	want := []string{"setup", "works", "fails", "setup", "hangs", "setup", "works again", "setup", "works", "works again"}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	if err := r.failed[cell{"fails", "a"}]; !errors.Is(err, broken) {
		t.Errorf("fails has failed with %v", err)
	}
	if err := r.failed[cell{"hangs", "a"}]; !errors.Is(err, errStalled) {
		t.Errorf("hangs has failed with %v", err)
	}
	if got := len(r.figures[cell{"works again", "a"}]); got != 2 {
		t.Errorf("works again has %d figures", got)
	}
	if err := (&runner{servers: []*server{a}, results: r}).failure(); !errors.Is(err, errFailed) {
		t.Errorf("the failure of the first server ends the run with %v", err)
	}
}

func TestASeriesIsGivenUp(t *testing.T) {
	broken := errors.New("broken")
	weak, strong := &server{name: "weak"}, &server{name: "strong"}
	r, calls := rehearse(t, 1, time.Minute, func(note func(string, ...any)) []scenario {
		stepOf := func(name, series string) step {
			return step{rows: []row{{title: name}}, series: series, measure: func(_ context.Context, r *rig) ([]float64, error) {
				note("%s %s", name, r.server.name)
				if r.server == weak {
					return nil, broken
				}
				return []float64{1}, nil
			}}
		}
		setup := func(context.Context, *rig) error { return nil }
		return []scenario{
			{name: "x", setup: setup, steps: []step{stepOf("1", "up"), stepOf("2", "up"), stepOf("3", "up"), stepOf("other", "")}},
			{name: "y", setup: setup, steps: []step{stepOf("4", "up"), stepOf("another", ""), stepOf("down", "down")}},
		}
	}, weak, strong)
	want := []string{
		"1 weak", "2 weak", "other weak", "1 strong", "2 strong", "3 strong", "other strong",
		"another weak", "down weak", "4 strong", "another strong", "down strong",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	for title, want := range map[string]error{"1": broken, "2": broken, "3": errSkipped, "4": errSkipped, "down": broken} {
		if err := r.failed[cell{title, "weak"}]; !errors.Is(err, want) {
			t.Errorf("%s has failed with %v, want %v", title, err, want)
		}
	}
}

func TestStepsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r, _ := rehearse(t, 1, time.Minute, func(func(string, ...any)) []scenario {
			return []scenario{{
				setup: func(context.Context, *rig) error { return nil },
				steps: []step{{rows: []row{{title: "hangs"}}, measure: func(ctx context.Context, _ *rig) ([]float64, error) {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}}},
			}}
		}, &server{name: "a"})
		if took := time.Since(start); took != time.Minute || !errors.Is(r.failed[cell{"hangs", "a"}], errStalled) {
			t.Errorf("ended after %v with %v", took, r.failed)
		}
	})
}

// stubbed replaces what scenarios do: all their figures are 1.
func stubbed(all []scenario) []scenario {
	for i := range all {
		all[i].setup = func(context.Context, *rig) error { return nil }
		all[i].steps = slices.Clone(all[i].steps)
		for j := range all[i].steps {
			st := &all[i].steps[j]
			figures := make([]float64, len(st.rows))
			for k := range figures {
				figures[k] = 1
			}
			st.measure = func(context.Context, *rig) ([]float64, error) { return figures, nil }
		}
	}
	return all
}

// Every figure of the table is a median of as many rounds as were asked for.
func TestNothingIsMeasuredLess(t *testing.T) {
	all, programs := stubbed(scenarios(fullSizes())), servers()
	r, _ := rehearse(t, 5, time.Minute, func(func(string, ...any)) []scenario { return all }, programs...)
	for _, sc := range all {
		for _, st := range sc.steps {
			for _, row := range st.rows {
				for _, s := range programs {
					want := 5
					if (sc.needs|st.needs)&^s.features != 0 {
						want = 0
					}
					if got := len(r.figures[cell{row.title, s.name}]); got != want {
						t.Errorf("%q of %s has %d figures, want %d", row.title, s.name, got, want)
					}
				}
			}
		}
	}
}

func TestFailedSetupFailsTheSteps(t *testing.T) {
	broken := errors.New("broken")
	a, b := &server{name: "a"}, &server{name: "b"}
	r, calls := rehearse(t, 1, time.Minute, func(note func(string, ...any)) []scenario {
		return []scenario{{
			name: "x",
			setup: func(_ context.Context, r *rig) error {
				note("setup %s", r.server.name)
				if r.server == b {
					return broken
				}
				return nil
			},
			steps: []step{{rows: []row{{title: "x"}}, measure: func(context.Context, *rig) ([]float64, error) { return []float64{1}, nil }}},
		}}
	}, a, b)
	if got := strings.Join(calls, ", "); got != "setup a, setup b" {
		t.Errorf("calls %s", got)
	}
	if err := r.failed[cell{"x", "b"}]; !errors.Is(err, broken) {
		t.Errorf("b has failed with %v", err)
	}
	if err := (&runner{servers: []*server{a, b}, results: r}).failure(); err != nil {
		t.Errorf("the failure of another server ends the run with %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &server{name: "a"}
	r := &runner{lab: &lab{timeout: time.Minute}, servers: []*server{s}, results: newResults([]*server{s}), report: t.Logf}
	err := r.rounds(ctx, 1, []scenario{{
		setup: func(context.Context, *rig) error { return nil },
		steps: []step{{rows: []row{{title: "x"}}, measure: func(context.Context, *rig) ([]float64, error) {
			cancel()
			return nil, errStalled
		}}},
	}})
	if !errors.Is(err, context.Canceled) || len(r.results.failed) > 0 {
		t.Errorf("rounds = %v, failures %v", err, r.results.failed)
	}
}
