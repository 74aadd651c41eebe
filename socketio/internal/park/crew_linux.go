//go:build !noparking

package park

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// tick is how often it is looked after the workers while there is something to do.
	// It bounds how long code that waits without saying so can hold up others.
	tick = time.Millisecond
	// caution is how long workers give their place away before they run user code,
	// after it has held up others, or has taken longer than slow.
	caution = time.Second
	slow    = tick / 4
	// share is the number of connections that are ready at a time for which one worker
	// is enough.
	share = 16
)

// crew is the workers of a poller. What is said of a worker is guarded by the
// poller's mu.
type crew struct {
	poller *Poller
	most   int // that work at a time, unless they are held up

	hired int // workers, waiting and lent ones included
	lent  int // of them those that are held up and do not count
	takes int // notices taken, ever
	seen  int // takes at the last tick

	ticks    *time.Timer
	ticking  bool
	cautious atomic.Int64 // until when, in nanoseconds since the poller's epoch; 0 after that
}

// Worker is a goroutine that tells waiters.
type Worker struct {
	poller *Poller
	lent   bool
}

func (c *crew) init(p *Poller) {
	c.poller, c.most = p, runtime.GOMAXPROCS(0)
	c.ticks = time.AfterFunc(time.Hour, p.tick)
	c.ticks.Stop()
}

// close ends the watch. The poller's mu is held, as by all callers below.
func (c *crew) close() { c.ticks.Stop() }

// hire starts a worker.
func (c *crew) hire() {
	if c.poller.closed {
		return
	}
	c.hired++
	c.poller.pool.Go(&Worker{poller: c.poller})
}

// present is the number of workers that are not lent.
func (c *crew) present() int { return c.hired - c.lent }

// working is the number of workers that are present and do not wait for input.
func (c *crew) working() int {
	n := c.present()
	if c.poller.polling {
		n--
	}
	return n
}

// onPush sees to it that somebody takes the notice that has been pushed.
func (c *crew) onPush() {
	if c.working() == 0 {
		c.hire()
	}
	c.watch()
}

// onTake begins the watch: the worker may be held up by what it has taken.
func (c *crew) onTake() {
	c.takes++
	c.watch()
}

// onPoll hires another worker if there is more to do than is good for those present.
func (c *crew) onPoll(ready int) {
	if n := c.present(); ready > share*n && n < c.most {
		c.hire()
	}
}

// onRest ends the watch before a worker waits for input: that will be noticed, and the
// watch begins again when it is taken.
func (c *crew) onRest() {
	if c.ticking {
		c.ticking = false
		c.ticks.Stop()
	}
}

// isBack counts a worker as present that has been lent. It reports false if the worker
// is not needed, because others have taken its place.
func (c *crew) isBack(w *Worker) bool {
	if !w.lent {
		return true
	}
	w.lent = false
	c.lent--
	if c.present() > c.most {
		c.hired--
		return false
	}
	return true
}

// watch starts the ticks.
func (c *crew) watch() {
	if !c.ticking && !c.poller.closed {
		c.ticking = true
		c.ticks.Reset(tick)
	}
}

// tick looks after the workers.
func (p *Poller) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.crew
	queued := len(p.ready) - p.taken
	if p.closed || queued == 0 && (p.polling || c.working() == 0) {
		c.ticking = false // as in onRest
		return
	}
	switch {
	case c.takes == c.seen:
		c.beCautious(time.Since(p.epoch))
		c.hire()
	case queued > 0 && c.present() < c.most:
		c.hire()
	}
	c.seen = c.takes
	c.ticks.Reset(tick)
}

// Run is the worker's goroutine.
func (w *Worker) Run() {
	dismissed := false
	defer func() {
		if !dismissed { // user code has ended the goroutine, as runtime.Goexit does
			w.poller.replace(w)
		}
	}()
	for {
		n, ok := w.poller.next(w)
		if !ok {
			dismissed = true
			return
		}
		n.conn.waiter.Readable(w, n.ended)
	}
}

// replace hires a worker for one that is gone.
func (p *Poller) replace(w *Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crew.hired--
	if w.lent {
		p.crew.lent--
	}
	if p.crew.working() == 0 {
		p.crew.hire()
	}
}

// Lend lets another worker take the place of this one, which is going to wait for
// something else than input, until Readable returns.
func (w *Worker) Lend() {
	p := w.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.lent {
		return
	}
	w.lent = true
	p.crew.lent++
	if p.crew.present() == 0 {
		p.crew.hire()
	}
}

// RunTask runs user code, as the last thing that Readable does.
func (w *Worker) RunTask(t Task) {
	c := &w.poller.crew
	until := c.cautious.Load()
	if until == 0 {
		t.Run()
		return
	}
	started := time.Since(w.poller.epoch)
	if int64(started) >= until {
		c.cautious.CompareAndSwap(until, 0)
		t.Run()
		return
	}
	w.Lend()
	t.Run()
	if ended := time.Since(w.poller.epoch); ended-started > slow {
		c.beCautious(ended)
	}
}

// beCautious makes the workers cautious from now on, since the poller's epoch.
func (c *crew) beCautious(now time.Duration) { c.cautious.Store(int64(now + caution)) }

// Start runs a task on another goroutine.
func (w *Worker) Start(t Task) { w.poller.pool.Go(t) }
