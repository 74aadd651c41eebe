// Package park waits for input on any number of connections with one goroutine.
//
// A connection that waits costs a slot of a table: no goroutine, and so no stack,
// and no buffer. The package is there for Linux; elsewhere [New] returns
// [ErrUnsupported] and connections are read by a goroutine each.
package park

import "errors"

// ErrUnsupported is returned on platforms without a poller.
var ErrUnsupported = errors.New("park: not supported on this platform")

// Waiter is told when there may be something to read, or when the connection has
// ended.
type Waiter interface {
	// Readable is called on the poller's goroutine and must not block. It is called
	// at least once after each arrival of input and may be called without any. A
	// call may still come while, and shortly after, the waiter is removed. If
	// ended is true the peer has closed its side or the connection is broken:
	// there is an end to be read behind the input.
	Readable(ended bool)
}

// Token stands for a connection that has been added to a [Poller]. The zero Token
// stands for none.
type Token uint64
