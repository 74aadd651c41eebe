//go:build !unix

package engine

// newRawSource is not called on this platform, but must exist.
func newRawSource(c *wsConn) source {
	return &plainSource{c: c, buf: make([]byte, plainBuffer)}
}
