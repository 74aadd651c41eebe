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
