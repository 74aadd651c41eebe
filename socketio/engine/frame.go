package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// Frame is one message encoded once, for any number of sessions and for both
// transports. It is immutable and safe for concurrent use.
type Frame = packet.Frame

// Message is a message that has been received.
type Message struct {
	// Data is the payload. It is valid only until the receiver returns.
	Data []byte
	// Binary tells a binary message from a text message. A text message is
	// valid UTF-8.
	Binary bool

	in *input // what it has been read into; nil unless the connection is parked
}

// Task is something to run; see [Message.Go].
type Task interface {
	Run()
}

// Go runs t on the goroutine that is delivering the message, after those messages
// that have been read with it have been delivered, and when the connection can be
// read by another goroutine if t takes long. It saves a switch to another
// goroutine. It reports false, and does nothing, if that is not possible; then the
// caller has to run t by other means. Go must be called during OnMessage.
func (m Message) Go(t Task) bool {
	if m.in == nil || m.in.task != nil {
		return false
	}
	m.in.task = t
	return true
}

// Yield must be called before OnMessage blocks. It starts the task that was given to
// Go, on another goroutine, and lets others read the other connections.
func (m Message) Yield() {
	m.in.wait()
}

// SendOption modifies how frames are sent. The options are bits.
type SendOption uint8

const (
	// Volatile drops the frames if the session is not writable at the moment:
	// see [Session.Writable]. Frames that are sent together are dropped
	// together.
	Volatile SendOption = 1 << iota
	// Coalesce leaves the frames to be written together with those that follow at
	// once, instead of with a system call of their own. They are not delayed.
	Coalesce
	// NoCompress asks for the frames not to be compressed on their way. An
	// HTTP answer is compressed nevertheless if it holds other frames too.
	NoCompress
)

// NewFrame returns the frame of a message whose payload fill appends to the
// slice it is given. The slice has room for the headers in front of it and for
// sizeHint bytes behind, so the payload is not copied. fill must keep what the
// slice holds. Its error is returned as it is, with no frame.
//
// A text payload must be valid UTF-8, or the client will close the connection.
func NewFrame(binary bool, sizeHint int, fill func(dst []byte) ([]byte, error)) (*Frame, error) {
	return packet.New(binary, sizeHint, fill)
}

// NewFrame is the function [NewFrame] for a frame that will be sent once, to one
// session of the server. Its memory is used again as soon as it has been written: it
// must not be used any more after [Session.Send].
func (srv *Server) NewFrame(binary bool, sizeHint int, fill func(dst []byte) ([]byte, error)) (*Frame, error) {
	f, ok := srv.once.Get().(*Frame)
	if !ok {
		f = new(Frame)
	}
	if err := f.Refill(binary, sizeHint, fill); err != nil {
		return nil, err
	}
	return f, nil
}

// NewTextFrame returns the frame of a text message.
func NewTextFrame(s string) *Frame { return packet.Text(packet.Message, s) }

// NewBinaryFrame returns the frame of a binary message. It copies b.
func NewBinaryFrame(b []byte) *Frame { return packet.Binary(b) }
