package flush_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// tally is a session that writes nothing: what remains is the cost of the rounds.
type tally struct {
	queued  atomic.Int64 // frames that have not been flushed
	done    chan struct{}
	pending *atomic.Int64 // frames of all sessions that have not been flushed
}

func (s *tally) Append(frames []*packet.Frame, _ uint8) bool {
	return s.queued.Add(int64(len(frames))) == int64(len(frames))
}

func (s *tally) Write(*packet.Frame) bool { return false }

func (s *tally) Flush(*flush.Scratch) {
	if s.pending.Add(-s.queued.Swap(0)) == 0 {
		s.done <- struct{}{}
	}
}

// tallies returns a pool of one shard and n sessions.
func tallies(b *testing.B, n int) (*flush.Pool[*tally], []*tally, *atomic.Int64, chan struct{}) {
	b.Helper()
	p := flush.NewPool[*tally](1)
	p.Start()
	b.Cleanup(p.Close)
	pending, done := new(atomic.Int64), make(chan struct{}, 1)
	sessions := make([]*tally, n)
	for i := range sessions {
		sessions[i] = &tally{done: done, pending: pending}
	}
	return p, sessions, pending, done
}

// BenchmarkSendOne sends a frame that the caller flushes itself, and one that goes through the
// shard.
func BenchmarkSendOne(b *testing.B) {
	for name, coalesce := range map[string]bool{"direct": false, "shard": true} {
		b.Run(name, func(b *testing.B) {
			p, sessions, pending, done := tallies(b, 1)
			f := text("hello")
			b.ReportAllocs()
			for b.Loop() {
				pending.Store(1)
				p.SendOne(0, sessions[0], f, 0, coalesce)
				<-done
			}
		})
	}
}

// BenchmarkCoalesce sends 32 frames to one session in a row, of which rounds make
// few flushes.
func BenchmarkCoalesce(b *testing.B) {
	const burst = 32
	p, sessions, pending, done := tallies(b, 1)
	f := text("hello")
	b.ReportAllocs()
	for b.Loop() {
		pending.Store(burst)
		for range burst {
			p.SendOne(0, sessions[0], f, 0, true)
		}
		<-done
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, sessions, pending, done := tallies(b, n)
			batch := p.NewBatch()
			frames := []*packet.Frame{text("hello")}
			b.ReportAllocs()
			for b.Loop() {
				pending.Store(int64(n))
				for _, s := range sessions {
					batch.Add(0, s)
				}
				batch.Send(frames, 0)
				<-done
			}
		})
	}
}

// BenchmarkGather puts the frames of a session together for one write.
func BenchmarkGather(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sc := flush.NewScratch()
			frames := slices.Repeat([]*packet.Frame{text("hello")}, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, taken := sc.Gather(frames); taken != n {
					b.Fatal(taken)
				}
			}
		})
	}
}
