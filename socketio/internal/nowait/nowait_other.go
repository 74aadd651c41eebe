//go:build unix && !linux

package nowait

import (
	"errors"
	"syscall"
)

// Read reads once. It returns [syscall.EAGAIN] if there is nothing to read, and 0 at
// the end.
func Read(fd int, b []byte) (int, error) { return transfer(syscall.Read, fd, b) }

// Write writes once, as much as there is room for. It returns [syscall.EAGAIN] if there
// is none.
func Write(fd int, b []byte) (int, error) { return transfer(syscall.Write, fd, b) }

func transfer(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
