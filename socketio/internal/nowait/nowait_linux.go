//go:build !386 && !s390x

package nowait

import (
	"syscall"
	"unsafe"
)

// The calls take no longer than a copy into or out of the kernel. They bypass what the
// runtime does around a call that may wait.

// Read reads once. It returns [syscall.EAGAIN] if there is nothing to read, and 0 at
// the end.
func Read(fd int, b []byte) (int, error) {
	n, err := transfer(syscall.SYS_RECVFROM, fd, b, syscall.MSG_DONTWAIT)
	if err == nil {
		acquire(fd)
	}
	return n, err
}

// Write writes once, as much as there is room for. It returns [syscall.EAGAIN] if there
// is none.
func Write(fd int, b []byte) (int, error) {
	release()
	return transfer(syscall.SYS_SENDTO, fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func transfer(call uintptr, fd int, b []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0) //nolint:gosec // It is how a system call is given a buffer.
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
