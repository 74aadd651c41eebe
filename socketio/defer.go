package socketio

import "context"

// Defer calls fn once when the socket has ended, also if it has never been connected: when a
// guard refuses it, or when the connection ends or the client asks anew while guards run. So
// what a guard has taken is given back exactly once.
//
// The functions of a socket run one after another, the last one deferred first, as the
// last of its tasks: after the guard or the handlers that may be running have returned,
// and after the functions of [Namespace.OnDisconnect]. One that panics is logged as those
// are, and the others still run. Once all of that has run, Defer calls fn at once on
// another goroutine. So a handler, a guard or a function of OnDisconnect must not wait for
// what it has deferred.
//
// ctx is the one that the functions of OnDisconnect get: it is not that of the socket, and
// lives on until the context of [Server.Shutdown] ends, or the server has shut down. Shutdown
// waits for fn: what may take long should have a deadline of its own. Once Shutdown has ended,
// or has given up, fn is called all the same, but ctx has ended, and it may be Defer itself
// that calls fn: do not hold a lock that fn needs.
//
// The socket keeps fn until it ends: what a handler defers for each event adds up. Defer may
// be called by any goroutine at any time.
func (s *Socket) Defer(fn func(ctx context.Context)) {
	s.mu.Lock()
	w := s.detail().watch()
	w.deferred = &deferredCall{fn, w.deferred}
	idle := s.due != dueNothing && !s.running
	if idle {
		s.running = true
	}
	s.mu.Unlock()
	if idle {
		s.submit()
	}
}

// deferredCall is a function that is called when a socket has ended, and those that have been
// deferred before it.
type deferredCall struct {
	fn   func(context.Context)
	next *deferredCall
}

// defers reports whether there are deferred functions. s.mu is held.
func (s *Socket) defers() bool {
	w := s.look().ctx
	return w != nil && w.deferred != nil
}

// takeDeferred takes the function that was deferred last, nil if there is none.
func (s *Socket) takeDeferred() func(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.defers() {
		return nil
	}
	w := s.look().ctx
	call := w.deferred
	w.deferred = call.next
	return call.fn
}

// runDeferred calls the function that was deferred last. It reports false if there is none.
func (s *Socket) runDeferred() bool {
	fn := s.takeDeferred()
	if fn == nil {
		return false
	}
	s.report("disconnect", s.protect(func(context.Context) error {
		fn(afterContext{s.nsp.server.ctx, s})
		return nil
	}))
	return true
}

// runAllDeferred calls all deferred functions, also if one of them ends the goroutine.
func (s *Socket) runAllDeferred() {
	completed := false
	defer func() {
		if !completed {
			s.runAllDeferred()
		}
	}()
	for s.runDeferred() {
	}
	completed = true
}
