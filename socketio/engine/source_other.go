//go:build !unix

package engine

import "syscall"

// readFD is not called on this platform, but must exist.
func readFD(int, []byte) (int, error) { return 0, syscall.EAGAIN }

// newRawSource is not called on this platform, but must exist.
func newRawSource(c *wsConn) source {
	return &plainSource{c: c, buf: make([]byte, plainBuffer)}
}
