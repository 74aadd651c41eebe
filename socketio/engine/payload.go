package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// The payload of a large answer is not put together: its frames are written one after
// the other, in pieces that each have the whole Options.WriteTimeout. So a client that
// takes something all the time gets everything, however long it takes.

const (
	// answerPiece is the size of the largest piece. It is small because every client that
	// takes its answer slowly has a buffer of this size.
	answerPiece = 16 << 10
	// binaryPiece is how much of a binary message fills a piece in base64.
	binaryPiece = answerPiece / 4 * 3
)

// What stands in front of a binary message in a payload, and between two packets.
var (
	binaryMark = []byte{'b'}
	separator  = []byte{packet.Separator}
)

// patientWriter writes to a ResponseWriter and gives each piece the whole timeout. Each is
// progress of the session, and there is none after that has ended. Writers without
// deadlines have their own way to deal with slow clients.
type patientWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	session *Session // nil if what is written is not counted
}

func (srv *Server) newPatientWriter(w http.ResponseWriter, q *queue) *patientWriter {
	pw := &patientWriter{w: w, rc: http.NewResponseController(w), timeout: srv.opts.WriteTimeout}
	if q != nil {
		pw.session = q.counting
	}
	return pw
}

// Write writes b in pieces.
func (w *patientWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		w.renew()
		if w.session != nil && w.session.State() == StateClosed {
			return n, ErrSessionClosed // What ends the session sets a deadline after that.
		}
		var written int
		written, err = w.w.Write(b[n:min(len(b), n+answerPiece)])
		if n += written; w.session != nil {
			w.session.moved()
		}
	}
	return n, err
}

// renew lets the next write take the whole timeout.
func (w *patientWriter) renew() { _ = w.rc.SetWriteDeadline(time.Now().Add(w.timeout)) }

// finish makes an answer leave while its deadline is in force, unless err says that it is
// not complete. A writer that may not be able to flush sends it when the handler returns.
func (w *patientWriter) finish(err error) error {
	defer func() { _ = w.rc.SetWriteDeadline(time.Time{}) }()
	if err != nil {
		return err
	}
	if !flushes(w.w) {
		return nil
	}
	w.renew()
	if err := w.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// writeFrames writes the frames as one payload of the given size.
func (srv *Server) writeFrames(w io.Writer, frames []*packet.Frame, size int) error {
	if len(frames) == 1 && !frames[0].IsBinary() {
		_, err := w.Write(frames[0].Polling())
		return err
	}
	p := gathering{w: w, buf: srv.newBodyOf(min(size, answerPiece))}
	for i, f := range frames {
		if i > 0 {
			p.write(separator)
		}
		if f.IsBinary() {
			p.writeBinary(f.Payload())
		} else {
			p.write(f.Polling())
		}
	}
	if p.flush(); p.err == nil { // or somebody may still be writing it, see answered
		srv.freeBody(p.buf)
	}
	return p.err
}

// newBodyOf returns a buffer with room for n bytes, which can be pooled.
func (srv *Server) newBodyOf(n int) *bytes.Buffer {
	if buf := srv.newBody(); buf.Cap() >= n {
		return buf
	}
	buf := new(bytes.Buffer) // To grow another one would make it too large for the pool.
	buf.Grow(n)
	return buf
}

// gathering collects what is small into pieces, and lets pass what is large.
type gathering struct {
	w   io.Writer
	buf *bytes.Buffer
	err error // of the first write that has failed
}

// write writes b, at the latest with the next flush.
func (p *gathering) write(b []byte) {
	if p.buf.Len()+len(b) > answerPiece {
		p.flush()
	}
	switch {
	case p.err != nil:
	case len(b) >= answerPiece:
		_, p.err = p.w.Write(b)
	default:
		p.buf.Write(b)
	}
}

// writeBinary writes the text form of a binary message.
func (p *gathering) writeBinary(data []byte) {
	p.write(binaryMark)
	for len(data) > 0 && p.err == nil {
		raw := data[:min(len(data), binaryPiece)]
		data = data[len(raw):]
		n := base64.StdEncoding.EncodedLen(len(raw))
		if p.buf.Len()+n > answerPiece {
			p.flush()
		}
		p.buf.Grow(n)
		p.buf.Write(base64.StdEncoding.AppendEncode(p.buf.AvailableBuffer(), raw))
	}
}

// flush writes what has been collected.
func (p *gathering) flush() {
	if p.err == nil && p.buf.Len() > 0 {
		_, p.err = p.w.Write(p.buf.Bytes())
	}
	p.buf.Reset()
}

// compressor is what gzip and zlib writers have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// compress returns the compressed payload of the frames. It is complete before any of it
// is written: a compressor takes a megabyte, which a slow client must not keep.
func (srv *Server) compress(frames []*packet.Frame, size int, encoding string) (*bytes.Buffer, error) {
	defer func() { <-srv.compressing }() // see mayCompress
	pool := &srv.gzips
	if encoding == encodingDeflate {
		pool = &srv.zlibs
	}
	body := srv.newBody()
	c, ok := pool.Get().(compressor)
	switch {
	case ok:
		c.Reset(body)
	case encoding == encodingDeflate:
		c = zlib.NewWriter(body)
	default:
		c = gzip.NewWriter(body)
	}
	defer func() {
		c.Reset(io.Discard)
		pool.Put(c)
	}()
	if err := srv.writeFrames(c, frames, size); err != nil {
		return nil, err
	}
	return body, c.Close()
}
