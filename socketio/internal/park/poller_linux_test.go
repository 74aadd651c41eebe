//go:build !noparking

package park

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/nowait"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// witness is a waiter that counts, and keeps one notice for whoever waits.
type witness struct {
	poller *Poller
	conn   *Conn
	calls  atomic.Int64
	ended  atomic.Bool
	notice chan struct{}
	then   func(w *Worker)
}

func (s *witness) Poller() *Poller { return s.poller }

func newWitness() *witness { return &witness{notice: make(chan struct{}, 1)} }

func (s *witness) Readable(w *Worker, ended bool) {
	if ended {
		s.ended.Store(true)
	}
	s.calls.Add(1)
	signal(s.notice)
	if s.then != nil {
		s.then(w)
	}
}

func (s *witness) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.notice:
	case <-time.After(patience):
		t.Fatalf("not told within %v", patience)
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

// tcpPair returns the two ends of a TCP connection.
func tcpPair(tb testing.TB) (in, out *net.TCPConn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { dialled.Close(); accepted.Close() })
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// watched returns the two ends of a TCP connection of which the first is adopted.
func watched(tb testing.TB, p *Poller, w *witness) (*Conn, *net.TCPConn) {
	tb.Helper()
	in, out := tcpPair(tb)
	c := new(Conn)
	w.poller, w.conn = p, c
	if err := p.Adopt(c, in, w); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { out.Close(); c.Close() })
	return c, out
}

func write(tb testing.TB, c net.Conn, s string) {
	tb.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		tb.Fatal(err)
	}
}

func TestInputIsReported(t *testing.T) {
	p := newPoller(t)
	s := newWitness()
	c, peer := watched(t, p, s)
	for range 3 {
		write(t, peer, "x")
		s.await(t)
		if n, err := c.TryRead(make([]byte, 8)); n != 1 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		if _, err := c.TryRead(make([]byte, 8)); !errors.Is(err, ErrEmpty) {
			t.Fatalf("reading an empty connection: %v", err)
		}
	}
	if s.ended.Load() {
		t.Error("input was reported as the end")
	}
}

func TestEarlyInputIsReported(t *testing.T) {
	p := newPoller(t)
	in, peer := tcpPair(t)
	write(t, peer, "x")
	s := newWitness()
	s.poller, s.conn = p, new(Conn)
	if err := p.Adopt(s.conn, in, s); err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close()
	s.await(t)
}

func TestEndIsReported(t *testing.T) {
	p := newPoller(t)
	s := newWitness()
	c, peer := watched(t, p, s)
	peer.Close()
	s.await(t)
	if !s.ended.Load() {
		t.Error("the end was reported as input")
	}
	if _, err := c.TryRead(make([]byte, 8)); !errors.Is(err, io.EOF) {
		t.Errorf("reading at the end: %v", err)
	}
}

func TestNotify(t *testing.T) {
	p := newPoller(t)
	s := newWitness()
	c, _ := watched(t, p, s)
	c.Notify(true)
	s.await(t)
	if !s.ended.Load() {
		t.Error("a notice did not say that the connection has ended")
	}
}

func TestClosedConn(t *testing.T) {
	p := newPoller(t)
	c, peer := watched(t, p, newWitness())
	c.Close()
	c.Close()
	if n := p.Len(); n != 0 {
		t.Errorf("%d connections are watched", n)
	}
	if _, err := c.TryRead(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("TryRead: %v", err)
	}
	if _, err := c.TryWrite(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("TryWrite: %v", err)
	}
	if err := c.CloseWrite(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("CloseWrite: %v", err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the peer reads: %v", err)
	}
}

// The number of a closed descriptor goes to another connection at once, so whoever
// still uses it would write to somebody else.
func TestCloseWaitsForUsers(t *testing.T) {
	p := newPoller(t)
	c, peer := watched(t, p, newWitness())
	if !c.acquire() {
		t.Fatal("the connection is closed")
	}
	c.Close()
	if _, err := nowait.Write(int(c.fd), []byte("x")); err != nil {
		t.Errorf("the descriptor was closed while in use: %v", err)
	}
	c.release()
	b, err := io.ReadAll(peer)
	if string(b) != "x" || err != nil {
		t.Errorf("the peer got %q, %v", b, err)
	}
	for range 3 { // late users
		if c.acquire() {
			t.Error("a closed connection can be used")
		}
	}
}

func TestConcurrentClose(t *testing.T) {
	p := newPoller(t)
	for range 100 {
		c, peer := watched(t, p, newWitness())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					if _, err := c.TryWrite([]byte("x")); err != nil {
						return
					}
				}
			})
		}
		wg.Go(c.Close)
		wg.Wait()
		if _, err := io.Copy(io.Discard, peer); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that cannot be watched is left alone.
func TestConnectionsThatCannotBeWatched(t *testing.T) {
	p := newPoller(t)
	p.Close()
	in, peer := tcpPair(t)
	c := new(Conn)
	if err := p.Adopt(c, in, newWitness()); !errors.Is(err, syscall.EBADF) {
		t.Errorf("adopted by a closed poller: %v", err)
	}
	if n, left := p.Len(), p.table.get(c.fd); n != 0 || left != nil {
		t.Errorf("%d connections are watched, and the table has %p", n, left)
	}
	write(t, in, "x")
	if n, err := peer.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// writeAll writes all of b. The timeout is for each piece that the connection takes.
func writeAll(c *Conn, b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		n, err := c.WriteSome(b, time.Now().Add(timeout))
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func TestBlockingWrite(t *testing.T) {
	p := newPoller(t)
	c, peer := watched(t, p, newWitness())
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(peer)
		got <- b
	}()
	if err := writeAll(c, message, patience); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Equal(b, message) {
		t.Errorf("%d bytes arrived that are not the %d sent", len(b), len(message))
	}
}

func TestDeadlines(t *testing.T) {
	p := newPoller(t)
	c, _ := watched(t, p, newWitness())
	err := writeAll(c, make([]byte, 64<<20), 20*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to one who does not read: %v", err)
	}
	if _, err := c.Read(make([]byte, 1), time.Now().Add(20*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from one who does not write: %v", err)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	p := newPoller(t)
	c, _ := watched(t, p, newWitness())
	failed := make(chan error, 2)
	go func() {
		_, err := c.Read(make([]byte, 1), time.Now().Add(time.Hour))
		failed <- err
	}()
	go func() { failed <- writeAll(c, make([]byte, 64<<20), time.Hour) }()
	for c.signal.Load() == nil {
		runtime.Gosched()
	}
	c.Close()
	for range 2 {
		select {
		case err := <-failed:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
		case <-time.After(patience):
			t.Fatal("a call still waits")
		}
	}
}

func TestManyConnections(t *testing.T) {
	const n = 700 // more than a page
	p := newPoller(t)
	var told sync.WaitGroup
	told.Add(n)
	for range n {
		var once sync.Once
		s := newWitness()
		s.then = func(*Worker) { once.Do(told.Done) }
		_, peer := watched(t, p, s)
		go peer.Write([]byte("x"))
	}
	told.Wait()
	if got := p.Len(); got != n {
		t.Fatalf("%d connections are watched, want %d", got, n)
	}
}

func TestAdoptFails(t *testing.T) {
	p := newPoller(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := p.Adopt(new(Conn), a, newWitness()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("adopting a connection without a descriptor: %v", err)
	}
	go a.Write([]byte("x"))
	if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the connection does not work any more: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c.Close()
	if err := p.Adopt(new(Conn), c, newWitness()); err == nil {
		t.Error("adopted a closed connection")
	}
}
