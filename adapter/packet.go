package adapter

import "sync"

// PacketType is the type of a Socket.IO packet, as in the [protocol].
//
// [protocol]: https://socket.io/docs/v4/socket-io-protocol/#packet-types
type PacketType byte

// The packet types. An event or an acknowledgement with attachments keeps the
// type [Event] or [Ack]: that it travels as type 5 or 6 is a matter of the
// parser alone.
const (
	Connect      PacketType = 0
	Disconnect   PacketType = 1
	Event        PacketType = 2
	Ack          PacketType = 3
	ConnectError PacketType = 4
)

// Packet is one Socket.IO packet with its payload still, or already, encoded.
//
// A packet that has been handed to an adapter or to a parser must not be
// changed any more: all the sockets that it goes to share it.
type Packet struct {
	// Namespace is the name of the namespace, with its leading slash.
	Namespace string
	// Data is the payload in JSON, nil if there is none: the array of
	// arguments of an Event (its name comes first) or of an Ack, the object of
	// a Connect or ConnectError. Where binary stood, Data holds the placeholder
	// {"_placeholder":true,"num":N} and Attachments[N] the bytes.
	Data []byte
	// Attachments are the binary values of Data.
	Attachments [][]byte
	// ID is the acknowledgement id. It counts only if HasID is set.
	ID uint64
	// HasID tells that an Event asks for an acknowledgement. It is always set
	// on an Ack.
	HasID bool
	// Type is the packet's type.
	Type PacketType

	memo memo
}

type memo struct {
	once  sync.Once
	value any
}

// Memo returns what build made of the packet, calling build on the first call
// only. The host of an adapter keeps the encoded frames of a broadcast there,
// so that they are built once however many sockets receive them. It may be
// called concurrently; build must be the same function in every call.
func (p *Packet) Memo(build func(*Packet) any) any {
	p.memo.once.Do(func() { p.memo.value = build(p) })
	return p.memo.value
}
