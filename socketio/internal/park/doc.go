// Package park reads any number of connections with a few goroutines.
//
// A connection that waits for input costs a [Conn] and nothing else: no goroutine,
// and so no stack, and no buffer. A [Poller] waits for input on all of them with one
// of its workers. That worker goes on with what has arrived: it reads the
// connection and runs what follows from it, user code included, without a switch
// to another goroutine, and then waits again. Three things keep code that takes
// long from holding up other connections:
//
//   - a worker whose code is about to wait says so ([Worker.Lend]), and another takes
//     its place at once;
//   - a watch that ticks while there is something to do notices when nothing has been
//     taken from the queue for a tick, and starts another worker;
//   - after that, for a while, workers give their place away before they run user
//     code ([Worker.Run]): where handlers take long, a switch costs little.
//
// With much to do there are as many workers as processors.
//
// The descriptor of a Conn is not known to the runtime's poller. The package is there
// for Linux; elsewhere [New] returns [ErrUnsupported] and connections are read by a
// goroutine each. The build tag noparking makes Linux such a platform, so that all tests
// can be run without parking.
package park

import "errors"

// ErrUnsupported is returned on platforms without a poller.
var ErrUnsupported = errors.New("park: not supported on this platform")

// Waiter is told when there may be something to read, or when the connection has
// ended.
type Waiter interface {
	// Poller returns the poller that adopts the connection: the waiter knows it, so
	// that not every Conn has to.
	Poller() *Poller
	// Readable is called by a worker. It is called at least once after each arrival of
	// input and may be called without any, by several workers at a time, and still
	// shortly after the connection has been closed. If ended is true the peer has
	// closed its side, the connection is broken, or Conn.Notify has said so:
	// there is an end to be found behind the input.
	Readable(w *Worker, ended bool)
}

// Task is something to run.
type Task interface{ Run() }
