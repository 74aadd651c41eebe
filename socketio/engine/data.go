package engine

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

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
	aside := !s.srv.setBodyDeadline(w, r)
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
	buf, err := s.readBody(r, aside)
	s.endReading(poll)
	if err != nil {
		s.failBody(w, r, err)
		return false
	}
	defer s.srv.freeBody(buf)
	clearDeadlines(w) // The receiver may take its time.
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
