package engine

import (
	"fmt"
	"iter"
	"net/http"
	"reflect"
)

// What a ResponseWriter can do is known only if all of the writers that stand behind it
// are: middlewares have methods that panic, or that fail, if the next writer lacks them.

// writers are the writers behind each other, from w to the innermost one that is known.
func writers(w http.ResponseWriter) iter.Seq[http.ResponseWriter] {
	return func(yield func(http.ResponseWriter) bool) {
		for w != nil && yield(w) {
			outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = outer.Unwrap()
		}
	}
}

// innermost returns the last of the writers.
func innermost(w http.ResponseWriter) (last http.ResponseWriter) {
	for w := range writers(w) {
		last = w
	}
	return last
}

// isServers reports whether a writer is that of an HTTP server itself, with nothing in
// front of it.
func isServers(w http.ResponseWriter) bool {
	t := reflect.TypeOf(w)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case "net/http", "net/http/internal/http2", "golang.org/x/net/http2", "net/http/httptest":
		_, flushes := w.(http.Flusher) // unlike that of http.TimeoutHandler, which stands in front of another one
		return flushes
	}
	return false
}

// flushes reports whether it is known that flushing w works: from the first writer that
// can flush on, all can.
func flushes(w http.ResponseWriter) bool {
	flushing := false
	for w := range writers(w) {
		_, ok := w.(http.Flusher)
		if !ok {
			_, ok = w.(interface{ FlushError() error })
		}
		if flushing && !ok {
			return false
		}
		flushing = ok
	}
	return flushing && isServers(innermost(w))
}

// hijacker is the first writer from which on all writers can be hijacked. The error, if
// there is none, wraps http.ErrNotSupported and names the one that cannot.
func hijacker(w http.ResponseWriter) (http.Hijacker, error) {
	var first http.Hijacker
	var last http.ResponseWriter
	for last = range writers(w) {
		if h, ok := last.(http.Hijacker); !ok {
			first = nil
		} else if first == nil {
			first = h
		}
	}
	if first == nil {
		return nil, fmt.Errorf("a connection cannot be taken over from a %T: %w", last, http.ErrNotSupported)
	}
	return first, nil
}

// mayUpgrade reports false if it is known that no request that comes the same way as w can
// become a WebSocket. One over HTTP/2 cannot, but the client uses another connection.
func mayUpgrade(w http.ResponseWriter) bool {
	last := innermost(w)
	_, ok := last.(http.Hijacker)
	return ok || isServers(last)
}
