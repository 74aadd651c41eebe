//go:build !unix

package engine

// newRawSource is not called on this platform, but must exist.
func newRawSource(*wsConn) source { return nil }
