package main

import (
	"bytes"
	"crypto/sha1" // RFC 6455 asks for it.
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// websocketKey is the handshake key of all clients. It need not be random for
// servers that are all the generator's own.
const websocketKey = "dGhlIHNhbXBsZSBub25jZQ=="

// phase is how far a client has come.
type phase uint8

const (
	upgrading  phase = iota // waiting for the 101 answer
	opening                 // waiting for the open packet
	connecting              // waiting for the answer to CONNECT
	connected
)

var (
	errRefused = errors.New("connection refused by the server")
	errHungUp  = errors.New("connection closed by the server")
)

// client is one WebSocket connection.
type client struct {
	fd       int
	dialed   time.Time
	phase    phase
	blocked  bool   // out waits for the socket to become writable
	in       []byte // the start of a frame whose end has not arrived
	out      []byte // what the socket has not taken yet
	received int    // events, for the scenarios that count them
}

// request is the opening handshake of every client.
func request() []byte {
	return []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" +
		"Host: 127.0.0.1\r\n" +
		"Connection: Upgrade\r\n" +
		"Upgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: " + websocketKey + "\r\n\r\n")
}

// acceptValue is what the server has to answer to websocketKey.
func acceptValue() []byte {
	sum := sha1.Sum([]byte(websocketKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// parseResponse checks the answer to the opening handshake at the start of b and
// returns its length, which is zero if b does not hold all of it.
func parseResponse(b, accept []byte) (n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	head := b[:end]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, accept) {
		return 0, fmt.Errorf("%w: %.120q", errRefused, b)
	}
	return end + 4, nil
}
