//go:build race && !noparking

package park

import (
	"errors"
	"syscall"
)

// The race detector learns from package syscall that what has been done before a
// message was written has happened before what follows its being read, which is what
// tests with client and server in one process rely on.

// readFD reads once.
func readFD(fd int, b []byte) (int, error) { return transfer(syscall.Read, fd, b) }

// writeFD writes once.
func writeFD(fd int, b []byte) (int, error) { return transfer(syscall.Write, fd, b) }

func transfer(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
