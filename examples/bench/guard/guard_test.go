package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test's own program be the server, as the guard's is.
func TestMain(m *testing.M) {
	if served, err := runAsServer(); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// newGuard returns a guard of a record of this platform, and what it prints.
func newGuard(t *testing.T, text string) (*guard, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	r := mustRead(t, text)
	r.stamp()
	return &guard{record: r, out: out, only: regexp.MustCompile("")}, out
}

// series returns a measurement that yields one value after the other, the last one again
// and again.
func series(calls *int, values ...float64) func() (figures, error) {
	return func() (figures, error) {
		v := values[min(*calls, len(values)-1)]
		*calls++
		return figures{"allocs": v}, nil
	}
}

func TestWhatHasRisenIsMeasuredAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		values   []float64
		measured int
		want     error
		prints   string
	}{
		{"as recorded", []float64{2}, 1, nil, "guard: 1 operations and benchmarks cost no more than recorded\n"},
		{"disturbed once", []float64{7, 2}, 2, nil, "guard: 1 operations and benchmarks cost no more than recorded\n"},
		{"disturbed five times", []float64{7, 5, 6, 7, 8, 2}, 6, nil, "guard: 1 operations and benchmarks cost no more than recorded\n"},
		{"risen", []float64{5, 3, 4}, 6, errRisen, "guard: ack: 2 allocs have risen to 3\n"},
		{"fallen", []float64{1}, 1, nil, "guard: ack: 2 allocs have fallen to 1: run this with -update to keep it so\n" +
			"guard: 1 operations and benchmarks cost no more than recorded\n"},
	} {
		g, out := newGuard(t, "ack allocs 2")
		calls := 0
		if err := g.treat("ack", nil, series(&calls, test.values...)); err != nil {
			t.Fatal(err)
		}
		if err := g.report(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if calls != test.measured || out.String() != test.prints {
			t.Errorf("%s: measured %d times, printed %q; want %d, %q", test.name, calls, out, test.measured, test.prints)
		}
	}
}

func TestWhatIsNotRecordedOrNotMeasuredFails(t *testing.T) {
	t.Parallel()
	g, out := newGuard(t, "ack allocs 2\ngone allocs 1")
	calls := 0
	for _, name := range []string{"ack", "new"} {
		if err := g.treat(name, nil, series(&calls, 2)); err != nil {
			t.Fatal(err)
		}
	}
	want := "guard: new: 2 allocs, of which nothing is recorded\nguard: gone is recorded but there is no such thing any more\n"
	if err := g.report(); !errors.Is(err, errRisen) || out.String() != want {
		t.Errorf("%v, printed %q, want %q", err, out, want)
	}
}

func TestAnotherPlatformIsToldOf(t *testing.T) {
	t.Parallel()
	g, out := newGuard(t, "ack allocs 2")
	g.record.head = []string{"# Recorded with go1.0 on plan9/386."}
	calls := 0
	if err := g.treat("ack", nil, series(&calls, 3)); err != nil {
		t.Fatal(err)
	}
	if err := g.report(); !errors.Is(err, errRisen) || !strings.Contains(out.String(), "the record is of another platform; this one is go") {
		t.Errorf("%v, printed %q", err, out)
	}
	g.record.stamp()
	if want := []string{platform()}; !slices.Equal(g.record.head, want) {
		t.Errorf("the head is %q, want %q", g.record.head, want)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	g, _ := newGuard(t, "ack allocs 2±1 # why")
	g.update = true
	calls := 0
	for _, name := range []string{"ack", "new"} {
		if err := g.treat(name, tolerances, series(&calls, 9, 1, 7)); err != nil {
			t.Fatal(err)
		}
	}
	want := "ack  allocs 7±1         # why\nnew  allocs 7±0.25\n"
	want = platform() + "\n\n" + want
	if got := g.record.String(); got != want || calls != 2*samples {
		t.Errorf("recorded %q after %d measurements, want %q after 6", got, calls, want)
	}
}

func TestMeasuringFails(t *testing.T) {
	t.Parallel()
	g, _ := newGuard(t, "ack allocs 2")
	broken := errors.New("broken")
	if err := g.treat("ack", nil, func() (figures, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestOperations does each operation against a real server, a few times.
func TestOperations(t *testing.T) {
	t.Parallel()
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			if op.settings.pingInterval > 0 || strings.HasSuffix(op.name, "in-flight") || op.pollers > 1 {
				op.warm = op.n / 5
			}
			op.n = max(op.n/5, 1)
			f, detail, err := measure(t.Context(), op, false)
			if err != nil || detail != "" || len(f) != 1 || f["allocs"] < 0 {
				t.Errorf("%v, %q, %v", f, detail, err)
			}
		})
	}
}

// TestGuardFails shows that the whole of it can fail: an acknowledgement costs a write, and a record that
// knows of none is exceeded.
func TestGuardFails(t *testing.T) {
	if !canTrace() {
		t.Skip("strace is not there or may not trace")
	}
	op := operations()[0]
	op.n = 50
	f, detail, err := measure(t.Context(), op, true)
	if err != nil {
		t.Fatal(err)
	}
	if f["writes"] < 1 || f["writes"] > 2 || f["reads"] < 1 || !strings.Contains(detail, "sendto") {
		t.Fatalf("an acknowledgement costs %v: %s", f, detail)
	}
	g, out := newGuard(t, "ack allocs 1000 reads 1000 writes 0.5 waits 1000 others 1000")
	if err := g.treat(op.name, nil, func() (figures, error) { return f, nil }); err != nil {
		t.Fatal(err)
	}
	if err := g.report(); !errors.Is(err, errRisen) || !strings.Contains(out.String(), "ack: 0.5 writes have risen to ") {
		t.Errorf("%v, printed %s", err, out)
	}
}
