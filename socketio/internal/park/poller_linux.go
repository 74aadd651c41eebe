//go:build !noparking

package park

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/exec"
)

// batch is the number of connections that one system call reports at most.
const batch = 256

// edge is EPOLLET, whose value package syscall has with the wrong sign.
const edge = 1 << 31

// Poller waits for input on the connections that it has adopted. It has an epoll
// instance and a pool of workers.
type Poller struct {
	epoll   int
	stop    [2]int // a pipe that ends the waiting
	pool    *exec.Pool
	epoch   time.Time
	table   table
	watched atomic.Int64

	// dups is held while a descriptor is duplicated. When the table of descriptors has to
	// grow, the kernel lets all who want one wait for milliseconds, each with a thread
	// to itself, which the runtime would keep.
	dups sync.Mutex

	events [batch]syscall.EpollEvent // of whoever polls

	mu      sync.Mutex
	ready   []notice // what is to be told; the first ones have been
	taken   int      // that many
	polling bool     // a worker waits for input
	closed  bool
	err     error // has ended the waiting for input
	crew    crew
}

// notice is what a waiter is to be told.
type notice struct {
	conn  *Conn
	ended bool
}

// New returns a poller. Its first worker starts with the first connection.
func New() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("park: create epoll instance: %w", os.NewSyscallError("epoll_create1", err))
	}
	p := &Poller{epoll: fd, pool: exec.NewPool(), epoch: time.Now()}
	if err := syscall.Pipe2(p.stop[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("park: create pipe: %w", os.NewSyscallError("pipe2", err))
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(p.stop[0])}
	if err := syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, p.stop[0], &event); err != nil {
		p.closeFiles()
		return nil, fmt.Errorf("park: watch pipe: %w", os.NewSyscallError("epoll_ctl", err))
	}
	// A sandbox may refuse this call alone.
	if _, err := syscall.EpollWait(fd, p.events[:], 0); err != nil && !errors.Is(err, syscall.EINTR) {
		p.closeFiles()
		return nil, fmt.Errorf("park: wait for input: %w", os.NewSyscallError("epoll_wait", err))
	}
	p.crew.init(p)
	return p, nil
}

// Err returns what has ended the waiting for input: nothing can be watched any more, and
// connections that are empty return this error. It is nil as long as all is well.
func (p *Poller) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// fail ends the waiting for input, because that is not possible any more. All waiters
// are told that their connections have ended.
func (p *Poller) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = fmt.Errorf("park: wait for input: %w", err)
	for c := range p.table.all {
		p.ready = append(p.ready, notice{c, true})
	}
}

// Len returns the number of connections that are watched.
func (p *Poller) Len() int { return int(p.watched.Load()) }

// Close ends the workers and waits for them. The connections should have been closed
// before; waiters are not told. Nothing can be watched any more.
func (p *Poller) Close() {
	p.mu.Lock()
	p.closed = true
	p.crew.close()
	p.mu.Unlock()
	_, _ = syscall.Write(p.stop[1], []byte{0})
	_ = p.pool.Close(context.Background())
	p.closeFiles()
}

func (p *Poller) closeFiles() {
	for _, fd := range []*int{&p.epoll, &p.stop[0], &p.stop[1]} {
		_ = syscall.Close(*fd)
		*fd = -1 // The number may be given to something else.
	}
}

// add watches a connection for input.
func (p *Poller) add(c *Conn) error {
	p.watched.Add(1)
	p.table.set(c.fd, c)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edge, Fd: c.fd}
	if err := syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, int(c.fd), &event); err != nil {
		p.forget(c)
		return os.NewSyscallError("epoll_ctl", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		p.forget(c) // fail may have been too early to find it
		return p.err
	}
	p.crew.staff()
	return nil
}

// modify watches a connection for room in its output too, and has everything reported
// again.
func (p *Poller) modify(c *Conn) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | edge, Fd: c.fd}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_MOD, int(c.fd), &event))
}

// forget removes a connection, whose descriptor is still open. Closing that will end
// the watching.
func (p *Poller) forget(c *Conn) {
	if p.table.remove(c.fd, c) {
		p.watched.Add(-1)
	}
}

// push queues a notice for a worker.
func (p *Poller) push(n notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, n)
	p.crew.onPush()
}

// next returns what a worker is to do next. If nobody else does, it waits for input.
// ok is false if the worker is not needed any more.
func (p *Poller) next(w *Worker) (n notice, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.crew.back(w) {
		return n, false
	}
	for {
		if p.taken < len(p.ready) {
			n, p.ready[p.taken] = p.ready[p.taken], notice{}
			p.taken++
			p.crew.onTake(w)
			return n, true
		}
		p.recycle()
		if p.polling || p.closed || p.err != nil {
			p.crew.leave(w)
			return n, false
		}
		p.polling = true
		p.mu.Unlock()
		events := p.wait()
		p.mu.Lock()
		p.polling = false
		p.collect(events)
		p.crew.onPoll(len(p.ready))
	}
}

// queued is the number of notices that nobody has taken yet. p.mu is held.
func (p *Poller) queued() int { return len(p.ready) - p.taken }

// now returns the time since the poller was opened.
func (p *Poller) now() time.Duration { return time.Since(p.epoch) }

// recycle empties the queue, which keeps its memory unless it has become large. p.mu is
// held.
func (p *Poller) recycle() {
	p.ready, p.taken = p.ready[:0], 0
	if cap(p.ready) > maxIdle {
		p.ready = nil
	}
}

// maxIdle is the number of notices that the queue keeps room for.
const maxIdle = 16 * batch

// wait waits for input. While there is much to do there is some already, which a call
// that does not wait finds out cheaply.
func (p *Poller) wait() []syscall.EpollEvent {
	// What the worker has woken up may be waiting for its processor, which the runtime
	// would take away from a system call only after a while.
	runtime.Gosched()
	for timeout := 0; ; timeout = -1 {
		n, err := syscall.EpollWait(p.epoll, p.events[:], timeout)
		switch {
		case n > 0:
			return p.events[:n]
		case err != nil && !errors.Is(err, syscall.EINTR):
			p.fail(os.NewSyscallError("epoll_wait", err))
			return nil
		case timeout == 0:
			p.rest()
		}
	}
}

// rest is called by the worker that polls when there is no input.
func (p *Poller) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == len(p.ready) {
		p.crew.onRest()
	}
}

// collect queues what has been reported. p.mu is held.
func (p *Poller) collect(events []syscall.EpollEvent) {
	const (
		ended = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
		input = syscall.EPOLLIN | ended
	)
	for _, e := range events {
		c := p.table.get(e.Fd)
		if c == nil {
			continue
		}
		if s := c.signal.Load(); s != nil {
			s.wake(e.Events)
		}
		if e.Events&input != 0 {
			p.ready = append(p.ready, notice{c, e.Events&ended != 0})
		}
	}
}
