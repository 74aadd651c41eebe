// Package park reads any number of connections with a few goroutines.
//
// A connection that waits for input costs a [Conn] and nothing else: no goroutine,
// and so no stack, and no buffer. A [Poller] waits for input on all of them with one
// of its workers. That worker goes on with what has arrived: it reads the
// connection and runs what follows from it, code of the application included, without a
// switch to another goroutine, and then waits again. With much to do there are as many
// workers as processors.
//
// # Code that waits
//
// A worker may not come back from code of the application for a long time: a handler asks
// a database, an observer writes to a disk. Meanwhile it must not count as one that reads
// connections. The crew of a poller therefore knows of each worker whether it is present or
// lent, and hires another whenever none is present that could take the next notice:
//
//   - a worker that is about to wait says so ([Worker.Lend]), and is lent from then on;
//   - a tick, every millisecond while there is work, lends all workers that are still busy
//     with what they were busy with at the tick before, whatever that is;
//   - after such a tick the workers are cautious for a second: they lend themselves before
//     they handle events ([Worker.RunTask]) and, if it was reading that took so long,
//     before they read. Whatever is slow while they are cautious prolongs that, and so
//     does a tick that finds notices waiting although few have been taken.
//
// So code that waits costs others two ticks at most, however much of it there is, and where
// handlers take long a switch costs little. A worker that comes back leaves if enough
// others are present. [Poller.HeldUp] counts the ticks that had to lend somebody.
//
// # Descriptors
//
// A Conn has a descriptor of its own, which the runtime's poller does not know. Reading and
// writing ask the kernel not to wait (package nowait), since the mode of the descriptor is
// not ours alone.
//
// What cannot be had ends nothing: if [Poller.Adopt] fails, for want of a descriptor say,
// the connection is as it was. If waiting for input fails, the poller ends ([Poller.Err]),
// and all its waiters are told.
//
// The package is there for Linux; elsewhere [New] returns [ErrUnsupported] and connections
// are read by a goroutine each. The build tag noparking makes Linux such a platform, so that
// all tests can be run without parking.
package park

import "errors"

// ErrUnsupported is returned on platforms without a poller.
var ErrUnsupported = errors.New("park: not supported on this platform")

// ErrEmpty is returned by [Conn.TryRead] if there is nothing to read yet.
var ErrEmpty = errors.New("park: nothing to read")

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
