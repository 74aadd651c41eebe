package socketio

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A socket that becomes connected while it is being closed keeps the names of its rooms.
func TestCloseWhileConnecting(t *testing.T) {
	srv := NewServer(nil)
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	s := &newBareConn(srv).first
	s.state.Store(uint32(stateConnecting))
	closed := make(chan struct{})
	s.mu.Lock() // from here on it is as if the guards passed just when the client goes away
	go func() {
		defer close(closed)
		s.close(ClientNamespaceDisconnect, nil)
	}()
	for end := time.Now().Add(time.Minute); !closing(); runtime.Gosched() {
		if time.Now().After(end) {
			s.mu.Unlock()
			t.Fatal("close does not wait for the lock")
		}
	}
	s.state.Store(uint32(stateConnected))
	srv.adapter.Join((*peer)(s))
	srv.adapter.Join((*peer)(s), "tenant")
	s.mu.Unlock()
	<-closed
	if rooms, want := s.Rooms(), []string{s.id, "tenant"}; !slices.Equal(rooms, want) {
		t.Errorf("the rooms are %q, want %q", rooms, want)
	}
}

// closing reports whether a goroutine waits for a lock in Socket.close.
func closing() bool {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, "(*Socket).close(") {
			return true
		}
	}
	return false
}

// A middleware is reached as soon as Wrap has returned, whatever other calls of Wrap are under way.
func TestMiddlewareIsReached(t *testing.T) {
	srv := NewServer(nil)
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	pass := func(next Handler) Handler { return next }
	event := &Event{Socket: &newBareConn(srv).first, Name: "x"}
	for range 2000 {
		n := &Namespace{server: srv}
		n.router.p.Store(&routes{})
		var others sync.WaitGroup
		for range 4 {
			others.Go(func() {
				for range 20 {
					n.Wrap(pass)
				}
			})
		}
		for range 20 {
			reached := false
			n.Wrap(func(next Handler) Handler {
				return HandlerFunc(func(ctx context.Context, e *Event) error {
					reached = true
					return next.ServeEvent(ctx, e)
				})
			})
			if err := n.dispatch(context.Background(), event); err != nil {
				t.Fatal(err)
			}
			if !reached {
				others.Wait()
				t.Fatal("a middleware was not reached")
			}
		}
		others.Wait()
	}
}

// What is registered while something else is being registered is kept, as the other is.
func TestRegistrationsThatOverlap(t *testing.T) {
	handler := func(mark func()) HandlerFunc {
		return func(context.Context, *Event) error { mark(); return nil }
	}
	for name, kind := range map[string]struct {
		add func(r *routes, mark func())
		run func(*routes)
	}{
		"guards": {
			func(r *routes, mark func()) {
				r.guards = append(r.guards, func(context.Context, *Socket) error { mark(); return nil })
			},
			func(r *routes) {
				for _, fn := range r.guards {
					_ = fn(t.Context(), nil)
				}
			},
		},
		"catch-alls": {
			func(r *routes, mark func()) { r.catchAll = append(r.catchAll, handler(mark)) },
			func(r *routes) {
				for _, h := range r.catchAll {
					_ = h.ServeEvent(t.Context(), nil)
				}
			},
		},
		"connect functions": {
			func(r *routes, mark func()) {
				r.connect = append(r.connect, func(context.Context, *Socket) error { mark(); return nil })
			},
			func(r *routes) {
				for _, fn := range r.connect {
					_ = fn(t.Context(), nil)
				}
			},
		},
		"disconnect functions": {
			func(r *routes, mark func()) {
				r.disconnect = append(r.disconnect, func(context.Context, *Socket, Reason) { mark() })
			},
			func(r *routes) {
				for _, fn := range r.disconnect {
					fn(t.Context(), nil, "")
				}
			},
		},
		"outgoing catch-alls": {
			func(r *routes, mark func()) { r.outgoing = append(r.outgoing, func(string, Args) { mark() }) },
			func(r *routes) {
				for _, fn := range r.outgoing {
					fn("", Args{})
				}
			},
		},
	} {
		var r router
		for range 3 { // behind a list that has grown there is room for one more
			r.update(func(r *routes) { kind.add(r, func() {}) })
		}
		var first, second int
		overlapped := false
		r.update(func(n *routes) {
			if !overlapped {
				overlapped = true
				r.update(func(n *routes) { kind.add(n, func() { second++ }) })
			}
			kind.add(n, func() { first++ })
		})
		if kind.run(r.load()); first != 1 || second != 1 {
			t.Errorf("%s: called %d and %d times, want once each", name, first, second)
		}
	}
}
