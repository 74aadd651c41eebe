package redisadapter

import (
	"context"
	"errors"
	"fmt"
)

// ErrQueueFull is returned when so much waits to be published already that a
// message is refused; see [Options.MaxQueued].
var ErrQueueFull = errors.New("redisadapter: the publish queue is full")

// An UnavailableError is returned by an operation that could not reach, or has
// not reached yet, the other nodes because of trouble with Redis: a connection has
// failed, or Redis has not answered for a second. A broadcast is sent after all if
// Redis comes back within [Options.QueueTimeout]. Those that were on their way when the
// trouble began, and returned no error, are counted in [adapter.Health] and in
// [OutageEndedInfo].
type UnavailableError struct {
	// Err is what the Redis client said.
	Err error
}

// Error tells what the Redis client said.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("redisadapter: redis is unavailable: %v", e.Err)
}

// Unwrap returns Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// A TimeoutError is returned by an operation that has not got all of its answers
// in time. errors.Is finds [context.DeadlineExceeded] in it.
type TimeoutError struct {
	// Op names the operation.
	Op string
	// Got is how many answers have come, and Want is how many there should have
	// been. Answers are those of the other nodes, or those of the sockets for a
	// broadcast. Want is too low as long as Silent is not zero. What a node owed that
	// has left is not in it, where that is known.
	Got, Want int
	// Silent is, for a broadcast, how many other nodes have not told how many
	// sockets they answer for. They cannot be named: Redis tells how many nodes there
	// are, and not which.
	Silent int
	// Err is the trouble with Redis that the operation has met, or that a Node.js server
	// has left that may have owed answers, if any.
	Err error
}

// Error tells how many answers have come.
func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("redisadapter: %s: timeout reached: only %d answers received out of %d", e.Op, e.Got, e.Want)
	if e.Silent > 0 {
		text += fmt.Sprintf(", and %d nodes silent", e.Silent)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns [context.DeadlineExceeded], and Err if there is one.
func (e *TimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{context.DeadlineExceeded}
	}
	return []error{context.DeadlineExceeded, e.Err}
}

// ended returns the error of an operation whose context has ended: its
// cancellation as it is, its deadline as a [*TimeoutError].
func ended(ctx context.Context, e TimeoutError) error {
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &e
}
