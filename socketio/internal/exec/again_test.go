package exec

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Quiet waits for the tasks of its time, again and again, whoever runs them.
func TestQuietAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool()
		for round := range 4 {
			start := time.Now()
			if err := p.Quiet(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Go(task(func() { time.Sleep(time.Second) }))
			if !p.Begin() {
				t.Fatal("an open pool takes no task")
			}
			go func() {
				time.Sleep(2 * time.Second)
				p.End()
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			if err := p.Quiet(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("round %d: while both run: %v", round, err)
			}
			cancel()
			for range 2 { // the second finds it quiet
				if err := p.Quiet(t.Context()); err != nil || time.Since(start) != 2*time.Second {
					t.Errorf("round %d: after %v: %v", round, time.Since(start), err)
				}
			}
		}
		closePool(t, p)
	})
}

// Everybody who waits for quiet is told.
func TestQuietForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool()
		for range 2 {
			told := make(chan struct{}, 5)
			p.Begin()
			for range cap(told) {
				go func() {
					if err := p.Quiet(t.Context()); err != nil {
						t.Error(err)
					}
					told <- struct{}{}
				}()
			}
			synctest.Wait()
			if len(told) > 0 {
				t.Error("told while a task runs")
			}
			p.End()
			synctest.Wait()
			if done := len(told); done != cap(told) {
				t.Errorf("%d were told, want %d", done, cap(told))
			}
		}
		closePool(t, p)
	})
}

// A closed pool counts no more tasks, and closing it again waits for those that still
// run.
func TestCloseAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool()
		p.Begin()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed while a task runs: %v", err)
		}
		if p.Begin() || p.Go(task(func() {})) {
			t.Error("a closed pool takes a task")
		}
		p.End()
		closePool(t, p)
		closePool(t, p)
	})
}

// As many goroutines are kept for each processor as documented, and no more.
func TestKeepsSomeForEachProcessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool()
		want := 8 * runtime.GOMAXPROCS(0)
		for range 3 {
			for range 3 * want {
				p.Go(task(func() { time.Sleep(time.Second) }))
			}
			if err := p.Quiet(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := len(p.idle); got != want {
				t.Errorf("%d are kept, want %d", got, want)
			}
		}
		closePool(t, p)
	})
}
