// Package wheel runs many timeouts of few different durations with one
// goroutine and one timer.
//
// Timeouts of the same duration expire in the order in which they were armed.
// A [Class] is therefore a plain queue: arming, disarming and expiring cost a
// few pointer writes each, and an [Entry], embedded in what it belongs to, is
// all the memory a timeout needs.
package wheel

import (
	"sync"
	"time"
)

// Granularity is what expiries are rounded up to, so that timeouts that are due
// at about the same time share one wake-up.
const Granularity = time.Millisecond

// Expirer owns entries and is told when one of them is due.
type Expirer interface {
	// Expire is called on the wheel's goroutine without any lock held and must
	// not block. The entry is not armed any more and may be armed again. A call
	// may already be under way when the entry is disarmed, or armed again: an
	// owner to which that matters looks at its own state, or asks Wheel.Armed.
	Expire(e *Entry)
}

// Entry is one timeout, in one class of one wheel at a time. Its owner embeds it and
// initialises it with Init; it must not be copied.
type Entry struct {
	next, prev *Entry
	class      *Class // nil while not armed; guarded by the wheel's mu
	owner      Expirer
	due        time.Duration
}

// Wheel is a set of classes with the goroutine that serves them. The goroutine
// starts when the first entry is armed and ends with Close.
type Wheel struct {
	epoch time.Time // entries count from here, on the monotonic clock

	mu      sync.Mutex
	classes []*Class
	sleep   time.Duration // when the goroutine wakes up by itself
	started bool
	closed  bool

	wake chan struct{} // capacity 1
	done chan struct{}
}

// never is the wake-up time of a goroutine with nothing to wait for.
const never = time.Duration(1<<63 - 1)

// Class is the queue of the entries with one duration.
type Class struct {
	wheel *Wheel
	after time.Duration
	root  Entry // of a ring: next is the first to expire
}

// New returns a wheel without classes.
func New() *Wheel {
	return &Wheel{
		epoch: time.Now(),
		sleep: never,
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
}

// Class returns the class of the given duration, the same one for equal
// durations. The number of different durations should be small and constant.
func (w *Wheel) Class(after time.Duration) *Class {
	after = min(after, never/2) // nothing overflows then
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.classes {
		if c.after == after {
			return c
		}
	}
	c := &Class{wheel: w, after: after}
	c.root.next, c.root.prev = &c.root, &c.root
	w.classes = append(w.classes, c)
	return c
}

// Init sets the owner. It must be called once, before e is shared.
func (e *Entry) Init(owner Expirer) { e.owner = owner }

// Arm makes e expire after the duration of the class from now on. An entry that
// is armed already, in this class or another of the same wheel, is moved.
// Nothing happens on a closed wheel.
func (c *Class) Arm(e *Entry) { c.arm(e, time.Since(c.wheel.epoch)) }

// ArmNext is Arm for an entry that has just expired: it counts from the time at
// which the entry was due, not from now, so that delays do not add up. If that was
// long ago, because the process has been stopped, it counts from now: what is waited
// for could not have happened meanwhile.
func (c *Class) ArmNext(e *Entry) {
	now := time.Since(c.wheel.epoch)
	c.wheel.mu.Lock()
	due := e.due
	c.wheel.mu.Unlock()
	if now-due > c.after/16 {
		due = now
	}
	c.arm(e, due)
}

// arm makes e expire after the duration of the class from the given time on.
func (c *Class) arm(e *Entry, from time.Duration) {
	w := c.wheel
	due := from + c.after
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	e.unlink()
	e.class = c
	e.due = due
	// Two callers may get here in another order than they read the clock: the
	// queue stays sorted, at the cost of some nanoseconds for one of them.
	if last := c.root.prev; last != &c.root && last.due > due {
		e.due = last.due
	}
	e.prev, e.next = c.root.prev, &c.root
	e.prev.next, c.root.prev = e, e
	if !w.started {
		w.started = true
		go w.run()
	}
	if e.due < w.sleep {
		w.signal()
	}
}

// Disarm stops e, which must not be armed in another wheel, and reports whether it
// was armed.
func (w *Wheel) Disarm(e *Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return e.unlink()
}

// Overdue reports whether e is armed and its time has come, though the wheel has
// not got round to it yet. e must not be armed in another wheel.
func (w *Wheel) Overdue(e *Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return e.class != nil && e.due <= time.Since(w.epoch)
}

// Armed reports whether e is armed. It must not be armed in another wheel.
func (w *Wheel) Armed(e *Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return e.class != nil
}

// unlink takes e out of its class.
func (e *Entry) unlink() bool {
	if e.class == nil {
		return false
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev, e.class = nil, nil, nil
	return true
}

// Close stops the wheel and waits for its goroutine. No entry expires after it
// has returned. It must not be called from Expire.
func (w *Wheel) Close() {
	w.mu.Lock()
	started, closed := w.started, w.closed
	w.closed = true
	for _, c := range w.classes {
		for e := c.root.next; e != &c.root; e = c.root.next {
			e.unlink()
		}
	}
	w.signal()
	w.mu.Unlock()
	if started {
		<-w.done
	} else if !closed {
		close(w.done)
	}
}

// signal wakes the goroutine up. It is called with the lock held.
func (w *Wheel) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run expires entries until the wheel is closed.
func (w *Wheel) run() {
	defer close(w.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []*Entry
	for {
		var wait time.Duration
		var open bool
		due, wait, open = w.take(due[:0])
		if !open {
			return
		}
		for _, e := range due {
			e.owner.Expire(e)
		}
		if len(due) > 0 {
			clear(due)
			if cap(due) > maxIdleBatch {
				due = nil
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// maxIdleBatch bounds the memory that a burst of expiries leaves behind.
const maxIdleBatch = 4096

// take moves the entries that are due out of their classes and says how long to
// wait for the next one.
func (w *Wheel) take(due []*Entry) (_ []*Entry, wait time.Duration, open bool) {
	now := time.Since(w.epoch)
	w.mu.Lock()
	defer w.mu.Unlock()
	next := never
	for _, c := range w.classes {
		for e := c.root.next; e != &c.root; e = c.root.next {
			if e.due > now {
				next = min(next, e.due)
				break
			}
			e.unlink()
			due = append(due, e)
		}
	}
	wait = time.Hour
	w.sleep = never
	if next != never {
		w.sleep = (next + Granularity - 1).Truncate(Granularity)
		wait = w.sleep - now
	}
	return due, wait, !w.closed
}
