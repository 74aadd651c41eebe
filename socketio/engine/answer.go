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

// writePoll writes the answer to a poll: the queued frames and a last one, each
// of which may be missing.
func (srv *Server) writePoll(w http.ResponseWriter, r *http.Request, q *queue, final *packet.Frame, initial bool) error {
	var one [1]*packet.Frame
	frames, compress := one[:0], false
	if q != nil {
		frames, compress = q.frames, q.compress
	}
	if final != nil {
		frames = append(frames, final)
		if q != nil {
			q.frames = frames
		}
	}
	size := packet.PayloadLen(frames)
	h := w.Header()
	srv.setHeaders(h, r, "text/plain; charset=UTF-8", initial)
	encoding := ""
	if t := srv.opts.CompressionThreshold; compress && t >= 0 && size >= t {
		encoding = acceptedEncoding(r.Header["Accept-Encoding"])
		h.Add("Vary", "Accept-Encoding")
	}
	rc := http.NewResponseController(w)
	// Writers without deadlines have their own way to deal with slow clients.
	_ = rc.SetWriteDeadline(time.Now().Add(srv.opts.WriteTimeout))
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	var err error
	if encoding == "" {
		h.Set("Content-Length", strconv.Itoa(size))
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

// writeFrames writes the frames as one payload.
func (srv *Server) writeFrames(w io.Writer, frames []*packet.Frame) error {
	if len(frames) == 1 {
		_, err := w.Write(frames[0].Polling())
		return err
	}
	buf := srv.newBody()
	defer srv.freeBody(buf)
	for i, f := range frames {
		if i > 0 {
			buf.WriteByte(packet.Separator)
		}
		buf.Write(f.Polling())
	}
	_, err := w.Write(buf.Bytes())
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
	encodingGzip    = "gzip"
	encodingDeflate = "deflate"
)

// acceptedEncoding chooses the content coding that the client likes most; "" if
// none of ours is welcome.
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
		return ""
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
