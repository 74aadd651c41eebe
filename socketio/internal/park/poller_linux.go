package park

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// batch is the number of connections that one system call reports at most.
const batch = 256

// edge is EPOLLET, whose value package syscall has with the wrong sign.
const edge = 1 << 31

// Poller waits for input on the connections that have been added to it.
//
// It has an epoll instance, which is itself watched by the runtime's poller: the
// goroutine does not hold a thread while it waits.
type Poller struct {
	epoll *os.File
	raw   syscall.RawConn
	done  chan struct{}

	mu    sync.Mutex
	slots []slot
	free  []uint32
}

// slot is a connection's place in the table. An event names it by index and
// generation, so that an event for a connection that has gone is recognised.
type slot struct {
	waiter     Waiter
	generation uint32
}

// New returns a poller whose goroutine runs until Close.
func New() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("park: create epoll instance: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("park: set up epoll instance: %w", err)
	}
	p := &Poller{epoll: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{})}
	if p.raw, err = p.epoll.SyscallConn(); err != nil {
		_ = p.epoll.Close()
		return nil, fmt.Errorf("park: use epoll instance: %w", err)
	}
	go p.run()
	return p, nil
}

// Add watches a connection: w is told of input that arrives from now on, and of
// input that is there already. The file descriptor must stay open until the token
// has been removed; closing it then ends the watching.
func (p *Poller) Add(fd int, w Waiter) (Token, error) {
	t := p.place(w)
	event := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | edge,
		Fd:     int32(uint32(t)),
		Pad:    int32(uint32(t >> 32)),
	}
	err := p.control(func(epoll int) error {
		return syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &event)
	})
	if err != nil {
		p.Remove(t)
		return 0, fmt.Errorf("park: watch connection: %w", err)
	}
	return t, nil
}

// control runs a system call on the epoll instance while it is sure to be open.
func (p *Poller) control(call func(epoll int) error) error {
	var failed error
	err := p.raw.Control(func(fd uintptr) { failed = call(int(fd)) })
	return errors.Join(err, failed)
}

// place finds a slot for a waiter. Generations start at 1, so that no token is 0.
func (p *Poller) place(w Waiter) Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	var i uint32
	if n := len(p.free); n > 0 {
		i = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		i = uint32(len(p.slots))
		p.slots = append(p.slots, slot{generation: 1})
	}
	p.slots[i].waiter = w
	return Token(i) | Token(p.slots[i].generation)<<32
}

// Remove forgets a connection. It does nothing for a token that has been removed
// before, or for the zero Token.
func (p *Poller) Remove(t Token) {
	i, generation := uint32(t), uint32(t>>32)
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(i) >= len(p.slots) || p.slots[i].generation != generation || generation == 0 {
		return
	}
	p.slots[i].waiter = nil
	p.slots[i].generation = max(generation+1, 1)
	p.free = append(p.free, i)
}

// Release is Remove for a connection that stays open and is read by other means.
func (p *Poller) Release(fd int, t Token) {
	p.Remove(t)
	_ = p.control(func(epoll int) error {
		return syscall.EpollCtl(epoll, syscall.EPOLL_CTL_DEL, fd, &syscall.EpollEvent{})
	})
}

// Len returns the number of connections that are watched.
func (p *Poller) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots) - len(p.free)
}

// Close ends the poller and waits for its goroutine. Waiters are not told.
func (p *Poller) Close() {
	_ = p.epoll.Close()
	<-p.done
}

// run tells the waiters of what arrives until the poller is closed.
func (p *Poller) run() {
	defer close(p.done)
	var (
		events  [batch]syscall.EpollEvent
		notices = make([]notice, 0, batch)
		n       int
	)
	poll := func(fd uintptr) bool {
		var err error
		n, err = syscall.EpollWait(int(fd), events[:], 0)
		if err != nil {
			n = 0
		}
		return n > 0
	}
	for {
		if err := p.raw.Read(poll); err != nil {
			return
		}
		notices = p.lookup(notices[:0], events[:n])
		for _, n := range notices {
			n.waiter.Readable(n.ended)
		}
		clear(notices)
	}
}

// notice is what a waiter is to be told.
type notice struct {
	waiter Waiter
	ended  bool
}

// lookup appends the notices that the events stand for.
func (p *Poller) lookup(dst []notice, events []syscall.EpollEvent) []notice {
	const ended = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range events {
		i, generation := uint32(e.Fd), uint32(e.Pad)
		if int(i) < len(p.slots) && p.slots[i].generation == generation && p.slots[i].waiter != nil {
			dst = append(dst, notice{p.slots[i].waiter, e.Events&ended != 0})
		}
	}
	return dst
}
