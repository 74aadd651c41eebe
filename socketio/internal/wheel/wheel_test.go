package wheel_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// timer records when its entry expires.
type timer struct {
	entry wheel.Entry
	mu    sync.Mutex
	fired []time.Time
	then  func(*timer)
}

func (t *timer) Expire(e *wheel.Entry) {
	if e != &t.entry {
		panic("foreign entry")
	}
	t.mu.Lock()
	t.fired = append(t.fired, time.Now())
	t.mu.Unlock()
	if t.then != nil {
		t.then(t)
	}
}

func (t *timer) times() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fired
}

func newTimer() *timer {
	t := &timer{}
	t.entry.Init(t)
	return t
}

// onTime fails unless at is between want and want plus the granularity.
func onTime(t *testing.T, at, want time.Time) {
	t.Helper()
	if late := at.Sub(want); late < 0 || late > wheel.Granularity {
		t.Errorf("expired %v after its time", late)
	}
}

func TestExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		long, short := w.Class(time.Second), w.Class(10*time.Millisecond)
		a, b := newTimer(), newTimer()
		start := time.Now()
		long.Arm(&a.entry)
		time.Sleep(100 * time.Millisecond)
		// An earlier deadline wakes the goroutine up before the one it waits for.
		short.Arm(&b.entry)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(a.times()) != 1 || len(b.times()) != 1 {
			t.Fatalf("expired %d and %d times, want once each", len(a.times()), len(b.times()))
		}
		onTime(t, a.times()[0], start.Add(time.Second))
		onTime(t, b.times()[0], start.Add(110*time.Millisecond))
	})
}

func TestDisarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(time.Second)
		a := newTimer()
		if w.Disarm(&a.entry) {
			t.Error("an entry that was never armed was armed")
		}
		c.Arm(&a.entry)
		if !w.Disarm(&a.entry) || w.Disarm(&a.entry) {
			t.Error("Disarm does not tell whether the entry was armed")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(a.times()); n != 0 {
			t.Errorf("expired %d times", n)
		}
	})
}

func TestRearmMovesTheEntry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		long, short := w.Class(time.Second), w.Class(300*time.Millisecond)
		a := newTimer()
		for range 10 { // again and again in the same class, then in another
			long.Arm(&a.entry)
			time.Sleep(500 * time.Millisecond)
		}
		short.Arm(&a.entry)
		want := time.Now().Add(300 * time.Millisecond)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(a.times()) != 1 {
			t.Fatalf("expired %d times, want once", len(a.times()))
		}
		onTime(t, a.times()[0], want)
	})
}

func TestArmFromExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(100 * time.Millisecond)
		a := newTimer()
		a.then = func(a *timer) {
			if len(a.times()) < 5 {
				c.Arm(&a.entry)
			}
		}
		c.Arm(&a.entry)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(a.times()); n != 5 {
			t.Errorf("expired %d times, want 5", n)
		}
	})
}

func TestArmNextDoesNotDrift(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(100*time.Millisecond + wheel.Granularity/3)
		a := newTimer()
		a.then = func(a *timer) {
			time.Sleep(wheel.Granularity / 2) // a callback that takes its time
			c.ArmNext(&a.entry)
		}
		start := time.Now()
		c.Arm(&a.entry)
		time.Sleep(10*time.Second + time.Second)
		synctest.Wait()
		times := a.times()
		if len(times) < 100 {
			t.Fatalf("expired %d times, want 100", len(times))
		}
		onTime(t, times[99], start.Add(100*(100*time.Millisecond+wheel.Granularity/3)))
	})
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		busy, late := newTimer(), newTimer()
		busy.then = func(*timer) { time.Sleep(time.Second) }
		w.Class(10 * time.Millisecond).Arm(&busy.entry)
		w.Class(20 * time.Millisecond).Arm(&late.entry)
		if w.Overdue(&late.entry) {
			t.Error("overdue before its time")
		}
		time.Sleep(100 * time.Millisecond)
		if !w.Overdue(&late.entry) {
			t.Error("not overdue though the wheel is busy")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.Overdue(&late.entry) || len(late.times()) != 1 {
			t.Error("overdue after it has expired")
		}
	})
}

// An entry that the wheel is about to let expire is not armed, unless it has been armed
// again.
func TestArmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		defer w.Close()
		c := w.Class(time.Second)
		busy, late := newTimer(), newTimer()
		busy.then = func(*timer) { time.Sleep(time.Second / 2) }
		var armed []bool
		late.then = func(*timer) { armed = append(armed, w.Armed(&late.entry)) }
		for _, e := range []*timer{busy, late} {
			if c.Arm(&e.entry); !w.Armed(&e.entry) {
				t.Error("not armed by Arm")
			}
		}
		time.Sleep(time.Second + time.Second/4)
		if w.Armed(&late.entry) {
			t.Error("armed though its time has come")
		}
		c.Arm(&late.entry)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := []bool{true, false}; !slices.Equal(armed, want) {
			t.Errorf("armed when it expired: %v, want %v", armed, want)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New()
		c := w.Class(time.Second)
		a, b := newTimer(), newTimer()
		c.Arm(&a.entry)
		w.Close()
		w.Close()
		if w.Disarm(&a.entry) {
			t.Error("the entry of a closed wheel is armed")
		}
		c.Arm(&b.entry)
		time.Sleep(2 * time.Second)
		if len(a.times())+len(b.times()) != 0 {
			t.Error("an entry of a closed wheel expired")
		}
	})
	wheel.New().Close() // one that was never used
}

func TestClassOfEqualDurationIsTheSame(t *testing.T) {
	t.Parallel()
	w := wheel.New()
	defer w.Close()
	second := w.Class(time.Second)
	if w.Class(time.Second) != second || w.Class(time.Minute) == second {
		t.Error("classes are not identified by their duration")
	}
}

// TestModel compares the wheel with a model that knows each entry's deadline,
// over random operations.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func runModel(t *testing.T, rng *rand.Rand) {
	w := wheel.New()
	defer w.Close()
	durations := []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, time.Second}
	timers := make([]*timer, 20)
	deadlines := make([]time.Time, len(timers)) // zero: not armed
	expired := make([]int, len(timers))
	for i := range timers {
		timers[i] = newTimer()
	}
	for range 2000 {
		i := rng.IntN(len(timers))
		switch rng.IntN(4) {
		case 0, 1:
			d := durations[rng.IntN(len(durations))]
			w.Class(d).Arm(&timers[i].entry)
			deadlines[i] = time.Now().Add(d)
		case 2:
			if armed := w.Disarm(&timers[i].entry); armed != !deadlines[i].IsZero() {
				t.Fatalf("Disarm = %v, the model says otherwise", armed)
			}
			deadlines[i] = time.Time{}
		case 3:
			// A whole number of granules: at the end all that was due has expired.
			time.Sleep(wheel.Granularity * time.Duration(1+rng.IntN(20)))
			time.Sleep(wheel.Granularity)
			synctest.Wait()
			for i, d := range deadlines {
				due := !d.IsZero() && !d.After(time.Now().Add(-wheel.Granularity))
				fired := len(timers[i].times())
				switch {
				case due && fired != expired[i]+1:
					t.Fatalf("timer %d expired %d times, want %d", i, fired, expired[i]+1)
				case !due && d.IsZero() && fired != expired[i]:
					t.Fatalf("timer %d expired though it was not armed", i)
				}
				if fired > expired[i] {
					onTime(t, timers[i].times()[fired-1], d)
					expired[i], deadlines[i] = fired, time.Time{}
				}
			}
		}
	}
}

func TestArmAllocatesNothing(t *testing.T) {
	w := wheel.New()
	defer w.Close()
	c := w.Class(time.Hour)
	a := newTimer()
	if n := testing.AllocsPerRun(1000, func() { c.Arm(&a.entry) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkArm(b *testing.B) {
	w := wheel.New()
	defer w.Close()
	c := w.Class(time.Hour)
	timers := make([]*timer, 1000)
	for i := range timers {
		timers[i] = newTimer()
	}
	i := 0
	for b.Loop() {
		c.Arm(&timers[i%len(timers)].entry)
		i++
	}
}
