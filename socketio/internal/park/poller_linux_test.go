package park

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signal is a waiter that counts, and keeps one notice for whoever waits.
type signal struct {
	calls  atomic.Int64
	ended  atomic.Bool
	notice chan struct{}
}

func newSignal() *signal { return &signal{notice: make(chan struct{}, 1)} }

func (s *signal) Readable(ended bool) {
	if ended {
		s.ended.Store(true)
	}
	s.calls.Add(1)
	select {
	case s.notice <- struct{}{}:
	default:
	}
}

func (s *signal) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.notice:
	case <-time.After(10 * time.Second):
		t.Fatal("not told within 10 s")
	}
}

func newPoller(tb testing.TB) *Poller {
	tb.Helper()
	p, err := New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// pair returns the two ends of a TCP connection and the descriptor of the first.
func pair(tb testing.TB) (a, b *net.TCPConn, fd int) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { out.Close(); in.Close() })
	a, b = in.(*net.TCPConn), out.(*net.TCPConn)
	raw, err := a.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	if err := raw.Control(func(f uintptr) { fd = int(f) }); err != nil {
		tb.Fatal(err)
	}
	return a, b, fd
}

func add(tb testing.TB, p *Poller, fd int, w Waiter) Token {
	tb.Helper()
	token, err := p.Add(fd, w)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestInputIsReported(t *testing.T) {
	p := newPoller(t)
	a, b, fd := pair(t)
	s := newSignal()
	add(t, p, fd, s)
	for range 3 {
		b.Write([]byte("x"))
		s.await(t)
		if _, err := a.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEarlyInputIsReported(t *testing.T) {
	p := newPoller(t)
	_, b, fd := pair(t)
	b.Write([]byte("x"))
	s := newSignal()
	add(t, p, fd, s)
	s.await(t)
}

func TestEndOfConnectionIsReported(t *testing.T) {
	p := newPoller(t)
	_, b, fd := pair(t)
	s := newSignal()
	add(t, p, fd, s)
	b.Close()
	s.await(t)
	if !s.ended.Load() {
		t.Fatal("the end was reported as input")
	}
}

func TestRemovedWaiterIsForgotten(t *testing.T) {
	p := newPoller(t)
	_, b, fd := pair(t)
	removed, kept := newSignal(), newSignal()
	p.Remove(add(t, p, fd, removed))
	_, b2, fd2 := pair(t)
	token := add(t, p, fd2, kept) // in the slot of the other
	b.Write([]byte("x"))
	b2.Write([]byte("x"))
	kept.await(t)
	if n := removed.calls.Load(); n != 0 {
		t.Fatalf("a removed waiter was told %d times", n)
	}
	p.Remove(token)
	p.Remove(token)
	if n := p.Len(); n != 0 {
		t.Fatalf("%d connections left", n)
	}
}

func TestManyConnections(t *testing.T) {
	const n = 500
	p := newPoller(t)
	var told sync.WaitGroup
	told.Add(n)
	for range n {
		_, b, fd := pair(t)
		var once sync.Once
		add(t, p, fd, waiterFunc(func() { once.Do(told.Done) }))
		go b.Write([]byte("x"))
	}
	told.Wait()
	if got := p.Len(); got != n {
		t.Fatalf("%d connections are watched, want %d", got, n)
	}
}

type waiterFunc func()

func (f waiterFunc) Readable(bool) { f() }

func TestAddFails(t *testing.T) {
	p := newPoller(t)
	if _, err := p.Add(-1, newSignal()); err == nil {
		t.Fatal("watched a descriptor that is not open")
	}
	if n := p.Len(); n != 0 {
		t.Fatalf("%d connections left", n)
	}
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	q, err := New()
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
	if _, err := q.Add(fds[0], newSignal()); err == nil {
		t.Fatal("a closed poller took a connection")
	}
}

func BenchmarkWake(b *testing.B) {
	p := newPoller(b)
	a, c, fd := pair(b)
	s := newSignal()
	add(b, p, fd, s)
	buf := make([]byte, 8)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(buf[:1])
		<-s.notice
		a.Read(buf)
	}
}
