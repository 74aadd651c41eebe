package engine

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// smallAnswer is the size up to which an answer is left to net/http to send when the
// handler returns, without a deadline: a connection that waits for an answer has
// room for it.
const smallAnswer = 2 << 10

// writePoll writes the answer to a poll: the queued frames, or a last one.
func (srv *Server) writePoll(w http.ResponseWriter, r *http.Request, q *queue, final *packet.Frame, initial bool) error {
	var one [1]*packet.Frame
	frames, compress := answerFrames(one[:0], q, final)
	size := packet.PayloadLen(frames)
	h := w.Header()
	srv.setHeaders(h, r, plainText, initial)
	encoding := identity
	if compress && srv.compresses(size) && mayEncode(w) {
		encoding = acceptedEncoding(r.Header["Accept-Encoding"])
		h.Add("Vary", "Accept-Encoding")
	}
	if encoding != identity {
		return srv.writePollCompressed(w, q, size, encoding)
	}
	h["Content-Length"] = []string{strconv.Itoa(size)}
	if size <= smallAnswer {
		return srv.writeFrames(w, frames, size)
	}
	out := srv.newPatientWriter(w, q)
	return out.finish(srv.writeFrames(out, frames, size))
}

// writePollCompressed writes the queued frames as a compressed answer.
func (srv *Server) writePollCompressed(w http.ResponseWriter, q *queue, size int, encoding string) error {
	if !srv.mayCompress(q.counting) {
		return ErrSessionClosed
	}
	body, err := srv.compress(q.waiting(), size, encoding)
	if err != nil {
		return err
	}
	if s := q.counting; s != nil {
		s.holdOutput(int64(body.Cap()))
		defer s.holdOutput(-int64(body.Cap()))
		srv.output.Relieve()
	}
	h := w.Header()
	h.Set("Content-Encoding", encoding)
	h["Content-Length"] = []string{strconv.Itoa(body.Len())}
	out := srv.newPatientWriter(w, q)
	_, err = out.Write(body.Bytes())
	if err = out.finish(err); err == nil { // or somebody may still be writing it, see answered
		srv.freeBody(body)
	}
	return err
}

// mayCompress waits until an answer may be compressed: no more are at the same time than
// there are processors. compress gives the place back. It reports false if the session, which may be nil, has ended.
func (srv *Server) mayCompress(s *Session) bool {
	var done <-chan struct{}
	if s != nil {
		done = s.Done()
	}
	select {
	case srv.compressing <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// answerFrames returns the frames of an answer, and whether they may be compressed. It
// uses the space of dst for the last one.
func answerFrames(dst []*packet.Frame, q *queue, final *packet.Frame) (frames []*packet.Frame, compress bool) {
	switch {
	case q != nil:
		return q.waiting(), q.compress
	case final != nil:
		return append(dst, final), false
	default:
		return nil, false
	}
}

// compresses reports whether an answer is large enough to be compressed.
func (srv *Server) compresses(size int) bool {
	t := srv.opts.CompressionThreshold
	return t >= 0 && size >= t
}

// mayEncode reports whether nobody else can compress the answer. Middleware that does stands
// in front of the server's writer, and need not look at what the headers say.
func mayEncode(w http.ResponseWriter) bool {
	return isServers(w) && w.Header().Get("Content-Encoding") == ""
}

// The content codings that are offered. "deflate" is the zlib format:
// https://datatracker.ietf.org/doc/html/rfc9110#section-8.4.1.2
const (
	identity        = ""
	encodingGzip    = "gzip"
	encodingDeflate = "deflate"
)

// acceptedEncoding chooses the content coding that the client likes most; identity
// if none of ours is welcome.
func acceptedEncoding(accept []string) string {
	gz, df, other := -1.0, -1.0, -1.0
	for _, v := range accept {
		for part := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(part, ";")
			q := quality(params)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case encodingGzip:
				gz = q
			case encodingDeflate:
				df = q
			case "*":
				other = q
			}
		}
	}
	if gz < 0 {
		gz = other
	}
	if df < 0 {
		df = other
	}
	switch {
	case gz <= 0 && df <= 0:
		return identity
	case gz >= df:
		return encodingGzip
	default:
		return encodingDeflate
	}
}

// quality returns the q parameter of a coding.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		if !ok || !strings.EqualFold(k, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
			return q
		}
		return 0
	}
	return 1
}

// clearDeadlines lets a request take as long as it wants.
func clearDeadlines(w http.ResponseWriter) {
	rc := http.NewResponseController(w)
	// Where deadlines are not supported there are none to clear.
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
}
