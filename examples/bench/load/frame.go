package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The opcodes of RFC 6455, section 5.2, that a server of small messages uses.
const (
	opMore   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// maxPayload bounds what a server may announce. The contract's messages are
// far smaller, so more is a broken frame.
const maxPayload = 1 << 20

var (
	errFragments = errors.New("fragments that make no message")
	errReserved  = errors.New("reserved bits set")
	errMasked    = errors.New("masked frame from a server")
	errTooLong   = errors.New("frame longer than any message of the contract")
)

// frame is one WebSocket frame of a server. Its payload aliases the buffer that
// it was parsed from.
type frame struct {
	op      byte
	final   bool // no fragment follows
	payload []byte
}

// appendFrame appends the masked frame that carries payload. A client has to
// mask, but may choose the key: one key for all frames lets them be encoded
// once and sent any number of times.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	key := [4]byte{0x5a, 0xc3, 0x96, 0x2d}
	const fin, masked = 0x80, 0x80
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, fin|op, masked|byte(n))
	case n <= 0xffff:
		dst = append(dst, fin|op, masked|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, fin|op, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// parseFrame parses the frame at the start of b and returns its length, which is
// zero if b does not hold all of it.
func parseFrame(b []byte) (f frame, n int, err error) {
	if len(b) < 2 {
		return frame{}, 0, nil
	}
	switch {
	case b[0]&0x70 != 0:
		return frame{}, 0, errReserved
	case b[1]&0x80 != 0:
		return frame{}, 0, errMasked
	}
	length, header := uint64(b[1]), 2
	switch {
	case length == 126 && len(b) >= 4:
		length, header = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127 && len(b) >= 10:
		length, header = binary.BigEndian.Uint64(b[2:]), 10
	case length >= 126:
		return frame{}, 0, nil
	}
	if length > maxPayload {
		return frame{}, 0, fmt.Errorf("%w: %d bytes", errTooLong, length)
	}
	n = header + int(length)
	if len(b) < n {
		return frame{}, 0, nil
	}
	return frame{op: b[0] & 0x0f, final: b[0]&0x80 != 0, payload: b[header:n]}, n, nil
}
