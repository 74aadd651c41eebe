package engine

import (
	"context"
	"net/http"
)

// keepValues keeps the values that the application wants for the session. Those of the
// request itself cannot be asked later: net/http ends it, and its context.
func (s *Session) keepValues(r *http.Request) {
	fn := s.srv.opts.ConnContext
	if fn == nil {
		return
	}
	ctx := fn(r)
	if ctx == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more().values = context.WithoutCancel(ctx)
}

// Value returns the value for a key of what [Options].ConnContext has returned, nil if
// there is none.
func (s *Session) Value(key any) any {
	s.mu.Lock()
	var values context.Context
	if s.extra != nil {
		values = s.extra.values
	}
	s.mu.Unlock()
	if values == nil {
		return nil
	}
	return values.Value(key)
}
