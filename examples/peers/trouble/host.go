package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// A host stands in for a test where package peers wants one: it ends what was started, and ends the run when something fails.
type host struct {
	testing.TB // for the methods that nothing here calls

	cleanups []func()
	failed   bool
}

// hosted runs f and then everything that was registered with Cleanup. It reports false if f failed.
func hosted(f func(tb testing.TB)) bool {
	h, done := &host{}, make(chan struct{})
	go func() { // which Fatalf can end
		defer close(done)
		defer h.cleanup()
		f(h)
	}()
	<-done
	return !h.failed
}

func (h *host) cleanup() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
}

func (h *host) Helper()          {}
func (h *host) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }
func (h *host) Failed() bool     { return h.failed }

func (h *host) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (h *host) Errorf(format string, args ...any) {
	h.failed = true
	h.Logf(format, args...)
}

func (h *host) Fatalf(format string, args ...any) {
	h.Errorf(format, args...)
	runtime.Goexit()
}

func (h *host) Fatal(args ...any) { h.Fatalf("%s", fmt.Sprint(args...)) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "trouble-")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) }) // the system clears what is left
	return dir
}
