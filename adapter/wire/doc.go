// Package wire converts between the two forms in which a Socket.IO value
// travels: the MessagePack that nodes exchange through a broker, in the dialect
// of the [notepack.io] library that the reference implementation uses, and the
// JSON text with binary placeholders that a packet holds.
//
// Both directions work token by token. No value is built, and with room in the
// destination nothing is allocated. Neither trusts its input: nesting is
// limited to [MaxDepth], lengths are checked against the bytes that are there,
// and the output is at most a small multiple of the input, to which an attachment
// counts as often as the JSON names it.
//
// What JSON cannot express is converted as a JavaScript receiver would: a
// timestamp becomes the text of Date.prototype.toISOString, NaN and the
// infinities become null, undefined becomes null in an array and is left out of
// an object.
//
// [notepack.io]: https://github.com/darrachequesne/notepack
package wire

import "errors"

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 512

var (
	// ErrMsgpack reports bytes that are not MessagePack, or MessagePack that has
	// no JSON form, such as an array as the key of a map.
	ErrMsgpack = errors.New("wire: malformed MessagePack")
	// ErrJSON reports text that is not JSON.
	ErrJSON = errors.New("wire: malformed JSON")
	// ErrDepth reports a value that is nested deeper than [MaxDepth].
	ErrDepth = errors.New("wire: value nested too deep")
	// ErrPlaceholder reports a binary placeholder without its attachment.
	ErrPlaceholder = errors.New("wire: placeholder without attachment")
)
