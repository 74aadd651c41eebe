//go:build unix

package engine

import (
	"errors"
	"io"
	"syscall"

	"github.com/tandem-go/tandem/socketio/internal/nowait"
)

// rawSource reads a socket without holding a buffer while it waits. There is one for
// each connection with a goroutine, so it is small.
type rawSource struct {
	reading
	fn  func(fd uintptr) bool // read
	buf *readBuffer           // nil unless something has been read
	n   int32                 // the bytes in it, or, if negative, the error's number
}

// newRawSource returns the source of a connection that can be read raw.
func newRawSource(c *wsConn) source {
	r := &rawSource{reading: reading{conn: c}}
	r.fn = r.read
	return r
}

func (r *rawSource) next() ([]byte, error) {
	if err := r.conn.net.raw.Read(r.fn); err != nil {
		return nil, err
	}
	switch {
	case r.n < 0:
		r.release()
		return nil, syscall.Errno(-r.n)
	case r.n == 0:
		r.release()
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

// read reads once. If there is nothing to read it gives the buffer back and
// reports false: the caller then waits for input and tries again.
func (r *rawSource) read(fd uintptr) bool {
	srv := r.conn.session.srv
	buf := srv.newBuffer()
	n, err := nowait.Read(int(fd), buf[:])
	if errors.Is(err, syscall.EAGAIN) {
		srv.buffers.Put(buf)
		return false
	}
	r.buf, r.n = buf, int32(n)
	if errno, failed := errors.AsType[syscall.Errno](err); failed {
		r.n = -int32(errno)
	}
	return true
}

func (r *rawSource) release() {
	r.conn.session.srv.buffers.Put(r.buf)
	r.buf = nil
}

func (r *rawSource) handler() *reading { return &r.reading }
