//go:build !unix

package nowait

import (
	"errors"
	"syscall"
)

// ReadConn returns [errors.ErrUnsupported].
func ReadConn(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }

// WriteConn returns [errors.ErrUnsupported].
func WriteConn(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
