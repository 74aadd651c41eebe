package exec

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type task func()

func (t task) Run() { t() }

func closePool(t *testing.T, p *Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatalf("close pool: %v", err)
	}
}

func TestEveryTaskRunsOnce(t *testing.T) {
	p := NewPool()
	var ran atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if !p.Go(task(func() { ran.Add(1) })) {
					t.Error("task refused by an open pool")
				}
			}
		})
	}
	wg.Wait()
	closePool(t, p)
	if got := ran.Load(); got != 4000 {
		t.Fatalf("ran %d tasks of 4000", got)
	}
}

func TestTasksDoNotWaitForEachOther(t *testing.T) {
	p := NewPool()
	const n = 300 // more than are kept idle
	var started sync.WaitGroup
	started.Add(n)
	release := make(chan struct{})
	for range n {
		p.Go(task(func() { started.Done(); <-release }))
	}
	started.Wait()
	close(release)
	closePool(t, p)
}

func TestIdleWorkersAreReusedAndBounded(t *testing.T) {
	p := NewPool()
	var wg sync.WaitGroup
	for range 10 * p.keep {
		wg.Add(1)
		p.Go(task(wg.Done))
	}
	wg.Wait()
	if err := p.Quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	idle := len(p.idle)
	p.mu.Unlock()
	if idle == 0 || idle > p.keep {
		t.Fatalf("%d idle workers, want 1 to %d", idle, p.keep)
	}
	closePool(t, p)
}

func TestGoexitDoesNotStopThePool(t *testing.T) {
	p := NewPool()
	for range 3 {
		p.Go(task(runtime.Goexit))
	}
	ran := make(chan struct{})
	p.Go(task(func() { close(ran) }))
	<-ran
	closePool(t, p)
}

func TestClosedPoolRefuses(t *testing.T) {
	p := NewPool()
	closePool(t, p)
	if p.Go(task(func() { t.Error("ran after Close") })) {
		t.Fatal("a closed pool took a task")
	}
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool()
		release := make(chan struct{})
		p.Go(task(func() { <-release }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a deadline error", err)
		}
		close(release)
		closePool(t, p)
	})
}

func TestReusingAWorkerDoesNotAllocate(t *testing.T) {
	p := NewPool()
	done := make(chan struct{}, 1)
	var signal Task = task(func() { done <- struct{}{} })
	p.Go(signal)
	<-done
	if n := testing.AllocsPerRun(1000, func() { p.Go(signal); <-done }); n > 0.1 {
		t.Fatalf("%v allocations a task", n)
	}
	closePool(t, p)
}

func BenchmarkPool(b *testing.B) {
	p := NewPool()
	done := make(chan struct{}, 1)
	var signal Task = task(func() { done <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		p.Go(signal)
		<-done
	}
	_ = p.Close(context.Background())
}
