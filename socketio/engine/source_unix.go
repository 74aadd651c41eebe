//go:build unix

package engine

import (
	"errors"
	"io"
	"syscall"
)

// readFD reads once, without waiting.
func readFD(fd int, buf []byte) (n int, err error) {
	for {
		n, err = syscall.Read(fd, buf)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// rawSource reads a socket without holding a buffer while it waits.
type rawSource struct {
	srv *Server
	raw syscall.RawConn
	buf *readBuffer
	n   int
	err error
	fn  func(fd uintptr) bool
}

// newRawSource returns the source of a connection that can be read raw.
func newRawSource(srv *Server, raw syscall.RawConn) source {
	r := &rawSource{srv: srv, raw: raw}
	r.fn = r.read
	return r
}

func (r *rawSource) next() ([]byte, error) {
	if err := r.raw.Read(r.fn); err != nil {
		return nil, err
	}
	switch {
	case r.err != nil:
		r.release()
		return nil, r.err
	case r.n == 0:
		r.release()
		return nil, io.EOF
	}
	return r.buf[:r.n], nil
}

// read reads once. If there is nothing to read it gives the buffer back and
// reports false: the caller then waits for input and tries again.
func (r *rawSource) read(fd uintptr) bool {
	buf := r.srv.newBuffer()
	r.n, r.err = readFD(int(fd), buf[:])
	if errors.Is(r.err, syscall.EAGAIN) {
		r.srv.buffers.Put(buf)
		return false
	}
	r.buf = buf
	return true
}

func (r *rawSource) release() {
	r.srv.buffers.Put(r.buf)
	r.buf = nil
}
