package parser

import (
	"errors"
	"fmt"
)

// What can be wrong with a message. Decode returns these errors, some of them
// wrapped to say more.
var (
	// ErrEmpty is returned for a text message without any content.
	ErrEmpty = errors.New("parser: empty packet")
	// ErrType is returned for an unknown packet type.
	ErrType = errors.New("parser: unknown packet type")
	// ErrAttachmentCount is returned when the number of attachments of a binary
	// packet is missing, zero or not a number.
	ErrAttachmentCount = errors.New("parser: illegal number of attachments")
	// ErrTooManyAttachments is returned when a packet has, or announces, more
	// attachments than allowed, or names them more often.
	ErrTooManyAttachments = errors.New("parser: too many attachments")
	// ErrAttachmentSize is returned when the attachments of one packet are
	// larger, taken together, than allowed.
	ErrAttachmentSize = errors.New("parser: attachments too large")
	// ErrID is returned when an acknowledgement id is missing, does not fit into
	// 64 bits, or is in a packet that cannot have one.
	ErrID = errors.New("parser: illegal acknowledgement id")
	// ErrNamespace is returned when a namespace cannot be written into a packet.
	ErrNamespace = errors.New("parser: illegal namespace")
	// ErrSyntax is returned for a payload that is not JSON.
	ErrSyntax = errors.New("parser: invalid JSON")
	// ErrDepth is returned for JSON, or for a value, that is nested more than
	// MaxDepth levels deep. A value that contains itself is.
	ErrDepth = errors.New("parser: nested too deep")
	// ErrPayload is returned when the payload is missing or not of the kind that
	// the packet type asks for.
	ErrPayload = errors.New("parser: invalid payload")
	// ErrTooManyArgs is returned when a payload has more than MaxArgs elements.
	ErrTooManyArgs = errors.New("parser: too many arguments")
	// ErrEventName is returned when the first element of an event is neither a
	// string nor a number.
	ErrEventName = errors.New("parser: invalid event name")
	// ErrReservedEvent is returned for an event that has one of the names that
	// the protocol keeps for itself; see [Reserved].
	ErrReservedEvent = errors.New("parser: reserved event name")
	// ErrPlaceholder is returned when a placeholder for a binary value does not
	// name one of the attachments.
	ErrPlaceholder = errors.New("parser: illegal placeholder")
	// ErrUnexpectedText is returned for a text message when an attachment is
	// awaited.
	ErrUnexpectedText = errors.New("parser: text message where an attachment is awaited")
	// ErrUnexpectedBinary is returned for a binary message when no attachment is
	// awaited.
	ErrUnexpectedBinary = errors.New("parser: binary message where no attachment is awaited")
	// ErrNestedArgs is returned for a value that stands for several arguments, see
	// [ArgsMarshaler], where one argument or a part of one is to be encoded.
	ErrNestedArgs = errors.New("parser: value that stands for several arguments inside another one or beside it")
	// ErrNotBinary is returned when a binary value is to be decoded into
	// something that cannot hold one, such as a string.
	ErrNotBinary = errors.New("parser: binary value where the Go type takes none")
)

// errRawBinary is for JSON that is left as it is and would refer to binary values elsewhere.
var errRawBinary = fmt.Errorf("%w: json.RawMessage; parser.Raw takes a whole argument with its binary values", ErrNotBinary)
