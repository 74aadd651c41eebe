package parser

import "github.com/tandem-go/tandem/adapter"

// Parser encodes and decodes packets. It is stateless and may be used by any
// number of goroutines at once.
type Parser interface {
	// Append appends the first message of the packet to dst. If binary is false
	// it is a text message, and p.Attachments follow in order, each as a binary
	// message of its own. If binary is true it is a binary message that holds
	// everything.
	Append(dst []byte, p *adapter.Packet) (b []byte, binary bool, err error)

	// Decode takes one message, text or binary, and reports whether it completes
	// a packet, which is then in p. If not, what has come is kept in st and more
	// attachments are awaited. Each complete packet overwrites all the fields of
	// p. p.Data may alias data: it is valid only as long as data is. Attachments
	// and, in a packet that has some, p.Data may be kept.
	//
	// After an error the connection should be closed; st is as good as new.
	// Neither st nor p may be used concurrently.
	Decode(st *State, data []byte, binary bool, p *adapter.Packet) (complete bool, err error)
}

// State is what a connection has received of a packet that is not complete yet.
// The zero value is ready. It must not be copied or used concurrently.
//
// It is one pointer. What that points to is made when a packet first has to wait
// for attachments, or names a namespace other than "/".
type State struct {
	kept *kept
}

// kept is what a State keeps from one message to the next.
type kept struct {
	pending   *pending // nil unless attachments are awaited
	namespace string   // the latest one besides "/", so that a name is made only once
}

// pending is a packet that waits for attachments.
type pending struct {
	typ         adapter.PacketType
	hasID       bool
	id          uint64
	namespace   string
	data        []byte
	attachments [][]byte // its capacity is the number of attachments that will come
	bytes       int64
}

// Pending reports whether attachments are awaited. A server limits how long it
// waits for them.
func (st *State) Pending() bool { return st.kept != nil && st.kept.pending != nil }

// Size returns the bytes of memory that a packet takes which is not complete yet, 0 if
// there is none.
func (st *State) Size() int {
	if !st.Pending() {
		return 0
	}
	const pendingBytes = 128 // of a pending
	w := st.kept.pending
	return pendingBytes + cap(w.data) + 24*cap(w.attachments) + int(w.bytes)
}

// Reset forgets what has been received.
func (st *State) Reset() {
	if st.kept != nil {
		st.kept.pending = nil
	}
}

// keep returns what is kept, for changing it.
func (st *State) keep() *kept {
	if st.kept == nil {
		st.kept = new(kept)
	}
	return st.kept
}
