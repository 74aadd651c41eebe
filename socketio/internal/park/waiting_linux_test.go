//go:build !noparking

package park

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A lot is a number of waiters whose code waits at a gate.
type lot struct {
	poller  *Poller
	gate    chan struct{}
	waiting atomic.Int64
}

// ticksByHand returns a poller whose ticks come when the test wants them.
func ticksByHand(t *testing.T) *Poller {
	t.Helper()
	p := newPoller(t)
	p.crew.ticks = time.AfterFunc(time.Hour, func() {})
	t.Cleanup(func() { p.crew.ticks.Stop() })
	return p
}

// wait is code that waits.
func (l *lot) wait() {
	l.waiting.Add(1)
	<-l.gate
}

// stuck reports whether no worker is left that does anything.
func (l *lot) stuck() bool {
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	c := &l.poller.crew
	return int(l.waiting.Load()) == len(c.present)+c.lent
}

// await waits until what is to happen has happened. Whenever all workers wait it lets the
// poller tick.
func (l *lot) await(t *testing.T, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(10 * time.Microsecond) {
		if l.stuck() {
			l.poller.tick()
		}
		if time.Now().After(end) {
			t.Fatalf("%d of the workers wait, and nothing happens", l.waiting.Load())
		}
	}
}

// Code that waits without saying so, however much of it there is, costs others a tick or
// two in all: those that find the first of it waiting.
func TestMuchThatWaitsCostsFewTicks(t *testing.T) {
	for name, test := range map[string]struct {
		n    int
		then func(w *Worker, wait func())
	}{
		"in handlers":     {1000, func(w *Worker, wait func()) { w.RunTask(taskFunc(wait)) }},
		"while reading":   {1000, func(_ *Worker, wait func()) { wait() }},
		"after both":      {100, func(w *Worker, wait func()) { w.RunTask(taskFunc(func() {})); wait() }},
		"having said so":  {1000, func(w *Worker, wait func()) { w.Lend(); wait() }},
		"by turns":        {100, byTurns()},
		"one like others": {1, func(w *Worker, wait func()) { w.RunTask(taskFunc(wait)) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := ticksByHand(t)
			l := &lot{poller: p, gate: make(chan struct{})}
			t.Cleanup(func() { close(l.gate) })
			for range test.n {
				var told atomic.Bool
				s := newWitness()
				s.then = func(w *Worker) {
					if !told.Swap(true) {
						test.then(w, l.wait)
					}
				}
				_, peer := watched(t, p, s)
				write(t, peer, "x")
			}
			l.await(t, func() bool { return int(l.waiting.Load()) == test.n })
			s := newWitness()
			_, peer := watched(t, p, s)
			write(t, peer, "x")
			l.await(t, func() bool { return s.calls.Load() > 0 })
			if got := p.HeldUp(); got > 3 {
				t.Errorf("%d ticks were needed", got)
			}
		})
	}
}

// byTurns returns code that waits while reading or in a handler.
func byTurns() func(w *Worker, wait func()) {
	var turn atomic.Int64
	return func(w *Worker, wait func()) {
		if turn.Add(1)%2 == 0 {
			w.RunTask(taskFunc(wait))
			return
		}
		wait()
	}
}

// Code that is slow, although no single piece of it as slow as two ticks, makes the
// workers cautious as soon as there is a queue behind it.
func TestSlownessMakesCautious(t *testing.T) {
	p := ticksByHand(t)
	entered, gate := make(chan struct{}), make(chan struct{})
	n := 4 * p.crew.most
	for range n {
		s := newWitness()
		s.then = func(w *Worker) {
			w.RunTask(taskFunc(func() {
				select {
				case entered <- struct{}{}:
				case <-gate:
				}
			}))
		}
		_, peer := watched(t, p, s)
		write(t, peer, "x")
	}
	queued := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.queued()
	}
	<-entered // so that a worker looks what has come meanwhile
	eventually(t, "there is a queue", func() bool { return queued() > 0 })
	p.tick()
	if p.crew.handling.until.Load() == 0 {
		t.Error("the workers are not cautious")
	}
	if p.HeldUp() != 0 {
		t.Error("what is slow is taken for what waits")
	}
	close(gate)
}

// A poller that cannot wait for input any more ends. It says why, and so do its
// connections when there is nothing more to read.
func TestBrokenPoller(t *testing.T) {
	p := newPoller(t)
	var conns []*Conn
	told := make(chan bool, 3)
	for range 3 {
		s := newWitness()
		s.then = func(*Worker) {
			if s.ended.Load() {
				told <- true
			}
		}
		c, peer := watched(t, p, s)
		write(t, peer, "x")
		s.await(t)
		conns = append(conns, c)
	}
	if err := syscall.Dup3(p.stop[0], p.epoll, syscall.O_CLOEXEC); err != nil { // It is no epoll instance any more.
		t.Fatal(err)
	}
	_, _ = syscall.Write(p.stop[1], []byte{0}) // wakes the worker that waits
	for range conns {
		select {
		case <-told:
		case <-time.After(patience):
			t.Fatal("a waiter is not told")
		}
	}
	if p.Err() == nil {
		t.Fatal("the poller says that all is well")
	}
	for _, c := range conns {
		b := make([]byte, 8)
		if n, err := c.TryRead(b); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		if _, err := c.TryRead(b); err == nil || err.Error() != p.Err().Error() {
			t.Errorf("reading nothing: %v", err)
		}
	}
	eventually(t, "the workers have ended", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.crew.present) == 0
	})
	in, _ := tcpPair(t)
	if err := p.Adopt(new(Conn), in, newWitness()); err == nil {
		t.Error("a connection was adopted")
	}
}
