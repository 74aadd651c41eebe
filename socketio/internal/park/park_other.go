//go:build !linux || noparking

package park

import (
	"net"
	"time"
)

// Poller is not available on this platform.
type Poller struct{}

// New returns [ErrUnsupported].
func New() (*Poller, error) { return nil, ErrUnsupported }

// Adopt returns [ErrUnsupported].
func (*Poller) Adopt(*Conn, net.Conn, Waiter) error { return ErrUnsupported }

// Err returns [ErrUnsupported].
func (*Poller) Err() error { return ErrUnsupported }

// HeldUp returns 0.
func (*Poller) HeldUp() uint64 { return 0 }

// Len returns 0.
func (*Poller) Len() int { return 0 }

// Close does nothing.
func (*Poller) Close() {}

// Worker is not available on this platform.
type Worker struct{}

// Start does nothing.
func (*Worker) Start(Task) {}

// Lend does nothing.
func (*Worker) Lend() {}

// RunTask runs the task.
func (*Worker) RunTask(t Task) { t.Run() }

// Conn is not available on this platform: no connection is ever adopted.
type Conn struct{}

// Notify does nothing.
func (*Conn) Notify(bool) {}

// Close does nothing.
func (*Conn) Close() {}

// CloseWrite returns [ErrUnsupported].
func (*Conn) CloseWrite() error { return ErrUnsupported }

// TryRead returns [ErrUnsupported], as do all the other methods.
func (*Conn) TryRead([]byte) (int, error) { return 0, ErrUnsupported }

// TryWrite returns [ErrUnsupported].
func (*Conn) TryWrite([]byte) (int, error) { return 0, ErrUnsupported }

// Read returns [ErrUnsupported].
func (*Conn) Read([]byte, time.Time) (int, error) { return 0, ErrUnsupported }

// WriteSome returns [ErrUnsupported].
func (*Conn) WriteSome([]byte, time.Time) (int, error) { return 0, ErrUnsupported }
