//go:build !noparking

package park

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/nowait"
)

// Conn is a stream connection that is used with system calls that do not wait. The
// zero Conn has no connection yet; see [Poller.Adopt]. It must not be copied.
//
// One goroutine at a time may read, one may write, and any may call the other
// methods.
type Conn struct {
	waiter Waiter                  // knows the poller
	signal atomic.Pointer[signals] // made when a goroutine waits for the first time
	fd     int32
	// users is the number of calls that use fd, and closing or'ed to it. The
	// descriptor is closed when nobody uses it any more, so that a number is never
	// used after it may have been given to something else.
	users atomic.Int32
}

const closing = 1 << 30

// signals wake up goroutines that wait.
type signals struct {
	input, output chan struct{} // capacity 1
}

// Adopt takes over a connection and tells the waiter of input from now on, that which
// has arrived before included: the Conn has its descriptor, and nc is closed. p is the
// waiter's poller. On an error nc is left alone.
func (p *Poller) Adopt(c *Conn, nc net.Conn, w Waiter) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return fmt.Errorf("park: adopt %T: %w", nc, errors.ErrUnsupported)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return fmt.Errorf("park: adopt connection: %w", err)
	}
	fd, err := p.dup(raw)
	if err != nil {
		return fmt.Errorf("park: adopt connection: %w", err)
	}
	c.waiter, c.fd = w, fd
	if err := p.add(c); err != nil {
		_ = syscall.Close(int(fd)) // The other descriptor keeps the connection open.
		return fmt.Errorf("park: adopt connection: %w", err)
	}
	_ = nc.Close() // And now it is this one.
	return nil
}

// dup duplicates a descriptor.
func (p *Poller) dup(raw syscall.RawConn) (int32, error) {
	var fd uintptr
	var errno syscall.Errno
	err := raw.Control(func(old uintptr) {
		p.dups.Lock()
		defer p.dups.Unlock()
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("fcntl", errno)
	}
	return int32(fd), err
}

// Notify tells the waiter, from a worker, that there may be input, or that the
// connection has ended.
func (c *Conn) Notify(ended bool) { c.waiter.Poller().push(notice{c, ended}) }

// acquire keeps the descriptor open until release. It reports false if the Conn is
// closed.
func (c *Conn) acquire() bool {
	if c.users.Add(1)&closing != 0 {
		c.release()
		return false
	}
	return true
}

func (c *Conn) release() {
	// Whoever brings the number of users down to zero after Close closes the
	// descriptor; a late acquire may do so in vain.
	if c.users.Add(-1) == closing && c.users.CompareAndSwap(closing, closing|closed) {
		_ = syscall.Close(int(c.fd))
	}
}

// closed says that the descriptor has been closed.
const closed = 1 << 29

// Close closes the connection. Calls that wait return [net.ErrClosed]. The waiter is
// not told. Only the first call counts.
func (c *Conn) Close() {
	for {
		n := c.users.Load()
		if n&closing != 0 {
			return
		}
		if c.users.CompareAndSwap(n, (n+1)|closing) {
			break
		}
	}
	c.waiter.Poller().forget(c)
	if s := c.signal.Load(); s != nil {
		s.wake(syscall.EPOLLIN | syscall.EPOLLOUT)
	}
	c.release()
}

// CloseWrite ends the output.
func (c *Conn) CloseWrite() error {
	if !c.acquire() {
		return net.ErrClosed
	}
	defer c.release()
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(c.fd), syscall.SHUT_WR))
}

// TryRead reads what is there. It returns [ErrEmpty] if that is nothing, and [io.EOF] at
// the end.
func (c *Conn) TryRead(b []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	defer c.release()
	n, err := nowait.Read(int(c.fd), b)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		err = ErrEmpty
		if broken := c.waiter.Poller().Err(); broken != nil {
			err = broken // nobody would be told of what comes
		}
	case n == 0 && err == nil:
		err = io.EOF
	}
	return n, err
}

// TryWrite writes as much as the connection takes at once, which may be nothing.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	defer c.release()
	n, err := nowait.Write(int(c.fd), b)
	if errors.Is(err, syscall.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// Read is TryRead that waits for input until the deadline. The error is then
// [os.ErrDeadlineExceeded].
func (c *Conn) Read(b []byte, deadline time.Time) (int, error) {
	for {
		n, err := c.TryRead(b)
		if !errors.Is(err, ErrEmpty) {
			return n, err
		}
		if err := c.await(deadline, func(s *signals) chan struct{} { return s.input }); err != nil {
			return 0, err
		}
	}
}

// WriteSome writes as much of b, which is not empty, as the connection takes, and waits
// until that is something. If it is nothing until the deadline, the error is
// [os.ErrDeadlineExceeded].
func (c *Conn) WriteSome(b []byte, deadline time.Time) (int, error) {
	for {
		n, err := c.TryWrite(b)
		if n > 0 || err != nil {
			return n, err
		}
		if err := c.await(deadline, func(s *signals) chan struct{} { return s.output }); err != nil {
			// The system tells of room in the output only when there is much of it.
			if n, werr := c.TryWrite(b); n > 0 || werr != nil {
				return n, werr
			}
			return 0, err
		}
	}
}

// await waits for a signal. When it is the first time it returns at once, because the
// signal may have been missed.
func (c *Conn) await(deadline time.Time, which func(*signals) chan struct{}) error {
	s := c.signal.Load()
	if s == nil {
		s = &signals{input: make(chan struct{}, 1), output: make(chan struct{}, 1)}
		if !c.signal.CompareAndSwap(nil, s) {
			return nil
		}
		if !c.acquire() {
			return net.ErrClosed
		}
		defer c.release()
		return c.waiter.Poller().modify(c)
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-which(s):
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// wake wakes up those who wait for what the events say.
func (s *signals) wake(events uint32) {
	if events&^syscall.EPOLLOUT != 0 {
		signal(s.input)
	}
	if events&^syscall.EPOLLIN != 0 {
		signal(s.output)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
