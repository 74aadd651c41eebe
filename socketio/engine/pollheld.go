package engine

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/park"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// heldPoll is a connection on which a poll is pending that no handler waits for: see
// hold. When the poll has been answered it waits for the next request.
type heldPoll struct {
	conn     park.Conn
	back     *handback
	head     string // of the answer
	encoding string // that the client likes most
	early    []byte // of the next request, which had arrived before
	pending  pendingPoll
	idle     wheel.Entry // while nothing is asked for
	since    int64       // when it began, in nanoseconds

	mu      sync.Mutex
	session *Session // nil when the poll has been answered
	state   heldState
	noticed bool // there may be input, or the end of it
	data    bool // the request was one for data
}

// heldState is what happens to the connection of a held poll.
type heldState uint8

const (
	heldPending heldState = iota // the poll has not been answered
	heldBusy                     // somebody answers it, or looks what has arrived
	heldIdle                     // the next request has not arrived
	heldGone                     // the connection has been closed or given back
)

// newHeldPoll returns a poll that is not pending yet.
func newHeldPoll(s *Session, back *handback, head, encoding string) *heldPoll {
	h := &heldPoll{session: s, back: back, head: head, encoding: encoding, since: time.Now().UnixNano()}
	h.pending.held = h
	h.idle.Init(h)
	return h
}

// claim makes the caller the one who answers. It is called with the session's mu held
// when the poll is taken, and counts a task that respond ends.
func (h *heldPoll) claim() {
	h.session.srv.tasks.Add(1)
	h.mu.Lock()
	h.state = heldBusy
	h.mu.Unlock()
}

// Poller returns the poller that watches the connection.
func (h *heldPoll) Poller() *park.Poller { return h.back.poller }

// Readable looks what has arrived: while the poll is pending, the client may have
// gone; afterwards there is another request.
func (h *heldPoll) Readable(*park.Worker, bool) {
	h.mu.Lock()
	h.noticed = true
	mine := h.state == heldIdle
	if mine {
		h.state = heldBusy
	}
	pending := h.state == heldPending
	h.mu.Unlock()
	switch {
	case mine:
		h.back.forget(h)
		h.settle()
	case pending:
		h.look()
	}
}

// look ends the session if the client has gone. A request that has come too early
// stays where it is.
func (h *heldPoll) look() {
	h.mu.Lock()
	s := h.session
	look := h.noticed && h.state == heldPending
	h.mu.Unlock()
	if !look {
		return
	}
	if err := h.conn.Peek(); err == nil || errors.Is(err, syscall.EAGAIN) {
		return
	}
	if s.abortPoll(&h.pending) {
		h.close()
	}
}

// respond writes the answer, without blocking, and is the end of a task. The caller
// has claimed the poll.
func (h *heldPoll) respond(q *queue, final *packet.Frame) {
	s := h.session
	buf := s.srv.newBody()
	if h.encoding != identity && q != nil && q.compress && s.srv.compresses(packet.PayloadLen(q.frames)) {
		go func() { // It takes long.
			h.appendAnswer(buf, q, final)
			s.srv.freeQueue(q)
			h.write(buf)
		}()
		return
	}
	h.appendAnswer(buf, q, final)
	s.srv.freeQueue(q)
	h.write(buf)
}

// appendAnswer appends the answer with its head.
func (h *heldPoll) appendAnswer(buf *bytes.Buffer, q *queue, final *packet.Frame) {
	var one [1]*packet.Frame
	frames, compress := answerFrames(one[:0], q, final)
	srv := h.session.srv
	b := append(buf.AvailableBuffer(), h.head...)
	size := packet.PayloadLen(frames)
	var body *bytes.Buffer
	if compress && srv.compresses(size) {
		b = append(b, "Vary: Accept-Encoding\r\n"...)
		if h.encoding != identity {
			b = append(append(append(b, "Content-Encoding: "...), h.encoding...), "\r\n"...)
			body = srv.newBody()
			defer srv.freeBody(body)
			_ = srv.writeCompressed(body, frames, h.encoding) // A Buffer takes everything.
			size = body.Len()
		}
	}
	b = h.appendLength(b, size)
	if body != nil {
		b = append(b, body.Bytes()...)
	} else {
		b = packet.AppendPayload(b, frames)
	}
	buf.Write(b)
}

// appendLength appends the end of the head.
func (h *heldPoll) appendLength(b []byte, size int) []byte {
	if h.back.isClosed() {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(b, "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	return append(b, "\r\n\r\n"...)
}

// writeUnfit writes an answer to a connection that cannot be held, and gives that
// back.
func (h *heldPoll) writeUnfit(conn net.Conn, answer *bytes.Buffer) error {
	srv := h.session.srv
	err := newNetLink(conn).write(answer.Bytes(), srv.opts.WriteTimeout)
	srv.freeBody(answer)
	if err != nil {
		_ = conn.Close()
		return err
	}
	h.back.give(conn, h.early)
	return nil
}

// write writes the answer, and goes on elsewhere if the socket is full.
func (h *heldPoll) write(buf *bytes.Buffer) {
	n, err := h.conn.TryWrite(buf.Bytes())
	if err == nil && n < buf.Len() {
		go func() {
			h.finish(buf, h.conn.Write(buf.Bytes()[n:], time.Now().Add(h.session.srv.opts.WriteTimeout)))
		}()
		return
	}
	h.finish(buf, err)
}

// finish ends the task of the answer, which has been written or could not be.
func (h *heldPoll) finish(buf *bytes.Buffer, err error) {
	s := h.session
	defer s.srv.tasks.Done()
	s.srv.freeBody(buf)
	if err != nil {
		h.close()
		if !h.data {
			s.failAnswer(err)
		}
		return
	}
	h.mu.Lock()
	h.session = nil
	h.mu.Unlock()
	h.head, h.encoding = "", ""
	h.settle()
}

// settle lets the connection wait for the next request, or gives it back if that is
// there. The caller owns the connection (heldBusy).
func (h *heldPoll) settle() {
	for {
		h.mu.Lock()
		if !h.noticed && len(h.early) == 0 {
			known := h.back.keep(h)
			if known {
				h.state = heldIdle
			}
			h.mu.Unlock()
			if !known {
				h.close()
			}
			return
		}
		h.noticed = false
		h.mu.Unlock()
		err := h.conn.Peek()
		switch {
		case err == nil || len(h.early) > 0:
			h.release()
			return
		case !errors.Is(err, syscall.EAGAIN):
			h.close()
			return
		}
	}
}

// release gives the connection back to its http.Server.
func (h *heldPoll) release() {
	h.mu.Lock()
	h.state = heldGone
	h.mu.Unlock()
	if conn, err := h.conn.Release(); err == nil {
		h.back.give(conn, h.early)
	}
}

// close closes the connection.
func (h *heldPoll) close() {
	h.mu.Lock()
	h.state = heldGone
	h.mu.Unlock()
	h.conn.Close()
}

// closeIdle closes the connection if nothing is going on.
func (h *heldPoll) closeIdle() {
	h.mu.Lock()
	mine := h.state == heldIdle
	if mine {
		h.state = heldGone
	}
	h.mu.Unlock()
	if mine {
		h.conn.Close()
	}
}

// Expire closes the connection because no request has come for long. It is called
// by the wheel.
func (h *heldPoll) Expire(*wheel.Entry) {
	h.back.forget(h)
	h.closeIdle()
}
