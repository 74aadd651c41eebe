package engine

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// maxIdleBody is the size up to which the buffer of a request body is pooled.
const maxIdleBody = 64 << 10

// firstRead is the size up to which a request body is read into a buffer that was
// made for it.
const firstRead = 4 << 10

// errTooLarge reports a body beyond Options.MaxPayload.
var errTooLarge = errors.New("the request body is too large")

// serveData delivers the packets of a data request.
func (s *Session) serveData(w http.ResponseWriter, r *http.Request) {
	if !s.receiveData(w, r) {
		return
	}
	h := w.Header()
	s.srv.setHeaders(h, r, htmlText, false)
	h["Content-Length"] = twoBytes
	_, _ = io.WriteString(w, dataAnswer)
}

// receiveData delivers the packets of a data request, or answers it and reports false.
func (s *Session) receiveData(w http.ResponseWriter, r *http.Request) bool {
	poll := s.beginData(w, r)
	if poll == nil {
		return false
	}
	defer s.endData(poll)
	if isBinary(r.Header.Get("Content-Type")) {
		s.end(ending{reason: TransportError, err: ErrInvalidContent})
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	buf := s.srv.newBody()
	defer s.srv.freeBody(buf)
	err := s.readBody(buf, r)
	s.endReading(poll)
	switch {
	case errors.Is(err, errTooLarge):
		// The session lives on, as with the reference server.
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return false
	case err != nil:
		s.end(ending{reason: TransportError, err: ErrDataAborted})
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	if !s.deliverPayload(buf.Bytes()) {
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	return true
}

// dataAnswer is the answer to a data request.
const dataAnswer = "ok"

// twoBytes is the length of the answer to a data request.
var twoBytes = []string{"2"}

// isBinary reports whether a content type, parameters aside, is that of the
// binary bodies of older protocol versions.
func isBinary(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/octet-stream")
}

// beginData claims the session for a data request. If the session has ended, or
// there is another such request, which ends it, it answers and returns nil.
func (s *Session) beginData(w http.ResponseWriter, r *http.Request) *pollState {
	s.mu.Lock()
	poll := s.poll
	switch {
	case poll == nil || s.State() == StateClosed:
		s.mu.Unlock()
		s.refuseLate(w, r)
		return nil
	case poll.post != nil:
		s.mu.Unlock()
		s.end(ending{reason: TransportError, err: ErrDataOverlap})
		w.WriteHeader(http.StatusBadRequest)
		return nil
	}
	poll.post, poll.reading = w, true
	s.mu.Unlock()
	return poll
}

// endReading is called when the body has been read, and waits until nobody interrupts
// that any more.
func (s *Session) endReading(poll *pollState) {
	s.mu.Lock()
	poll.reading = false
	stopped := poll.stopped
	s.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

// endData lets the next data request in.
func (s *Session) endData(poll *pollState) {
	s.endReading(poll) // if there has been none
	s.mu.Lock()
	defer s.mu.Unlock()
	poll.post = nil
}

// interrupt stops the reading of a request body. The writer may be the user's, so no lock
// is held.
func interrupt(w http.ResponseWriter) {
	// Where that is not supported, the request ends with its connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// readBody reads a request body, counting while it arrives.
func (s *Session) readBody(buf *bytes.Buffer, r *http.Request) error {
	limit := s.srv.opts.MaxPayload
	if r.ContentLength > limit {
		return errTooLarge
	}
	// One byte more than a small body has, so that its end is noticed at once. The
	// length of a large one is only a promise.
	buf.Grow(int(min(max(r.ContentLength, 0), firstRead)) + 1)
	for {
		if buf.Available() == 0 {
			buf.Grow(bytes.MinRead)
		}
		b := buf.AvailableBuffer()
		n, err := r.Body.Read(b[:cap(b)])
		buf.Write(b[:n])
		switch {
		case int64(buf.Len()) > limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			// It spares net/http to look for the end itself.
			return r.Body.Close()
		case err != nil:
			return err
		}
	}
}

// deliverPayload delivers the packets of a body up to the first bad one. It
// reports whether there was none.
func (s *Session) deliverPayload(body []byte) bool {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	for n, more := 0, true; more; n++ {
		var text []byte
		text, body, more = packet.Next(body)
		if n >= s.srv.opts.MaxPackets {
			s.end(ending{reason: TransportError, err: ErrTooManyPackets})
			return false
		}
		p, err := packet.Decode(text)
		if err != nil {
			s.end(ending{reason: ParseError, err: err})
			return false
		}
		s.receive(p, nil)
		switch p.Type {
		case packet.Close:
			return true
		case packet.Ping: // it has ended the session
			return false
		}
	}
	return true
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
