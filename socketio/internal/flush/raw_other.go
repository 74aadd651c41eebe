//go:build !unix

package flush

import (
	"errors"
	"syscall"
)

// RawSupported tells whether connections can be written without blocking on
// this platform.
const RawSupported = false

// rawWrite is empty: there is no raw writing here.
type rawWrite struct{}

func (*rawWrite) init() {}

// Write is not called on this platform: all connections take the slow path.
func (*Scratch) Write(syscall.RawConn, []byte) (n int, err error) {
	return 0, errors.ErrUnsupported
}
