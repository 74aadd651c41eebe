package engine

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
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
	if compress && srv.compresses(size) {
		encoding = acceptedEncoding(r.Header["Accept-Encoding"])
		h.Add("Vary", "Accept-Encoding")
	}
	if encoding == identity {
		h["Content-Length"] = []string{strconv.Itoa(size)}
		if size <= smallAnswer {
			return srv.writeFrames(w, frames)
		}
	}
	rc := http.NewResponseController(w)
	// Writers without deadlines have their own way to deal with slow clients.
	_ = rc.SetWriteDeadline(time.Now().Add(srv.opts.WriteTimeout))
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	var err error
	if encoding == identity {
		err = srv.writeFrames(w, frames)
	} else {
		h.Set("Content-Encoding", encoding)
		err = srv.writeCompressed(w, frames, encoding)
	}
	if err != nil {
		return err
	}
	// The answer has to leave while the deadline is in force. A writer that
	// cannot flush sends it when the handler returns.
	if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
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

// writeFrames writes the frames as one payload.
func (srv *Server) writeFrames(w io.Writer, frames []*packet.Frame) error {
	if len(frames) == 1 {
		_, err := w.Write(frames[0].Polling())
		return err
	}
	buf := srv.newBody()
	buf.Grow(packet.PayloadLen(frames))
	_, err := w.Write(packet.AppendPayload(buf.AvailableBuffer(), frames))
	if err == nil { // or somebody may still be writing it, see writeAnswer
		srv.freeBody(buf)
	}
	return err
}

// compressor is what gzip and zlib writers have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// writeCompressed writes the frames as one compressed payload.
func (srv *Server) writeCompressed(w io.Writer, frames []*packet.Frame, encoding string) error {
	pool := &srv.gzips
	if encoding == encodingDeflate {
		pool = &srv.zlibs
	}
	c, ok := pool.Get().(compressor)
	switch {
	case ok:
		c.Reset(w)
	case encoding == encodingDeflate:
		c = zlib.NewWriter(w)
	default:
		c = gzip.NewWriter(w)
	}
	defer func() {
		c.Reset(io.Discard)
		pool.Put(c)
	}()
	if err := srv.writeFrames(c, frames); err != nil {
		return err
	}
	return c.Close()
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
