//go:build !noparking

package park

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// tick is how often the poller checks on its workers while there is work.
	tick = time.Millisecond
	// share is the number of ready connections for which one worker is enough.
	share = 16
	// brisk is the number of notices that the workers take in a tick, at least, if none
	// of them is slow.
	brisk = 32
)

// crew is the workers of a poller. Each of them is present or lent. Those that are
// present poll, read connections, or have gone into code of the application less than two
// ticks ago: so there are never more of them than that, and one at least.
//
// The poller's mu guards all but the cautions, and is held by all callers.
type crew struct {
	poller  *Poller
	most    int       // that are present, unless a notice comes from elsewhere
	present []*Worker // in no order
	lent    int       // the number of the others

	ticks   *time.Timer
	ticking bool
	takes   int    // notices taken since the last tick
	heldUp  uint64 // ticks that found workers waiting

	// Workers give their place away before they run code of the application that
	// handles events, or that may be a part of reading.
	handling, reading caution
}

// Worker is a goroutine that tells waiters.
type Worker struct {
	poller *Poller

	// The poller's mu guards these.
	lent bool
	busy bool // with a notice
	seen bool // busy with it, by a tick

	handles atomic.Bool   // it runs a task
	began   time.Duration // to read, since the poller's epoch; 0 if nobody asks
}

func (c *crew) init(p *Poller) {
	c.poller, c.most = p, runtime.GOMAXPROCS(0)
	c.ticks = time.AfterFunc(time.Hour, p.tick)
	c.ticks.Stop()
}

// close ends the watch.
func (c *crew) close() { c.ticks.Stop() }

// hire starts a worker, which is present.
func (c *crew) hire() {
	if c.poller.closed {
		return
	}
	w := &Worker{poller: c.poller}
	c.present = append(c.present, w)
	c.poller.pool.Go(w)
}

// leave removes a worker that is present.
func (c *crew) leave(w *Worker) {
	i := slices.Index(c.present, w)
	last := len(c.present) - 1
	c.present[i], c.present[last] = c.present[last], nil
	c.present = c.present[:last]
}

// lend removes a worker that is present until it comes back.
func (c *crew) lend(w *Worker) {
	c.leave(w)
	w.lent = true
	c.lent++
}

// back ends what a worker was busy with. It reports false if others have taken its place.
func (c *crew) back(w *Worker) bool {
	w.busy = false
	if !w.lent {
		return true
	}
	w.lent = false
	c.lent--
	if len(c.present) >= c.most {
		return false
	}
	c.present = append(c.present, w)
	return true
}

// staff hires a worker if nobody who is present will take the next notice, or wait
// for input.
func (c *crew) staff() {
	p := c.poller
	working := len(c.present)
	if p.polling {
		working--
	}
	if working > 0 || p.queued() == 0 && (p.polling || p.err != nil) {
		return
	}
	c.hire()
}

// onPush sees to it that somebody takes the notice that has been pushed.
func (c *crew) onPush() {
	c.staff()
	c.watch()
}

// onTake begins the watch: the worker may be held up by what it has taken.
func (c *crew) onTake(w *Worker) {
	w.busy, w.seen = true, false
	c.takes++
	c.watch()
}

// onPoll hires another worker if there is more to do than is good for those present.
func (c *crew) onPoll(ready int) {
	if n := len(c.present); ready > share*n && n < c.most {
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

// watch starts the ticks.
func (c *crew) watch() {
	if !c.ticking && !c.poller.closed {
		c.ticking, c.takes = true, 0
		c.ticks.Reset(tick)
	}
}

// tick looks after the workers.
func (p *Poller) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.crew
	queued := p.queued()
	if p.closed || queued == 0 && (p.polling || !slices.ContainsFunc(c.present, (*Worker).isBusy)) {
		c.ticking = false // as in onRest
		return
	}
	c.takeOver(queued > 0 && c.takes < brisk)
	if c.staff(); queued > 0 && len(c.present) < c.most {
		c.hire()
	}
	c.takes = 0
	c.ticks.Reset(tick)
}

func (w *Worker) isBusy() bool { return w.busy }

// takeOver lends the workers that are busy with the same notice as at the last tick: as
// far as anybody can tell they wait. What they are doing is done with caution from now
// on, and likewise if the crew is slow.
func (c *crew) takeOver(slow bool) {
	var stuck int
	for _, w := range slices.Backward(c.present) {
		if !w.busy {
			continue
		}
		if w.seen || slow {
			c.cautionOf(w).begin(c.poller.now())
		}
		if w.seen {
			c.lend(w)
			stuck++
		}
		w.seen = true
	}
	if stuck > 0 {
		c.heldUp++
	}
}

// cautionOf returns the caution for what a worker is doing.
func (c *crew) cautionOf(w *Worker) *caution {
	if w.handles.Load() {
		return &c.handling
	}
	return &c.reading
}

// HeldUp returns the number of ticks at which the poller found code of the application
// waiting in place of its workers.
func (p *Poller) HeldUp() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crew.heldUp
}
