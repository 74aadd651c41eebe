package socketio

import (
	"context"
	"time"
)

// socketContext is the context of a socket's handlers: it ends when the socket
// disconnects. It is the socket itself under another type, and its channel is
// made only when somebody asks for it, so that an idle socket does not pay for it.
type socketContext Socket

func (c *socketContext) socket() *Socket { return (*Socket)(c) }

func (c *socketContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c *socketContext) Value(any) any { return nil }

func (c *socketContext) Done() <-chan struct{} {
	s := c.socket()
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.detail()
	if d.done == nil {
		d.done = make(chan struct{})
		if s.currentState() == stateClosed {
			close(d.done)
		}
	}
	return d.done
}

func (c *socketContext) Err() error {
	if c.socket().currentState() == stateClosed {
		return context.Canceled
	}
	return nil
}
