package flush_test

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// What an inbox holds at most.
const (
	inboxJobs  = 8192
	inboxBytes = 16 << 20
)

// megabyte returns a frame that takes 1 MiB of an inbox.
func megabyte(t *testing.T) *packet.Frame {
	t.Helper()
	const overhead = 2 + 8 + 1 // the header of a long frame, and the type
	f := text(strings.Repeat("x", 1<<20-overhead))
	if f.Len() != 1<<20 {
		t.Fatalf("the frame has %d bytes", f.Len())
	}
	return f
}

// The inbox's bound is of what it holds, not of what has gone through it.
func TestInboxIsNeverUsedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		s, large, small := &session{}, megabyte(t), text("x")
		for round := range 5 {
			var posted atomic.Int32
			const n = 40 // MiB: less than the inbox holds, in two rounds more
			go func() {
				for range n {
					p.SendOne(0, s, large, 0, true)
					p.SendOne(0, s, small, 0, true)
					posted.Add(1)
				}
			}()
			synctest.Wait()
			s.mu.Lock()
			got := len(s.got)
			s.got = nil
			s.mu.Unlock()
			if posted.Load() != n || got != 2*n {
				t.Fatalf("round %d: %d sent, %d received", round, posted.Load(), got)
			}
		}
	})
}

// A sender waits when the inbox is full, to the job and to the byte, and goes on when the
// shard has taken it.
func TestInboxHoldsNoMoreThanItsBounds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		frame func(t *testing.T) *packet.Frame
		fits  int32
	}{
		"jobs":  {func(*testing.T) *packet.Frame { return text("x") }, inboxJobs},
		"bytes": {megabyte, inboxBytes >> 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, 1)
				f, s := tt.frame(t), &session{}
				for round := range 2 { // what has been full once holds as much again
					blocker := &session{hold: make(chan struct{}), held: make(chan struct{})}
					p.SendOne(0, blocker, text("x"), 0, true)
					<-blocker.held
					var posted atomic.Int32
					go func() {
						for range tt.fits + 5 {
							p.SendOne(0, s, f, 0, false)
							posted.Add(1)
						}
					}()
					synctest.Wait()
					if n := posted.Load(); n != tt.fits {
						t.Errorf("round %d: %d fit, want %d", round, n, tt.fits)
					}
					close(blocker.hold)
					synctest.Wait()
					if n := posted.Load(); n != tt.fits+5 {
						t.Errorf("round %d: %d were sent in the end, want %d", round, n, tt.fits+5)
					}
				}
			})
		})
	}
}

// A shard that has been idle serves what comes then, however often.
func TestShardIsUsedAgainAfterAnIdleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		b, s, other := p.NewBatch(), &session{}, &session{alone: true}
		for round := range 5 {
			b.Add(0, s)
			b.Add(0, other)
			b.Send([]*packet.Frame{text("a")}, 0)
			b.Add(0, s)
			b.Send([]*packet.Frame{text("b"), text("c")}, 0)
			p.SendOne(0, s, text("d"), 0, true)
			time.Sleep(time.Second)
			synctest.Wait()
			if !p.Idle(0) {
				t.Fatalf("round %d: not idle", round)
			}
			if got := strings.Join(s.received(), ""); got != strings.Repeat("abcd", round+1) {
				t.Fatalf("round %d: got %q", round, got)
			}
			if got := strings.Join(other.received(), ""); got != strings.Repeat("a", round+1) {
				t.Fatalf("round %d: the other got %q", round, got)
			}
		}
	})
}

// What a list of recipients has been used for does not show when it is used again.
func TestBatchAndListsAreUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2)
		first, second := p.NewBatch(), p.NewBatch()
		a, b := &session{}, &session{}
		for range 10 {
			first.Add(0, a)
			first.Add(1, b)
			first.Discard()
			second.Add(1, b)
			second.Send([]*packet.Frame{text("x")}, 0)
			first.Send([]*packet.Frame{text("nobody")}, 0)
			synctest.Wait()
		}
		if got := strings.Join(b.received(), ""); got != "xxxxxxxxxx" || len(a.received()) > 0 {
			t.Errorf("got %q and %q", a.received(), got)
		}
	})
}

// A shard that has nothing to do keeps neither sessions nor frames alive.
func TestIdleShardForgets(t *testing.T) {
	p := newPool(t, 1)
	var sessions []weak.Pointer[session]
	var frames []weak.Pointer[packet.Frame]
	func() {
		s := &session{}
		f, g := text(strings.Repeat("f", 100)), text(strings.Repeat("g", 100))
		sessions = append(sessions, weak.Make(s))
		frames = append(frames, weak.Make(f), weak.Make(g))
		p.SendOne(0, s, f, 0, true)
		p.Send(0, s, []*packet.Frame{f, g}, 0)
		p.SendOne(0, s, g, 0, true)
		eventually(t, "all frames have arrived", func() bool { return len(s.received()) == 4 })
	}()
	eventually(t, "the shard is idle", func() bool { return p.Idle(0) })
	eventually(t, "nothing is kept", func() bool {
		runtime.GC()
		for _, s := range sessions {
			if s.Value() != nil {
				return false
			}
		}
		for _, f := range frames {
			if f.Value() != nil {
				return false
			}
		}
		return true
	})
}

// Sessions are spread over all shards, and go on being so.
func TestAssignUsesAllShards(t *testing.T) {
	t.Parallel()
	const shards = 3
	p := newPool(t, shards)
	var used [shards]int
	for range 10 * shards {
		used[p.Assign()]++
	}
	for i, n := range used {
		if n != 10 {
			t.Errorf("shard %d has %d sessions of %d, want 10", i, n, 10*shards)
		}
	}
	if got := flush.NewPool[*session](0).Assign(); got != 0 {
		t.Errorf("a pool without shards: %d", got)
	}
}

// Who waits for room in an inbox when the pool is closed goes on, and what is sent later
// is dropped at once.
func TestCloseReleasesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := flush.NewPool[*session](1) // its shard takes nothing
		s, released := &session{}, make(chan struct{}, 3)
		for range inboxJobs {
			p.SendOne(0, s, text("x"), 0, true)
		}
		for range cap(released) {
			go func() {
				p.SendOne(0, s, text("y"), 0, true)
				released <- struct{}{}
			}()
		}
		synctest.Wait()
		if n := len(released); n > 0 {
			t.Errorf("%d did not wait", n)
		}
		p.Close()
		synctest.Wait()
		if n := len(released); n != cap(released) {
			t.Errorf("%d of %d were released", n, cap(released))
		}
		for range 2 * inboxJobs {
			p.SendOne(0, s, text("z"), 0, true)
		}
		if n := len(s.received()); n > 0 {
			t.Errorf("%d frames were sent by a closed pool", n)
		}
	})
}
