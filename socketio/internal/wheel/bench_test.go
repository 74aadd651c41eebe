package wheel_test

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// BenchmarkDisarm arms and disarms a timer, as an acknowledgement that comes in time
// does.
func BenchmarkDisarm(b *testing.B) {
	w := wheel.New()
	defer w.Close()
	c := w.Class(time.Hour)
	t := newTimer()
	b.ReportAllocs()
	for b.Loop() {
		c.Arm(&t.entry)
		if !w.Disarm(&t.entry) {
			b.Fatal("not armed")
		}
	}
}

// signal is a timer that tells when it expires.
type signal struct {
	entry wheel.Entry
	fired chan struct{}
}

func (s *signal) Expire(*wheel.Entry) { s.fired <- struct{}{} }

// BenchmarkExpire lets timers expire, 1,000 at a time. The time is mostly the one they are armed for.
func BenchmarkExpire(b *testing.B) {
	const count = 1000
	w := wheel.New()
	defer w.Close()
	c := w.Class(time.Nanosecond)
	fired := make(chan struct{}, count)
	timers := make([]signal, count)
	for i := range timers {
		timers[i].fired = fired
		timers[i].entry.Init(&timers[i])
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range timers {
			c.Arm(&timers[i].entry)
		}
		for range timers {
			<-fired
		}
	}
}
