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

func (c *socketContext) Value(key any) any { return c.socket().requestValue(key) }

// requestValue returns what Options.ConnContext has kept of the client's request.
func (s *Socket) requestValue(key any) any {
	if s.nsp.server.opts.Engine.ConnContext == nil {
		return nil
	}
	return s.conn.session.Value(key)
}

// afterContext is the context of the functions that run when a socket has disconnected: it
// ends with the server.
type afterContext struct {
	context.Context //nolint:containedctx // it is one

	s *Socket
}

func (c afterContext) Value(key any) any {
	if v := c.s.requestValue(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

func (c *socketContext) Done() <-chan struct{} {
	s := c.socket()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.detail().watch()
	if w.done == nil {
		w.done = make(chan struct{})
		if s.currentState() == stateClosed {
			close(w.done)
		}
	}
	return w.done
}

func (c *socketContext) Err() error {
	if c.socket().currentState() == stateClosed {
		return context.Canceled
	}
	return nil
}

// AfterFunc is what package context calls in place of a goroutine that waits for Done,
// for each context that is derived from this one. f runs on a goroutine of its own.
func (c *socketContext) AfterFunc(f func()) (stop func() bool) {
	s := c.socket()
	call := &afterCall{f}
	s.mu.Lock()
	if s.currentState() == stateClosed {
		s.mu.Unlock()
		s.nsp.server.run(call)
		return func() bool { return false }
	}
	w := s.detail().watch()
	if w.after == nil {
		w.after = make(map[*afterCall]struct{})
	}
	w.after[call] = struct{}{}
	s.mu.Unlock()
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, waits := w.after[call]
		delete(w.after, call)
		return waits
	}
}

// ctxWatch is who waits for the end of a socket's context, or of the socket. Socket.mu
// guards it.
type ctxWatch struct {
	done     chan struct{} // nil until asked for
	after    map[*afterCall]struct{}
	deferred *deferredCall // the last one; see Socket.Defer
}

// watch returns who waits for the end of the context, for adding to it. Socket.mu is held.
func (d *details) watch() *ctxWatch {
	if d.ctx == nil {
		d.ctx = new(ctxWatch)
	}
	return d.ctx
}

// end tells those who wait on the channel, and returns what is to be called. Socket.mu is
// held.
func (w *ctxWatch) end() (after map[*afterCall]struct{}) {
	if w == nil {
		return nil
	}
	if w.done != nil {
		close(w.done)
	}
	after, w.after = w.after, nil
	return after
}

// afterCall is a function that is called when a socket has ended.
type afterCall struct{ f func() }

// Run calls the function.
func (c *afterCall) Run() { c.f() }

// run runs a function on the pool, or at once if the server has shut down.
func (srv *Server) run(c *afterCall) {
	if !srv.pool.Go(c) {
		c.Run()
	}
}
