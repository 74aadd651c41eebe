package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// hall is the room that the clients of most scenarios are in.
	hall = "bench"
	// aside starts the name of a room that only a client that never reads is in.
	aside = "aside"
	// usualSize is the length of what is echoed and published, unless a scenario
	// is about that.
	usualSize = 64
	// sequenceSize is the length of the number that a published payload starts with.
	sequenceSize = 8

	ackMessage    = "43"
	eventMessage  = "42"
	binaryMessage = "451-"
	// What a delivery looks like: the text event around its payload, and the start
	// of the event whose payload follows in a binary message.
	eventOpening  = eventMessage + `["msg","`
	eventClosing  = `"]`
	binaryOpening = binaryMessage + `["msg",`
	// startedMessage is the event of a handler that waits.
	startedMessage = eventMessage + `["started"]`
	// placeholder stands for the binary payload.
	placeholder = `{"_placeholder":true,"num":0}`
	// separator stands between the packets of a polling body.
	separator = "\x1e"
)

var (
	errUnexpectedEvent = errors.New("an event that was not published")
	errUnexpectedAck   = errors.New("an acknowledgement that was not asked for")
)

// message is what a client sends, encoded for both transports. A message with a
// binary attachment has a form for WebSocket only.
type message struct {
	frames []byte // the masked frames
	packet string // what a polling body holds
}

// textMessage returns the message that packet is.
func textMessage(packet string) message {
	return message{frames: appendFrame(nil, opText, []byte(packet)), packet: packet}
}

// echoMessage is an `echo` event that asks for an acknowledgement.
func echoMessage(id int, payload string) message {
	return textMessage(fmt.Sprintf(`%s%d["echo",%q]`, eventMessage, id, payload))
}

// joinMessage is a `join` event that asks for acknowledgement 0.
func joinMessage(room string) message {
	return textMessage(eventMessage + `0["join","` + room + `"]`)
}

// waitMessage is a `wait` event.
func waitMessage(d time.Duration) message {
	return textMessage(fmt.Sprintf(`%s["wait",%d]`, eventMessage, d.Milliseconds()))
}

// spinMessage is a `spin` event.
func spinMessage(d time.Duration) message {
	return textMessage(fmt.Sprintf(`%s["spin",%d]`, eventMessage, d.Microseconds()))
}

// burstMessage is a `burst` event.
func burstMessage(count, size int) message {
	return textMessage(fmt.Sprintf(`%s["burst",%d,%d]`, eventMessage, count, size))
}

// pubMessage is a `pub` event whose payload has the given size and carries a
// sequence number, as text or as an attachment.
func pubMessage(room string, sequence, size int, binary bool) message {
	payload := fmt.Sprintf("%0*d", sequenceSize, sequence) + strings.Repeat("p", size-sequenceSize)
	if !binary {
		return textMessage(eventMessage + `["pub","` + room + `","` + payload + `"]`)
	}
	head := textMessage(binaryMessage + `["pub","` + room + `",` + placeholder + `]`)
	return message{frames: appendFrame(head.frames, opBinary, []byte(payload))}
}

// parseEvent returns the sequence number of a `msg` event with a text payload of
// the given size.
func parseEvent(msg []byte, size int) (sequence int, err error) {
	if len(msg) != len(eventOpening)+size+len(eventClosing) || string(msg[:len(eventOpening)]) != eventOpening {
		return 0, fmt.Errorf("%w: %.200q", errUnexpectedEvent, msg)
	}
	return parsePayload(msg[len(eventOpening):len(eventOpening)+size], size)
}

// parsePayload returns the sequence number at the start of a payload.
func parsePayload(payload []byte, size int) (sequence int, err error) {
	if len(payload) != size {
		return 0, fmt.Errorf("%w: %.200q", errUnexpectedEvent, payload)
	}
	for _, c := range payload[:sequenceSize] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: %.200q", errUnexpectedEvent, payload)
		}
		sequence = sequence*10 + int(c-'0')
	}
	return sequence, nil
}

// parseAck returns the id and the arguments of an acknowledgement.
func parseAck(msg []byte) (id int, args []byte, err error) {
	digits := msg[len(ackMessage):]
	end := bytes.IndexByte(digits, '[')
	if end < 1 || end > 6 {
		return 0, nil, fmt.Errorf("%w: %.200q", errUnexpectedAck, msg)
	}
	for _, c := range digits[:end] {
		if c < '0' || c > '9' {
			return 0, nil, fmt.Errorf("%w: %.200q", errUnexpectedAck, msg)
		}
		id = id*10 + int(c-'0')
	}
	return id, digits[end:], nil
}

// thousands writes a number as the table does: 18,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
