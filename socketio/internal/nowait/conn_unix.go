//go:build unix

package nowait

import (
	"errors"
	"syscall"
)

// ReadConn reads once from a connection of package net. It waits for input, until
// the connection's deadline.
func ReadConn(c syscall.RawConn, b []byte) (int, error) {
	return await(c.Read, Read, b)
}

// WriteConn writes once to a connection of package net, as much as there is room for.
// It waits until there is some, until the connection's deadline.
func WriteConn(c syscall.RawConn, b []byte) (int, error) {
	return await(c.Write, Write, b)
}

func await(ready func(func(uintptr) bool) error, call func(int, []byte) (int, error), b []byte) (n int, err error) {
	failed := ready(func(fd uintptr) bool {
		n, err = call(int(fd), b)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}
