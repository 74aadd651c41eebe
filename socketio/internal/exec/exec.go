// Package exec runs short tasks on goroutines that it keeps for the next ones.
// A goroutine that has handled an event before has a stack of the right size:
// reusing it costs less than growing a new one for every event.
package exec

import (
	"context"
	"runtime"
	"sync"
)

// Task is what a [Pool] runs.
type Task interface {
	Run()
}

// Pool runs each task on a goroutine of its own. The number of tasks that run at
// a time is not limited; the number of goroutines kept idle is.
type Pool struct {
	keep int
	wg   sync.WaitGroup

	mu     sync.Mutex
	idle   []*worker
	active int
	quiet  chan struct{} // closed when active falls to zero; nil unless somebody waits
	closed bool
}

type worker struct {
	pool *Pool
	next chan Task
}

// NewPool returns a pool that keeps some idle goroutines for each processor.
func NewPool() *Pool {
	return &Pool{keep: 8 * runtime.GOMAXPROCS(0)}
}

// Go starts the task. It reports false, and does not start it, after Close.
func (p *Pool) Go(t Task) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	p.active++
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.next <- t
		return true
	}
	p.wg.Add(1)
	p.mu.Unlock()
	w := &worker{pool: p, next: make(chan Task, 1)}
	go w.loop(t)
	return true
}

// Begin counts a task that runs on a goroutine of the caller's, until End. It
// reports false, and counts nothing, after Close.
func (p *Pool) Begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.active++
	return true
}

// End ends a task that Begin has counted.
func (p *Pool) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended()
}

// ended counts a task as ended. p.mu is held.
func (p *Pool) ended() {
	p.active--
	if p.active == 0 && p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
}

func (w *worker) loop(t Task) {
	defer w.pool.wg.Done()
	for t != nil && w.run(t) {
		t = <-w.next
	}
}

// run runs a task and reports whether the worker lives on. Its deferred call
// counts the task as ended even if the task ended the goroutine, as
// [runtime.Goexit] does.
func (w *worker) run(t Task) (again bool) {
	completed := false
	defer func() { again = w.pool.park(w, completed) }()
	t.Run()
	completed = true
	return again
}

// park ends a task and makes the worker available again. It reports false if the
// worker is to end.
func (p *Pool) park(w *worker, completed bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended()
	if !completed || p.closed || len(p.idle) >= p.keep {
		return false
	}
	p.idle = append(p.idle, w)
	return true
}

// Quiet waits until no task runs, or until ctx ends; it then returns the
// context's error.
func (p *Pool) Quiet(ctx context.Context) error {
	p.mu.Lock()
	if p.active == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.quiet == nil {
		p.quiet = make(chan struct{})
	}
	quiet := p.quiet
	p.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close refuses further tasks and waits until those that run have ended, or until
// ctx ends; it then returns the context's error. The goroutines of the pool end
// with their tasks even so.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	for _, w := range p.idle {
		close(w.next)
	}
	p.idle = nil
	p.mu.Unlock()
	if err := p.Quiet(ctx); err != nil {
		return err
	}
	p.wg.Wait()
	return nil
}
