package flush_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// session records what a pool does with it.
type session struct {
	mu      sync.Mutex
	queue   []*packet.Frame
	touched bool
	got     []string
	flushes int
	alone   bool          // it takes frames without a queue
	writes  int           // of such frames
	hold    chan struct{} // if not nil, Flush waits for it
	held    chan struct{} // closed when Flush waits
}

func (s *session) Append(frames []*packet.Frame, _ uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, frames...)
	due := !s.touched
	s.touched = true
	return due
}

func (s *session) Write(f *packet.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.alone || s.touched {
		return false
	}
	s.got = append(s.got, string(f.Payload()))
	s.writes++
	return true
}

func (s *session) Flush(*flush.Scratch) {
	if s.hold != nil {
		close(s.held)
		<-s.hold
		s.hold = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = false
	for _, f := range s.queue {
		s.got = append(s.got, string(f.Payload()))
	}
	s.queue = nil
	s.flushes++
}

func (s *session) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func text(s string) *packet.Frame { return packet.Text(packet.Message, s) }

func newPool(t *testing.T, n int) *flush.Pool[*session] {
	t.Helper()
	p := flush.NewPool[*session](n)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func TestIdleShardIsPassedBy(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	s := &session{}
	p.SendOne(0, s, text("a"), 0, false)
	p.Send(0, s, []*packet.Frame{text("b"), text("c")}, 0)
	// Everything has happened on this goroutine.
	if got := s.received(); strings.Join(got, "") != "abc" || s.flushes != 2 {
		t.Errorf("got %q in %d flushes", got, s.flushes)
	}
}

func TestRoundsCoalesce(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	blocker := &session{hold: make(chan struct{}), held: make(chan struct{})}
	s := &session{}
	b := p.NewBatch()
	b.Add(0, blocker)
	b.Send([]*packet.Frame{text("x")}, 0)
	<-blocker.held
	// The shard is in a round: all of this is collected for the next one.
	for i := range 10 {
		b.Add(0, s)
		b.Send([]*packet.Frame{text(fmt.Sprint(i))}, 0)
	}
	p.SendOne(0, s, text("!"), 0, false)
	if n := len(s.received()); n != 0 {
		t.Errorf("%d frames arrived during the round", n)
	}
	close(blocker.hold)
	eventually(t, "the second round", func() bool { return len(s.received()) == 11 })
	if got := strings.Join(s.received(), ""); got != "0123456789!" || s.flushes != 1 {
		t.Errorf("got %q in %d flushes, want one", got, s.flushes)
	}
}

func TestLoneBroadcastIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	quick, queued := &session{alone: true}, &session{}
	b := p.NewBatch()
	b.Add(0, quick)
	b.Add(0, queued)
	b.Send([]*packet.Frame{text("x")}, 0)
	eventually(t, "both have got it", func() bool { return len(quick.received()) == 1 && len(queued.received()) == 1 })
	b.Add(0, quick)
	b.Add(0, queued)
	b.Send([]*packet.Frame{text("y"), text("z")}, 0) // not a single frame
	eventually(t, "both have got all", func() bool { return len(quick.received()) == 3 && len(queued.received()) == 3 })
	quick.mu.Lock()
	defer quick.mu.Unlock()
	if quick.writes != 1 || quick.flushes != 1 {
		t.Errorf("%d frames were written at once and there were %d flushes, want one of each", quick.writes, quick.flushes)
	}
}

func TestOrderOfEachSenderIsKept(t *testing.T) {
	t.Parallel()
	p := newPool(t, 2)
	const senders, n = 4, 500
	s := &session{alone: true}
	shard := p.Assign()
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			b := p.NewBatch()
			for i := range n {
				f := []*packet.Frame{text(fmt.Sprintf("%d %d", sender, i))}
				switch i % 3 {
				case 0:
					p.SendOne(shard, s, f[0], 0, false)
				case 1:
					p.Send(shard, s, f, 0)
				case 2:
					b.Add(shard, s)
					b.Send(f, 0)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all frames", func() bool { return len(s.received()) == senders*n })
	var next [senders]int
	for _, m := range s.received() {
		var sender, i int
		if _, err := fmt.Sscan(m, &sender, &i); err != nil || next[sender] != i {
			t.Fatalf("sender %d: got %d, want %d (%v)", sender, i, next[sender], err)
		}
		next[sender]++
	}
}

func TestFullInboxMakesSendersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		blocker := &session{hold: make(chan struct{}), held: make(chan struct{})}
		b := p.NewBatch()
		b.Add(0, blocker)
		b.Send([]*packet.Frame{text("x")}, 0)
		<-blocker.held
		s := &session{}
		var posted atomic.Int32
		const n = 20_000
		go func() {
			f := text("y")
			for range n {
				p.SendOne(0, s, f, 0, false)
				posted.Add(1)
			}
		}()
		synctest.Wait()
		if got := posted.Load(); got == 0 || got == n {
			t.Errorf("%d of %d frames fit into the inbox", got, n)
		}
		close(blocker.hold)
		synctest.Wait()
		if posted.Load() != n || len(s.received()) != n {
			t.Errorf("%d frames were sent and %d received, want %d", posted.Load(), len(s.received()), n)
		}
	})
}

func TestCloseDropsAndReleasesWaiters(t *testing.T) {
	t.Parallel()
	p := flush.NewPool[*session](2)
	p.Close() // never started
	s := &session{}
	b := p.NewBatch()
	b.Add(0, s)
	b.Send([]*packet.Frame{text("x")}, 0)
	p.Close()
	if n := len(s.received()); n != 0 {
		t.Errorf("%d frames sent by a closed pool", n)
	}
}

func TestBatchDiscard(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1)
	b := p.NewBatch()
	s := &session{}
	b.Add(0, s)
	b.Discard()
	b.Send([]*packet.Frame{text("x")}, 0)
	p.SendOne(0, s, text("y"), 0, false)
	if got := s.received(); strings.Join(got, "") != "y" {
		t.Errorf("got %q", got)
	}
}

func TestGather(t *testing.T) {
	t.Parallel()
	sc := flush.NewScratch()
	small := []*packet.Frame{text("a"), text("b")}
	for range 2 { // the second time from what is kept of the first
		b, n := sc.Gather(small)
		if want := string(small[0].WebSocket()) + string(small[1].WebSocket()); string(b) != want || n != 2 {
			t.Errorf("got %q of %d frames, want %q", b, n, want)
		}
	}
	large := text(strings.Repeat("x", flush.MaxGather))
	if b, n := sc.Gather([]*packet.Frame{large, small[0]}); n != 1 || len(b) != large.Len() {
		t.Errorf("a large frame: %d frames, %d bytes", n, len(b))
	}
	if _, n := sc.Gather([]*packet.Frame{small[0], large}); n != 1 {
		t.Errorf("a large frame behind a small one: %d frames", n)
	}
	half := text(strings.Repeat("x", flush.MaxGather/2-100))
	if b, n := sc.Gather([]*packet.Frame{half, half, half}); n != 2 || len(b) > flush.MaxGather {
		t.Errorf("halves: %d frames, %d bytes", n, len(b))
	}
}

// tcpPair returns both ends of a TCP connection.
func tcpPair(tb testing.TB) (a, b *net.TCPConn) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	d, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = c.Close(), d.Close() })
	a, ok1 := c.(*net.TCPConn)
	b, ok2 := d.(*net.TCPConn)
	if !ok1 || !ok2 {
		tb.Fatal("not TCP")
	}
	return a, b
}

func TestWriteNeverWaits(t *testing.T) {
	t.Parallel()
	a, b := tcpPair(t)
	raw, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	sc := flush.NewScratch()
	data := make([]byte, 1<<20)
	sent := 0
	for { // until the socket is full
		n, err := sc.Write(raw, data)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n == 0 {
			break
		}
	}
	got := make([]byte, sent)
	if _, err := io.ReadFull(b, got); err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
	if _, err := sc.Write(raw, data); err == nil {
		t.Error("no error on a closed connection")
	}
}

// sink writes to a real socket and allocates nothing.
type sink struct {
	raw     syscall.RawConn
	queue   []*packet.Frame
	failed  error
	written *atomic.Int64
}

func (s *sink) Append(frames []*packet.Frame, _ uint8) bool {
	s.queue = append(s.queue, frames...)
	return true
}

func (s *sink) Write(*packet.Frame) bool { return false }

func (s *sink) Flush(sc *flush.Scratch) {
	for frames := s.queue; len(frames) > 0; {
		b, n := sc.Gather(frames)
		w, err := sc.Write(s.raw, b)
		if err != nil {
			s.failed = err
		}
		s.written.Add(int64(w))
		frames = frames[n:]
	}
	s.queue = s.queue[:0]
}

func TestBroadcastAllocatesNothing(t *testing.T) {
	a, b := tcpPair(t)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	raw, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	p := flush.NewPool[*sink](1)
	p.Start()
	defer p.Close()
	var written atomic.Int64
	s := &sink{raw: raw, written: &written, queue: make([]*packet.Frame, 0, 4)}
	f := []*packet.Frame{text("hello")}
	batch := p.NewBatch()
	want := int64(0)
	broadcast := func() {
		for range 100 {
			batch.Add(0, s)
		}
		batch.Send(f, 0)
		want += int64(100 * f[0].Len())
		for end := time.Now().Add(10 * time.Second); written.Load() < want; time.Sleep(50 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatalf("%d bytes were written, want %d", written.Load(), want)
			}
		}
	}
	broadcast()
	if n := testing.AllocsPerRun(50, broadcast); n > 1 && !raceEnabled {
		t.Errorf("%v allocations for 100 recipients", n)
	}
	if s.failed != nil {
		t.Error(s.failed)
	}
}

// A flush that is left to the shard happens once for all that has been appended, and does
// not make the shard one through which others have to go.
func TestFlushSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := flush.NewPool[*session](1)
		s := &session{}
		for round := range 3 {
			for _, frame := range []string{"a", "b", "c"} {
				if s.Append([]*packet.Frame{text(frame)}, 0) {
					p.FlushSoon(0, s)
				}
			}
			if !p.Idle(0) {
				t.Fatal("the shard is not idle")
			}
			p.Start()
			synctest.Wait()
			if got := strings.Join(s.received(), ""); got != strings.Repeat("abc", round+1) {
				t.Errorf("round %d: got %q", round, got)
			}
			if round == 0 && s.flushes != 1 {
				t.Errorf("%d flushes before the shard was running", s.flushes)
			}
		}
		p.Close()
		p.FlushSoon(0, s) // does nothing, and does not wait
	})
}

// What has been appended stays in front of what comes through the shard.
func TestFlushSoonKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		s := &session{}
		for range 100 {
			if s.Append([]*packet.Frame{text("a")}, 0) {
				p.FlushSoon(0, s)
			}
			p.SendOne(0, s, text("b"), 0, true)
			synctest.Wait()
		}
		if got := strings.Join(s.received(), ""); got != strings.Repeat("ab", 100) {
			t.Errorf("got %q", got)
		}
	})
}
