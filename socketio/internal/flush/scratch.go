package flush

import (
	"slices"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// MaxGather is the number of bytes that are copied together for one write.
const MaxGather = 64 << 10

// Scratch is what a goroutine needs to write without allocating. It is used by
// one goroutine at a time.
type Scratch struct {
	buf  []byte
	last []*packet.Frame // the frames that buf holds, unless they are sent once only
	one  [1]*packet.Frame
	raw  rawWrite
}

// NewScratch returns a scratch ready for use.
func NewScratch() *Scratch {
	sc := &Scratch{}
	sc.raw.init()
	return sc
}

// One returns a slice of that frame, which is valid until the next call.
func (sc *Scratch) One(f *packet.Frame) []*packet.Frame {
	sc.one[0] = f
	return sc.one[:]
}

// Gather returns the WebSocket bytes of the first frames, as many as fit into
// one write, and the number of these frames. The bytes are valid until the next
// call. There must be at least one frame.
func (sc *Scratch) Gather(frames []*packet.Frame) (b []byte, n int) {
	if first := frames[0].WebSocket(); len(frames) == 1 || len(first) >= MaxGather {
		return first, 1
	}
	// In a broadcast to many, the session before had the same frames.
	if slices.Equal(frames, sc.last) {
		return sc.buf, len(frames)
	}
	buf, once := sc.buf[:0], false
	for _, f := range frames {
		w := f.WebSocket()
		if len(buf)+len(w) > MaxGather {
			break
		}
		buf = append(buf, w...)
		once = once || f.Once()
		n++
	}
	clear(sc.last) // A shorter list would keep the rest of a longer one alive.
	sc.buf, sc.last = buf, sc.last[:0]
	if !once {
		sc.last = append(sc.last, frames[:n]...)
	}
	return buf, n
}

// reset forgets the frames, so that an idle scratch does not keep them alive.
func (sc *Scratch) reset() {
	sc.one[0] = nil
	clear(sc.last)
	if sc.last = sc.last[:0]; cap(sc.last) > maxIdle {
		sc.last = nil
	}
}
