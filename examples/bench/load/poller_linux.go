package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

var errNotIPv4 = errors.New("not an IPv4 socket")

// poller owns the sockets of the clients and tells which of them are ready. It is
// not for concurrent use.
type poller struct {
	epoll  int
	events []unix.EpollEvent
}

// newPoller returns a poller without sockets.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating an epoll instance: %w", err)
	}
	return &poller{epoll: fd, events: make([]unix.EpollEvent, usualBatch)}, nil
}

// batch makes wait report at most n sockets at a time, by turns.
func (p *poller) batch(n int) { p.events = make([]unix.EpollEvent, n) }

// dial starts to connect from source to target and returns the descriptor of the
// new socket, which is reported as readable when there is something to read.
func (p *poller) dial(source netip.Addr, target netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("creating a socket: %w", err)
	}
	if err := p.connect(fd, source, target); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// connect prepares the socket and starts its TCP handshake.
func (p *poller) connect(fd int, source netip.Addr, target netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("setting TCP_NODELAY: %w", err)
	}
	// The kernel chooses the port when it knows the target: then a port can serve
	// once for each pair of addresses.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("setting IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()}); err != nil {
		return fmt.Errorf("binding to %v: %w", source, err)
	}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, interest(fd, false)); err != nil {
		return fmt.Errorf("watching a socket: %w", err)
	}
	err := unix.Connect(fd, &unix.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())})
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connecting to %v: %w", target, err)
	}
	return nil
}

// notifyWritable says whether fd is to be reported when it can be written to.
func (p *poller) notifyWritable(fd int, on bool) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, interest(fd, on)); err != nil {
		return fmt.Errorf("watching a socket: %w", err)
	}
	return nil
}

// interest returns what to watch a descriptor for.
func interest(fd int, writable bool) *unix.EpollEvent {
	e := &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if writable {
		e.Events |= unix.EPOLLOUT
	}
	return e
}

// wait calls ready for each descriptor that can be read from or written to. It
// waits for at most the timeout if there is none. An error of a socket makes it
// readable: reading tells the error.
func (p *poller) wait(timeout time.Duration, ready func(fd int, readable, writable bool) error) error {
	n, err := unix.EpollWait(p.epoll, p.events, int(timeout.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("waiting for sockets: %w", err)
	}
	for _, e := range p.events[:n] {
		if err := ready(int(e.Fd), e.Events&^unix.EPOLLOUT != 0, e.Events&unix.EPOLLOUT != 0); err != nil {
			return err
		}
	}
	return nil
}

// mute stops reporting fd, whatever happens to it.
func (p *poller) mute(fd int) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		return fmt.Errorf("ignoring a socket: %w", err)
	}
	return nil
}

// local returns the address that fd is bound to.
func (*poller) local(fd int) (netip.AddrPort, error) { return address(unix.Getsockname(fd)) }

// target returns the address that fd is connected to.
func (*poller) target(fd int) (netip.AddrPort, error) { return address(unix.Getpeername(fd)) }

// address converts what the kernel says about a socket.
func address(addr unix.Sockaddr, err error) (netip.AddrPort, error) {
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("asking for the address of a socket: %w", err)
	}
	v4, ok := addr.(*unix.SockaddrInet4)
	if !ok {
		return netip.AddrPort{}, errNotIPv4
	}
	return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), uint16(v4.Port)), nil
}

// read reads what has arrived: nothing at all if n is zero. At the end of the
// stream it returns io.EOF.
func (*poller) read(fd int, b []byte) (n int, err error) {
	n, err = unix.Read(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("reading: %w", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// write writes what the socket takes, which may be nothing.
func (*poller) write(fd int, b []byte) (n int, err error) {
	n, err = unix.Write(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("writing: %w", err)
	}
	return n, nil
}

// reset closes a socket at once, on both ends.
func (p *poller) reset(fd int) error {
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return errors.Join(fmt.Errorf("setting SO_LINGER: %w", err), p.hangUp(fd))
	}
	return p.hangUp(fd)
}

// hangUp closes a socket.
func (*poller) hangUp(fd int) error {
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("closing a socket: %w", err)
	}
	return nil
}

// close releases the poller, not the sockets.
func (p *poller) close() error {
	if err := unix.Close(p.epoll); err != nil {
		return fmt.Errorf("closing the epoll instance: %w", err)
	}
	return nil
}
