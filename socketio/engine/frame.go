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
}

// SendOption modifies how frames are sent. The options are bits.
type SendOption uint8

const (
	// Volatile drops the frames if the session is not writable at the moment:
	// see [Session.Writable]. Frames that are sent together are dropped
	// together.
	Volatile SendOption = 1 << iota
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

// NewTextFrame returns the frame of a text message.
func NewTextFrame(s string) *Frame { return packet.Text(packet.Message, s) }

// NewBinaryFrame returns the frame of a binary message. It copies b.
func NewBinaryFrame(b []byte) *Frame { return packet.Binary(b) }
