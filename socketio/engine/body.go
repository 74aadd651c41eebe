package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// A request body has Options.DataTimeout to arrive. Where the writer knows deadlines the
// connection gets one. Elsewhere, behind middleware that hides them or in memory, the
// body is read on another goroutine, which the handler leaves behind when the time is
// up: net/http ends the reading when the handler has returned.

// maxIdleBody is the size up to which the buffer of a request body is pooled.
const maxIdleBody = 64 << 10

// firstRead is the size up to which a request body is read into a buffer that was
// made for it.
const firstRead = 4 << 10

// The pieces in which a body may arrive: so many, and in larger ones one for as many
// bytes of the largest body.
const (
	minChunks  = 10_000
	chunkBytes = 100
)

// maxChunks returns the number of pieces in which a request body may arrive.
func (o *Options) maxChunks() int { return int(max(minChunks, o.MaxPayload/chunkBytes)) }

// setBodyDeadline lets the reading of a request body end in time. It reports false if
// the writer does not know of deadlines.
func (srv *Server) setBodyDeadline(w http.ResponseWriter, r *http.Request) bool {
	if hs, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && hs.ReadTimeout > 0 && hs.ReadTimeout <= srv.opts.DataTimeout {
		return true // That of the http.Server is the earlier one.
	}
	return http.NewResponseController(w).SetReadDeadline(time.Now().Add(srv.opts.DataTimeout)) == nil
}

// readBody reads a request body, aside if there is no deadline. The buffer is the
// caller's to free unless there is an error.
func (s *Session) readBody(r *http.Request, aside bool) (*bytes.Buffer, error) {
	if r.ContentLength > s.srv.opts.MaxPayload {
		return nil, ErrPayloadTooLarge
	}
	if aside {
		return s.readBodyAside(r)
	}
	buf := s.srv.newBody()
	if err := s.fillBody(buf, r); err != nil {
		s.srv.freeBody(buf)
		return nil, err
	}
	return buf, nil
}

// fillBody reads a request body, counting while it arrives.
func (s *Session) fillBody(buf *bytes.Buffer, r *http.Request) error {
	opts := &s.srv.opts
	// One byte more than a small body has, so that its end is noticed at once. The
	// length of a large one is only a promise.
	buf.Grow(int(min(max(r.ContentLength, 0), firstRead)) + 1)
	for range opts.maxChunks() + 1 { // The end may come without a piece.
		if buf.Available() == 0 {
			buf.Grow(bytes.MinRead)
		}
		b := buf.AvailableBuffer()
		n, err := r.Body.Read(b[:cap(b)])
		buf.Write(b[:n])
		switch {
		case int64(buf.Len()) > opts.MaxPayload:
			return ErrPayloadTooLarge
		case errors.Is(err, io.EOF):
			// It spares net/http to look for the end itself.
			return r.Body.Close()
		case err != nil:
			return err
		case s.State() == StateClosed:
			return ErrDataAborted // Nobody wants the rest.
		}
	}
	return ErrTooManyChunks
}

// bodyRead is the outcome of a reading.
type bodyRead struct {
	buf      *bytes.Buffer
	err      error
	panicked any
}

// readBodyAside reads a request body on a goroutine, and waits for it until the session
// ends or the time is up.
func (s *Session) readBodyAside(r *http.Request) (*bytes.Buffer, error) {
	if !s.beginTask() {
		return nil, ErrDataAborted
	}
	done := make(chan bodyRead, 1)
	go func() {
		defer s.srv.tasks.Done()
		read := bodyRead{buf: new(bytes.Buffer)}
		defer func() {
			read.panicked = recover() // That of middleware is net/http's to report.
			done <- read
		}()
		read.err = s.fillBody(read.buf, r)
	}()
	timeout := time.NewTimer(s.srv.opts.DataTimeout)
	defer timeout.Stop()
	select {
	case read := <-done:
		if read.panicked != nil {
			panic(read.panicked) //nolint:forbidigo // it is not ours
		}
		return read.buf, read.err
	case <-s.Done():
		return nil, ErrDataAborted
	case <-timeout.C:
		return nil, os.ErrDeadlineExceeded
	}
}

// beginTask counts a task, so that the server does not end meanwhile. It reports false if
// the session has ended.
func (s *Session) beginTask() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.State() == StateClosed {
		return false
	}
	s.srv.tasks.Add(1)
	return true
}

// failBody ends the session whose client has sent a body that cannot be read, and
// answers the request.
func (s *Session) failBody(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := http.StatusBadRequest, ErrDataAborted
	_, limited := errors.AsType[*http.MaxBytesError](err) // by middleware
	switch {
	case s.State() == StateClosed:
		// The reading has been interrupted.
	case errors.Is(err, ErrPayloadTooLarge), errors.Is(err, ErrTooManyChunks):
		status, detail = http.StatusRequestEntityTooLarge, err
	case limited:
		status, detail = http.StatusRequestEntityTooLarge, fmt.Errorf("%w: %w", ErrPayloadTooLarge, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		status, detail = http.StatusRequestTimeout, ErrDataTimeout
	}
	s.end(ending{reason: TransportError, err: detail})
	closeAfter(w, r)
	w.WriteHeader(status)
}

// closeAfter lets a connection end with the answer: the rest of the body is not worth
// being read.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 { // With HTTP/2 all requests of the client would end.
		w.Header().Set("Connection", "close")
	}
}

// interrupt stops the reading of a request body. The writer may be the user's, so no lock
// is held.
func interrupt(w http.ResponseWriter) {
	// Where that is not supported, the handler does not wait for the reading.
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// newBody takes an empty buffer for a request body out of the pool.
func (srv *Server) newBody() *bytes.Buffer {
	if b, ok := srv.bodies.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// freeBody returns a buffer to the pool.
func (srv *Server) freeBody(b *bytes.Buffer) {
	if b.Cap() > maxIdleBody {
		return
	}
	b.Reset()
	srv.bodies.Put(b)
}
