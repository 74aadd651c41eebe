//go:build !noparking

package park

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// Release gives the connection back: it returns one of the net package, like the one
// that was adopted, and closes the Conn. On an error the connection is closed.
func (c *Conn) Release() (net.Conn, error) {
	defer c.Close()
	if !c.acquire() {
		return nil, net.ErrClosed
	}
	defer c.release()
	// The registration is of the connection, not of the descriptor, so it would
	// outlive the Conn.
	_ = syscall.EpollCtl(c.waiter.Poller().epoll, syscall.EPOLL_CTL_DEL, int(c.fd), &syscall.EpollEvent{})
	fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(c.fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return nil, fmt.Errorf("park: release connection: %w", os.NewSyscallError("fcntl", errno))
	}
	f := os.NewFile(fd, "connection")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("park: release connection: %w", err)
	}
	return nc, nil
}
