//go:build !unix

package engine

import "syscall"

// newRawSource is not called on this platform, but must exist.
func newRawSource(*Server, syscall.RawConn) source { return nil }
