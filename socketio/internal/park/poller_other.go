//go:build !linux

package park

// Poller is not available on this platform.
type Poller struct{}

// New returns [ErrUnsupported].
func New() (*Poller, error) { return nil, ErrUnsupported }

// Add returns [ErrUnsupported].
func (*Poller) Add(int, Waiter) (Token, error) { return 0, ErrUnsupported }

// Remove does nothing.
func (*Poller) Remove(Token) {}

// Release does nothing.
func (*Poller) Release(int, Token) {}

// Len returns 0.
func (*Poller) Len() int { return 0 }

// Close does nothing.
func (*Poller) Close() {}
