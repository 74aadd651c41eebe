package main

import (
	"bytes"
	"crypto/sha1" // RFC 6455 asks for it.
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
	errRefused = errors.New("refused by the server")
	errHungUp  = errors.New("connection closed by the server")
)

// link is one TCP connection of a client.
type link struct {
	fd      int
	owner   *client
	blocked bool   // out waits for the socket to become writable
	in      []byte // the start of what has not arrived completely
	out     []byte // what the socket has not taken yet
}

// client is one Socket.IO client. One that polls has a second connection, for
// its messages, from the first of them on.
type client struct {
	main       *link // the WebSocket, or the connection that polls
	posts      *link
	phase      phase
	polling    bool
	posting    bool   // a POST request has not been answered
	fragments  []byte // of a text or binary message, behind its opcode
	attachment bool   // the next binary message is the payload of an event
	room       int    // the room of an audience that the client is in
	next       int    // sequence number of the next event, in an audience
	received   int    // events
	sid        string // the session of a client that polls
	pending    []byte // the body of its next POST request
}

// handshake is the request that a WebSocket client starts with.
func handshake() []byte {
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

// parseUpgrade checks the answer to the opening handshake at the start of b and
// returns its length, which is zero if b does not hold all of it.
func parseUpgrade(b, accept []byte) (n int, err error) {
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

// appendGet appends the request of a poll, or that for a session if sid is empty.
func appendGet(dst []byte, sid string) []byte {
	dst = append(dst, "GET /socket.io/?EIO=4&transport=polling"...)
	if sid != "" {
		dst = append(append(dst, "&sid="...), sid...)
	}
	return append(dst, " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"...)
}

// appendPost appends the request that sends body.
func appendPost(dst []byte, sid string, body []byte) []byte {
	dst = append(append(dst, "POST /socket.io/?EIO=4&transport=polling&sid="...), sid...)
	return fmt.Appendf(dst, " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
}

// parseOpen returns the session id in an open packet.
func parseOpen(packet []byte) (sid string, err error) {
	var open struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(packet[1:], &open); err != nil || open.SID == "" {
		return "", fmt.Errorf("%w: open packet %.200q", errRefused, packet)
	}
	return open.SID, nil
}
