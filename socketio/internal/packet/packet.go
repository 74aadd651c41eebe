// Package packet holds the packets of the Engine.IO protocol, revision 4: the
// frames that leave the server, encoded once for any number of sessions, and
// the decoding of what arrives.
package packet

import (
	"errors"
)

// Type is the type of an Engine.IO packet: the first character of its text
// form.
type Type byte

// The packet types of the protocol.
const (
	Open    Type = '0'
	Close   Type = '1'
	Ping    Type = '2'
	Pong    Type = '3'
	Message Type = '4'
	Upgrade Type = '5'
	Noop    Type = '6'
)

// binaryMark starts the text form of a binary message; standard base64 of its
// bytes follows.
const binaryMark = 'b'

// Errors that Decode returns.
var (
	// ErrEmpty reports a packet without even a type.
	ErrEmpty = errors.New("packet: decoding: empty packet")
	// ErrType reports an unknown packet type.
	ErrType = errors.New("packet: decoding: unknown packet type")
)

// Packet is one decoded packet. Data is a part of the buffer it was decoded
// from.
type Packet struct {
	Type   Type
	Binary bool
	Data   []byte
}

// Decode decodes the text form of a packet, as found in polling bodies and in
// WebSocket text messages. A binary message is decoded from its base64 form in
// place, so it overwrites b.
func Decode(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, ErrEmpty
	}
	switch c := b[0]; {
	case c == binaryMark:
		return Packet{Type: Message, Binary: true, Data: decodeBase64(b[1:])}, nil
	case c < '0' || c > '6':
		return Packet{}, ErrType
	default:
		return Packet{Type: Type(c), Data: b[1:]}, nil
	}
}
