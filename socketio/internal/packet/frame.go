package packet

import (
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// headRoom is the longest header of an unmasked WebSocket frame.
const headRoom = 10

// Frame is one packet encoded once for any number of sessions and for both
// transports. It is immutable and safe for concurrent use.
//
// The WebSocket header, the packet's type and its payload lie next to each
// other in one buffer, so both the WebSocket frame and the polling text are
// plain sub-slices of it. Only the base64 form that polling needs of binary
// messages is made when it is written.
type Frame struct {
	buf    []byte
	start  int // where the WebSocket header begins in buf
	binary bool
	once   bool         // it is for one session, which recycles it
	holds  atomic.Int32 // see Hold
}

// overhead is what a frame takes in memory besides its buffer.
const overhead = 48

// What the allocator does with a large buffer: it takes whole pages.
const (
	largeBuffer = 32 << 10
	page        = 8 << 10
)

// Memory returns the bytes that the frame takes.
func (f *Frame) Memory() int64 {
	n := cap(f.buf)
	if n > largeBuffer {
		n = (n + page - 1) &^ (page - 1)
	}
	return int64(overhead + n)
}

// Hold counts one who keeps the frame for longer, and reports whether that is the
// first one: then its memory is to be counted.
func (f *Frame) Hold() (first bool) { return f.holds.Add(1) == 1 }

// Drop is the opposite of Hold. It reports whether nobody is left who keeps the frame.
func (f *Frame) Drop() (last bool) { return f.holds.Add(-1) == 0 }

// Holders is the number of those who keep the frame.
func (f *Frame) Holders() int { return int(f.holds.Load()) }

// New returns the frame of a message whose payload fill appends to the buffer
// it is given. The buffer has room for sizeHint bytes in front of which the
// headers fit, so the payload is not copied unless fill replaces the buffer. An
// error of fill is returned as it is.
func New(binaryMessage bool, sizeHint int, fill func(dst []byte) ([]byte, error)) (*Frame, error) {
	f := new(Frame)
	if err := f.make(make([]byte, headRoom, headRoom+1+max(sizeHint, 0)), binaryMessage, fill); err != nil {
		return nil, err
	}
	return f, nil
}

// make fills f. head is where the headers will be, with space behind it.
func (f *Frame) make(head []byte, binaryMessage bool, fill func(dst []byte) ([]byte, error)) error {
	f.binary = binaryMessage
	if !binaryMessage {
		head = append(head, byte(Message))
	}
	buf, err := fill(head)
	if err != nil {
		return err
	}
	if len(buf) < len(head) {
		buf = head
	}
	f.seal(buf)
	return nil
}

// The buffer of a frame that is filled again: as large as the usual answer at
// least, and not larger than what an idle frame may keep.
const (
	minRefill = 128
	maxRefill = 16 << 10
)

// Refill makes f the frame of a message as [New] does, in the memory of the message
// that it has been before. The frame is for one session: whoever has sent it
// recycles it, so nobody else may keep it; see [Frame.Recyclable].
func (f *Frame) Refill(binaryMessage bool, sizeHint int, fill func(dst []byte) ([]byte, error)) error {
	head, need := f.buf, headRoom+1+max(sizeHint, 0)
	f.buf, f.once = nil, true
	if cap(head) < need {
		head = make([]byte, headRoom, max(need, minRefill))
	}
	return f.make(head[:headRoom], binaryMessage, fill)
}

// Once reports whether the frame has been made by [Frame.Refill], so that it may be
// another message when it is seen again.
func (f *Frame) Once() bool { return f.once }

// Recyclable reports whether the frame can be refilled, after it has been sent.
func (f *Frame) Recyclable() bool { return f.once && cap(f.buf) <= maxRefill }

// Text returns the frame of a text packet.
func Text(t Type, data string) *Frame {
	f := &Frame{}
	buf := make([]byte, headRoom, headRoom+1+len(data))
	f.seal(append(append(buf, byte(t)), data...))
	return f
}

// Binary returns the frame of a binary message. It copies data.
func Binary(data []byte) *Frame {
	f := &Frame{binary: true}
	buf := make([]byte, headRoom, headRoom+len(data))
	f.seal(append(buf, data...))
	return f
}

// seal puts the WebSocket header right in front of the payload in buf.
func (f *Frame) seal(buf []byte) {
	op := ws.OpText
	if f.binary {
		op = ws.OpBinary
	}
	n := len(buf) - headRoom
	var header [headRoom]byte
	h := AppendHeader(header[:0], op, n)
	f.start = headRoom - len(h)
	copy(buf[f.start:], h)
	f.buf = buf
}

// AppendHeader appends the header of an unmasked, unfragmented WebSocket frame
// with a payload of n bytes.
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	const fin = 0x80
	switch {
	case n < 126:
		return append(dst, fin|byte(op), byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, fin|byte(op), 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, fin|byte(op), 127), uint64(n))
	}
}

// WebSocket returns the bytes of the packet as one WebSocket frame. They must
// not be changed.
func (f *Frame) WebSocket() []byte { return f.buf[f.start:] }

// Polling returns the text form of the packet, as it is put into a polling body. It must
// not be changed. That of a binary message is made anew each time.
func (f *Frame) Polling() []byte {
	if !f.binary {
		return f.buf[headRoom:]
	}
	return f.AppendPolling(make([]byte, 0, f.PollingLen()))
}

// AppendPolling appends what Polling returns.
func (f *Frame) AppendPolling(dst []byte) []byte {
	data := f.buf[headRoom:]
	if !f.binary {
		return append(dst, data...)
	}
	return base64.StdEncoding.AppendEncode(append(dst, binaryMark), data)
}

// PollingLen is the length of what Polling returns.
func (f *Frame) PollingLen() int {
	n := len(f.buf) - headRoom
	if f.binary {
		return 1 + base64.StdEncoding.EncodedLen(n)
	}
	return n
}

// Len returns the number of bytes that the packet takes in a queue.
func (f *Frame) Len() int { return len(f.buf) - f.start }

// IsBinary reports whether the frame is a binary message.
func (f *Frame) IsBinary() bool { return f.binary }

// Payload returns the data of a message: the text behind the packet type, or
// the bytes of a binary message. It must not be changed.
func (f *Frame) Payload() []byte {
	if f.binary {
		return f.buf[headRoom:]
	}
	return f.buf[headRoom+1:]
}

// Control returns a WebSocket control frame. It has no meaning for polling.
func Control(op ws.OpCode, data []byte) *Frame {
	buf := AppendHeader(make([]byte, 0, 2+len(data)), op, len(data))
	return &Frame{buf: append(buf, data...)}
}
