package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const (
	// room is the room that the clients of all scenarios are in.
	room = "bench"
	// aside is the room that only the client that never reads is in.
	aside = "aside"
	// payloadSize is the length of what is echoed and published.
	payloadSize = 64
	// sequenceSize is the length of the number that a published payload starts with.
	sequenceSize = 8

	ackMessage    = "43"
	eventMessage  = "42"
	eventOpening  = eventMessage + `["msg","`
	eventClosing  = `"]`
	sequenceStart = len(eventOpening)
)

var (
	errUnexpectedEvent = errors.New("an event that was not published")
	errUnexpectedAck   = errors.New("an acknowledgement that was not asked for")
)

// echoPayload is what the round trips carry.
func echoPayload() string { return strings.Repeat("e", payloadSize) }

// echoMessage is an `echo` event that asks for an acknowledgement.
func echoMessage(id int) string {
	return fmt.Sprintf(`%s%d["echo",%q]`, eventMessage, id, echoPayload())
}

// joinMessage is a `join` event that asks for acknowledgement 0.
func joinMessage(room string) string { return eventMessage + `0["join","` + room + `"]` }

// pubMessage is a `pub` event that carries a sequence number.
func pubMessage(sequence int) string {
	payload := fmt.Sprintf("%0*d", sequenceSize, sequence) + strings.Repeat("p", payloadSize-sequenceSize)
	return fmt.Sprintf(`%s["pub",%q,%q]`, eventMessage, room, payload)
}

// parseEvent returns the sequence number of a `msg` event.
func parseEvent(msg []byte) (sequence int, err error) {
	if len(msg) != sequenceStart+payloadSize+len(eventClosing) || string(msg[:sequenceStart]) != eventOpening {
		return 0, fmt.Errorf("%w: %q", errUnexpectedEvent, msg)
	}
	for _, c := range msg[sequenceStart : sequenceStart+sequenceSize] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: %q", errUnexpectedEvent, msg)
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
		return 0, nil, fmt.Errorf("%w: %q", errUnexpectedAck, msg)
	}
	for _, c := range digits[:end] {
		if c < '0' || c > '9' {
			return 0, nil, fmt.Errorf("%w: %q", errUnexpectedAck, msg)
		}
		id = id*10 + int(c-'0')
	}
	return id, digits[end:], nil
}
