// Package wsframe reads the WebSocket frames that a client sends, from buffers
// that the caller has filled: it does no input by itself, so that a connection
// on which nothing happens costs neither a buffer nor a goroutine's stack.
package wsframe

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// CloseError says why a connection must be failed, and with which status code
// the peer is told so: https://datatracker.ietf.org/doc/html/rfc6455#section-7.4.1
type CloseError struct {
	Code   ws.StatusCode
	Reason string
}

// Error describes the violation.
func (e *CloseError) Error() string { return "websocket: reading a frame: " + e.Reason }

// Limits bounds what one message may cost.
type Limits struct {
	// MaxMessage is the largest message in bytes, all its fragments together.
	MaxMessage int64
	// MaxFragments is the largest number of fragments of one message, the empty
	// ones included.
	MaxFragments int
}

// Handler gets what a Parser has found. The slices are only valid during the
// call. An error ends the parsing and is returned by Feed.
type Handler interface {
	Message(binary bool, data []byte) error
	Control(op ws.OpCode, data []byte) error
}

// Parser is the state of one connection between two reads. The zero value is
// ready to use. While no frame or message is half received it owns no memory.
type Parser struct {
	pending *pending // nil while nothing is half received
}

// pending is what has been received of a frame and of a message.
type pending struct {
	rest    []byte // an incomplete frame
	partial *partial
}

// partial is a message of which only some fragments have arrived.
type partial struct {
	data      []byte
	fragments int
	binary    bool
}

// Feed parses the bytes that follow those of the call before. It unmasks the
// frames in place, so b is overwritten; nothing of it is kept.
func (p *Parser) Feed(b []byte, lim Limits, h Handler) error {
	if p.pending != nil && len(p.pending.rest) > 0 {
		n, err := p.complete(b, lim, h)
		if err != nil {
			p.pending = nil
			return err
		}
		if len(p.pending.rest) > 0 {
			return nil
		}
		b = b[n:]
	}
	n, err := p.frames(b, lim, h)
	if err != nil {
		p.pending = nil
		return err
	}
	p.keep(b[n:])
	return nil
}

// complete completes the frame that is half received with the first bytes of b, as
// far as they go, and handles it. It returns their number.
func (p *Parser) complete(b []byte, lim Limits, h Handler) (used int, err error) {
	half := p.pending
	for {
		want, err := p.extent(half.rest, lim)
		if err != nil {
			return used, err
		}
		missing := want - len(half.rest)
		if missing == 0 {
			break
		}
		if used == len(b) {
			return used, nil
		}
		// Growing by doubling keeps the work linear in the bytes received, and
		// memory follows what has arrived, never what a header promises.
		n := min(missing, len(b)-used)
		half.rest = append(half.rest, b[used:used+n]...)
		used += n
	}
	frame := half.rest
	half.rest = nil
	_, err = p.frames(frame, lim, h)
	return used, err
}

// extent returns the length of the frame of which b is the beginning, or, as long as
// that is not known, of a part that is.
func (p *Parser) extent(b []byte, lim Limits) (int, error) {
	hd, size, err := parseHeader(b)
	switch {
	case err != nil:
		return 0, err
	case size == 0:
		return headerSize(b), nil
	}
	if err := p.check(hd, lim); err != nil {
		return 0, err
	}
	return size + int(hd.Length), nil
}

// Memory returns the bytes that are kept of a frame and of a message that are half
// received.
func (p *Parser) Memory() int {
	if p.pending == nil {
		return 0
	}
	n := cap(p.pending.rest)
	if m := p.pending.partial; m != nil {
		n += cap(m.data)
	}
	return n
}

// Idle reports whether no frame and no message is half received.
func (p *Parser) Idle() bool { return p.pending == nil }

// keep stores the bytes of an incomplete frame for the next call.
func (p *Parser) keep(tail []byte) {
	half := p.pending
	switch {
	case len(tail) == 0:
		if half == nil {
			return
		}
		if half.rest = nil; half.partial == nil {
			p.pending = nil
		}
	case half == nil:
		// A copy of the exact size: a few bytes must not pin a large buffer.
		p.pending = &pending{rest: bytes.Clone(tail)}
	default:
		half.rest = bytes.Clone(tail)
	}
}

// message returns the message of which some fragments have arrived; nil if there is
// none.
func (p *Parser) message() *partial {
	if p.pending == nil {
		return nil
	}
	return p.pending.partial
}

// frames handles the complete frames at the start of b and returns their
// length.
func (p *Parser) frames(b []byte, lim Limits, h Handler) (done int, err error) {
	for {
		hd, size, err := parseHeader(b[done:])
		if size == 0 || err != nil {
			return done, err
		}
		if err := p.check(hd, lim); err != nil {
			return done, err
		}
		// The length has been checked against the limit: it fits an int.
		end := done + size + int(hd.Length)
		if end > len(b) {
			return done, nil
		}
		data := b[done+size : end : end]
		ws.Cipher(data, hd.Mask, 0)
		done = end
		if err := p.frame(hd, data, lim, h); err != nil {
			return done, err
		}
	}
}

// headerSize returns the length of a frame's header, or as much of it as is known by
// b, its beginning.
func headerSize(b []byte) int {
	const mask = 4
	if len(b) < 2 {
		return 2
	}
	size := 2
	switch b[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if b[1]&0x80 != 0 {
		size += mask
	}
	return size
}

// parseHeader reads a frame header. size is 0 if b does not hold all of it.
func parseHeader(b []byte) (hd ws.Header, size int, err error) {
	if len(b) < 2 {
		return hd, 0, nil
	}
	hd.Fin = b[0]&0x80 != 0
	hd.Rsv = b[0] >> 4 & 7
	hd.OpCode = ws.OpCode(b[0] & 0x0f)
	hd.Masked = b[1]&0x80 != 0
	hd.Length = int64(b[1] & 0x7f)
	size = 2
	switch hd.Length {
	case 126:
		if len(b) < 4 {
			return hd, 0, nil
		}
		hd.Length, size = int64(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return hd, 0, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n>>63 != 0 {
			return hd, 0, &CloseError{ws.StatusProtocolError, "the highest bit of the length is set"}
		}
		hd.Length, size = int64(n), 10
	}
	if hd.Masked {
		if len(b) < size+4 {
			return hd, 0, nil
		}
		copy(hd.Mask[:], b[size:])
		size += 4
	}
	return hd, size, nil
}

// check refuses a frame by its header alone, before its payload is waited for.
func (p *Parser) check(hd ws.Header, lim Limits) error {
	state := ws.StateServerSide
	m := p.message()
	if m != nil {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(hd, state); err != nil {
		return &CloseError{ws.StatusProtocolError, err.Error()}
	}
	if hd.OpCode.IsControl() {
		return nil
	}
	have := int64(0)
	if m != nil {
		have = int64(len(m.data))
	}
	if hd.Length > lim.MaxMessage-have {
		return &CloseError{ws.StatusMessageTooBig, "the message is larger than the limit"}
	}
	return nil
}

// frame handles one complete frame.
func (p *Parser) frame(hd ws.Header, data []byte, lim Limits, h Handler) error {
	switch {
	case hd.OpCode.IsControl():
		return h.Control(hd.OpCode, data)
	case hd.Fin && hd.OpCode != ws.OpContinuation:
		return deliver(hd.OpCode == ws.OpBinary, data, h)
	}
	m := p.message()
	if m == nil {
		m = &partial{binary: hd.OpCode == ws.OpBinary}
		if p.pending == nil {
			p.pending = new(pending)
		}
		p.pending.partial = m
	}
	m.fragments++
	if m.fragments > lim.MaxFragments {
		return &CloseError{ws.StatusPolicyViolation, "the message has too many fragments"}
	}
	m.data = append(m.data, data...)
	if !hd.Fin {
		return nil
	}
	p.pending.partial = nil
	return deliver(m.binary, m.data, h)
}

// deliver hands a complete message over.
func deliver(binaryMessage bool, data []byte, h Handler) error {
	if !binaryMessage && !utf8.Valid(data) {
		return &CloseError{ws.StatusInvalidFramePayloadData, "a text message is not UTF-8"}
	}
	return h.Message(binaryMessage, data)
}

// CloseCode returns the status code of a close frame's payload, and
// StatusNoStatusRcvd if it has none. The error is a *CloseError.
func CloseCode(data []byte) (ws.StatusCode, error) {
	switch len(data) {
	case 0:
		return ws.StatusNoStatusRcvd, nil
	case 1:
		return 0, &CloseError{ws.StatusProtocolError, "the close frame has half a status code"}
	}
	code, reason := ws.ParseCloseFrameData(data)
	switch {
	case !mayBeSent(code):
		return 0, &CloseError{ws.StatusProtocolError, "the close frame has an invalid status code"}
	case !utf8.ValidString(reason):
		return 0, &CloseError{ws.StatusInvalidFramePayloadData, "the reason of the close frame is not UTF-8"}
	}
	return code, nil
}

// mayBeSent reports whether a status code may stand in a close frame:
// https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number
func mayBeSent(code ws.StatusCode) bool {
	switch {
	case code >= 1004 && code <= 1006: // reserved for use without a frame
		return false
	case code >= 1000 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}
