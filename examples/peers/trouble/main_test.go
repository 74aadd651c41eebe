package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is a Go node in the processes that the tests start.
func TestMain(m *testing.M) {
	if os.Getenv(nodeEnv) != "" {
		serveNode()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestChoose(t *testing.T) {
	for names, want := range map[string]int{"": len(scenarios()), "stall": 1, "stall,failover": 2, "stall,none": 0, "none": 0} {
		got, err := choose(names)
		if len(got) != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d scenarios, %v, want %d", names, len(got), err, want)
		}
	}
}

func TestHosted(t *testing.T) {
	var order []string
	note := func(what string) func() { return func() { order = append(order, what) } }
	if !hosted(func(tb testing.TB) {
		tb.Helper()
		tb.Cleanup(note("first"))
		tb.Cleanup(note("second"))
	}) {
		t.Error("a run without failures has failed")
	}
	if len(order) != 2 || order[0] != "second" {
		t.Errorf("cleaned up: %v", order)
	}
	if hosted(func(tb testing.TB) {
		tb.Helper()
		tb.Cleanup(note("third"))
		tb.Fatal("on purpose")
		note("never")()
	}) {
		t.Error("a failure is not reported")
	}
	if len(order) != 3 || order[2] != "third" {
		t.Errorf("cleaned up after a failure: %v", order)
	}
}
