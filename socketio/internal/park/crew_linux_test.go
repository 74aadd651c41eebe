//go:build !noparking

package park

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// busy makes all workers that would be enough wait in user code, in the way that hold
// does, and returns what lets them go on.
func busy(t *testing.T, p *Poller, n int, hold func(w *Worker, wait func())) (release func()) {
	t.Helper()
	gate, held := make(chan struct{}), make(chan struct{}, n)
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release) // or a test that fails does not end
	for range n {
		s := newWitness()
		s.then = func(w *Worker) {
			hold(w, func() {
				select {
				case held <- struct{}{}:
				case <-gate: // the end of a connection is reported, too, sometimes twice
				}
				<-gate
			})
		}
		_, peer := watched(t, p, s)
		write(t, peer, "x")
	}
	for range n {
		select {
		case <-held:
		case <-time.After(patience):
			t.Fatal("a connection is held up by the others")
		}
	}
	return release
}

// Code that waits holds up no other connection, whether it says so or not.
func TestWaitingCodeHoldsUpNobody(t *testing.T) {
	for name, hold := range map[string]func(w *Worker, wait func()){
		"lends":    func(w *Worker, wait func()) { w.Lend(); w.Lend(); wait() },
		"silent":   func(_ *Worker, wait func()) { wait() },
		"run task": func(w *Worker, wait func()) { w.RunTask(taskFunc(wait)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoller(t)
			n := 4 * runtime.GOMAXPROCS(0)
			release := busy(t, p, n, hold)
			s := newWitness()
			_, peer := watched(t, p, s)
			write(t, peer, "x")
			s.await(t)
			release()
			// Those who have been held up are not needed any more.
			eventually(t, "the extra workers are gone", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.crew.lent == 0 && len(p.crew.present) <= p.crew.most && p.polling
			})
		})
	}
}

// After user code has held up others, workers give their place away before they run
// it.
func TestCaution(t *testing.T) {
	p := newPoller(t)
	gate := make(chan struct{})
	slow := newWitness()
	slow.then = func(w *Worker) { w.RunTask(taskFunc(func() { <-gate })) }
	_, peer := watched(t, p, slow)
	write(t, peer, "x")
	slow.await(t)
	eventually(t, "the workers are cautious", func() bool { return p.crew.handling.until.Load() > 0 })
	close(gate)
	lent := make(chan bool, 1)
	s := newWitness()
	s.then = func(w *Worker) {
		w.RunTask(taskFunc(func() {
			select {
			case lent <- w.lent:
			default: // the end of the connection is reported, too, sometimes twice
			}
		}))
	}
	_, peer = watched(t, p, s)
	// It is not over soon, even on a machine that stalls.
	long := int64(time.Since(p.epoch) + time.Hour)
	eventually(t, "a worker gives its place away", func() bool {
		p.crew.handling.until.Store(long)
		write(t, peer, "x")
		return <-lent
	})
	// As long as it is slow they do not trust it: the time counts from now on.
	p.crew.handling.until.Store(long)
	dawdle := newWitness()
	dawdle.then = func(w *Worker) { w.RunTask(taskFunc(func() { time.Sleep(tick) })) }
	_, other := watched(t, p, dawdle)
	write(t, other, "x")
	eventually(t, "the caution is prolonged", func() bool { return p.crew.handling.until.Load() != long })
	// In time they trust it again.
	eventually(t, "the caution ends", func() bool {
		p.crew.handling.until.Store(1) // which slow code, or a slow machine, may prolong
		write(t, peer, "x")
		return !<-lent && p.crew.handling.until.Load() == 0
	})
}

// A worker whose goroutine user code has ended is replaced.
func TestGoexit(t *testing.T) {
	p := newPoller(t)
	for range 3 {
		s := newWitness()
		s.then = func(*Worker) { runtime.Goexit() }
		_, peer := watched(t, p, s)
		write(t, peer, "x")
		s.await(t)
	}
	for range 3 {
		s := newWitness()
		s.then = func(w *Worker) { w.Lend(); runtime.Goexit() }
		_, peer := watched(t, p, s)
		write(t, peer, "x")
		s.await(t)
	}
	eventually(t, "the workers are counted right", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.crew.lent == 0 && len(p.crew.present) == 1 && p.polling
	})
}

// While nothing happens there are no ticks.
func TestQuiet(t *testing.T) {
	p := newPoller(t)
	s := newWitness()
	_, peer := watched(t, p, s)
	write(t, peer, "x")
	s.await(t)
	eventually(t, "the ticks end", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.crew.ticking
	})
}

type taskFunc func()

func (f taskFunc) Run() { f() }

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func BenchmarkWake(b *testing.B) {
	p := newPoller(b)
	buf := make([]byte, 8)
	done := make(chan struct{}, 1)
	s := newWitness()
	s.then = func(*Worker) {
		if n, _ := s.conn.TryRead(buf); n > 0 {
			done <- struct{}{}
		}
	}
	_, peer := watched(b, p, s)
	b.ReportAllocs()
	for b.Loop() {
		write(b, peer, "x")
		<-done
	}
}
