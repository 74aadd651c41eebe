//go:build !race && !noparking

package park

import (
	"syscall"
	"unsafe"
)

// The descriptors do not wait, so these calls take no longer than a copy into or out
// of the kernel. They bypass what the runtime does around a call that may wait.

// readFD reads once.
func readFD(fd int, b []byte) (int, error) { return transfer(syscall.SYS_READ, fd, b) }

// writeFD writes once.
func writeFD(fd int, b []byte) (int, error) { return transfer(syscall.SYS_WRITE, fd, b) }

func transfer(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // It is how a system call is given a buffer.
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
