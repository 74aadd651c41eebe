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
type State struct {
	pending   *pending
	namespace string // the latest one, so that the same name is made only once
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
func (st *State) Pending() bool { return st.pending != nil }

// Reset forgets what has been received.
func (st *State) Reset() { st.pending = nil }
