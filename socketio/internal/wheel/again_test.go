package wheel_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// A wheel that has run empty serves what is armed then, again and again.
func TestArmAfterTheWheelHasRunEmpty(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(w *wheel.Wheel, c *wheel.Class, e *wheel.Entry){
		"by expiring":  func(*wheel.Wheel, *wheel.Class, *wheel.Entry) { time.Sleep(50 * time.Millisecond) },
		"by disarming": func(w *wheel.Wheel, _ *wheel.Class, e *wheel.Entry) { w.Disarm(e) },
		"by disarming late": func(w *wheel.Wheel, _ *wheel.Class, e *wheel.Entry) {
			time.Sleep(5 * time.Millisecond)
			w.Disarm(e)
			time.Sleep(50 * time.Millisecond)
		},
		"by moving": func(w *wheel.Wheel, c *wheel.Class, e *wheel.Entry) {
			w.Class(time.Second).Arm(e)
			time.Sleep(50 * time.Millisecond)
			c.Arm(e)
			time.Sleep(50 * time.Millisecond)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := wheel.New()
			defer w.Close()
			c := w.Class(10 * time.Millisecond)
			for round := range 3 {
				before, after := newTimer(), newTimer()
				c.Arm(&before.entry)
				empty(w, c, &before.entry)
				synctest.Wait()
				start := time.Now()
				c.Arm(&after.entry)
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(after.times()); n != 1 {
					t.Fatalf("%s, round %d: expired %d times in a second, want once", name, round, n)
				}
				onTime(t, after.times()[0], start.Add(10*time.Millisecond))
			}
		})
	}
}

// The sooner of two entries wakes the wheel up also when it sleeps for the later one
// after it has been idle.
func TestSoonerEntryAfterAnIdleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		long, short := w.Class(time.Hour), w.Class(time.Second)
		for range 3 {
			a, b := newTimer(), newTimer()
			start := time.Now()
			long.Arm(&a.entry)
			time.Sleep(time.Minute)
			short.Arm(&b.entry)
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if len(a.times()) != 1 || len(b.times()) != 1 {
				t.Fatalf("expired %d and %d times, want once each", len(a.times()), len(b.times()))
			}
			onTime(t, b.times()[0], start.Add(time.Minute+time.Second))
			onTime(t, a.times()[0], start.Add(time.Hour))
			time.Sleep(3 * time.Hour) // longer than the wheel sleeps with nothing to wait for
		}
	})
}

// Only what lies between two granules is rounded up.
func TestExpiresExactlyOnAGranule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		a := newTimer()
		start := time.Now()
		w.Class(10 * wheel.Granularity).Arm(&a.entry)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := a.times(); len(got) != 1 || got[0].Sub(start) != 10*wheel.Granularity {
			t.Errorf("armed at %v, expired at %v", start, got)
		}
	})
}

// ArmNext makes up for a sixteenth of the class's duration, not for more.
func TestArmNextAfterALongDelay(t *testing.T) {
	t.Parallel()
	const after = 160 * time.Millisecond
	for delay, next := range map[time.Duration]time.Duration{
		0:                      after,
		after / 16:             after,
		after/16 + 1:           after + after/16 + 1,
		after / 8:              after + after/8,
		10 * after:             11 * after,
		after/16 - 1:           after,
		5 * time.Millisecond:   after,
		100 * time.Millisecond: after + 100*time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := wheel.New()
			defer w.Close()
			c := w.Class(after)
			a := newTimer()
			a.then = func(a *timer) {
				if len(a.times()) == 1 {
					time.Sleep(delay)
					c.ArmNext(&a.entry)
				}
			}
			c.Arm(&a.entry)
			time.Sleep(20 * after)
			synctest.Wait()
			times := a.times()
			if len(times) != 2 {
				t.Fatalf("expired %d times, want twice", len(times))
			}
			onTime(t, times[1], times[0].Add(next))
		})
	}
}

// An entry that would be due before one that is in the queue already is due together
// with that.
func TestQueueStaysSorted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(160 * time.Millisecond)
		a, b := newTimer(), newTimer()
		start := time.Now()
		a.then = func(a *timer) {
			switch len(a.times()) {
			case 1:
				time.Sleep(5 * time.Millisecond)
				c.Arm(&b.entry)
				c.ArmNext(&a.entry)
			default:
			}
		}
		busy := newTimer()
		busy.then = func(*timer) { time.Sleep(time.Second) }
		c.Arm(&a.entry)
		time.Sleep(300 * time.Millisecond)
		w.Class(time.Millisecond).Arm(&busy.entry) // nothing expires from here on
		time.Sleep(22 * time.Millisecond)          // a would be due at 320, b is at 325
		if w.Overdue(&a.entry) {
			t.Errorf("overdue after %v, before the one that is first in the queue", time.Since(start))
		}
		time.Sleep(3 * time.Millisecond)
		for _, e := range []*timer{a, b} {
			if !w.Overdue(&e.entry) {
				t.Errorf("not overdue after %v", time.Since(start))
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(a.times()) != 2 || len(b.times()) != 1 {
			t.Errorf("expired %d and %d times, want twice and once", len(a.times()), len(b.times()))
		}
	})
}

// A burst of expiries is done in one go, and more than once.
func TestBursts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(time.Second)
		timers := make([]*timer, 10_000)
		for i := range timers {
			timers[i] = newTimer()
		}
		for round := range 3 {
			for _, e := range timers {
				c.Arm(&e.entry)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			for i, e := range timers {
				if n := len(e.times()); n != round+1 {
					t.Fatalf("entry %d has expired %d times, want %d", i, n, round+1)
				}
			}
		}
	})
}

// A wheel that is used again and again allocates nothing more.
func TestExpireAllocatesNothing(t *testing.T) {
	w := wheel.New()
	defer w.Close()
	c := w.Class(time.Nanosecond)
	s := &signal{fired: make(chan struct{}, 1)}
	s.entry.Init(s)
	if n := testing.AllocsPerRun(200, func() {
		c.Arm(&s.entry)
		<-s.fired
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Durations of which nothing would ever come do not overflow.
func TestVeryLongDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		a, b := newTimer(), newTimer()
		w.Class(1<<63 - 1).Arm(&a.entry)
		w.Class(time.Second).Arm(&b.entry)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(a.times()) != 0 || len(b.times()) != 1 || !w.Armed(&a.entry) {
			t.Errorf("expired %d and %d times, want never and once", len(a.times()), len(b.times()))
		}
	})
}
