//go:build linux && (386 || s390x)

package nowait

import (
	"errors"
	"syscall"
)

// These architectures reach recvfrom and sendmsg through another system call, which
// package syscall knows how to make.

// Read reads once. It returns [syscall.EAGAIN] if there is nothing to read, and 0 at
// the end.
func Read(fd int, b []byte) (int, error) {
	for {
		n, _, err := syscall.Recvfrom(fd, b, syscall.MSG_DONTWAIT)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err == nil {
			acquire(fd)
		}
		return max(n, 0), err
	}
}

// Write writes once, as much as there is room for. It returns [syscall.EAGAIN] if there
// is none.
func Write(fd int, b []byte) (int, error) {
	release()
	for {
		n, err := syscall.SendmsgN(fd, b, nil, nil, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
