//go:build unix

package flush

import (
	"errors"
	"syscall"

	"github.com/tandem-go/tandem/socketio/internal/nowait"
)

// RawSupported tells whether connections can be written without blocking on
// this platform.
const RawSupported = true

// rawWrite is one write call, kept so that the closure that RawConn.Write wants
// is made once.
type rawWrite struct {
	b   []byte
	n   int
	err error
	fn  func(fd uintptr) bool
}

// init makes the closure.
func (r *rawWrite) init() {
	r.fn = func(fd uintptr) bool {
		r.n, r.err = nowait.Write(int(fd), r.b)
		return true // in any case: a full socket is the slow path's business
	}
}

// Write writes as much of b as the socket takes at once, maybe nothing, and
// never waits.
func (sc *Scratch) Write(c syscall.RawConn, b []byte) (n int, err error) {
	r := &sc.raw
	r.b = b
	err = c.Write(r.fn)
	r.b = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(r.err, syscall.EAGAIN):
		return 0, nil
	case r.err != nil:
		return 0, r.err
	default:
		return r.n, nil
	}
}
