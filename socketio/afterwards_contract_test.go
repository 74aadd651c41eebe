package socketio_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// What runs after a socket has disconnected can ask the other sockets, with the context that it gets.
func TestOnDisconnectHasALiveContext(t *testing.T) {
	s, leaving, _ := pair(t, nil)
	staying, other := meet(t, s)
	found, failed := make(chan int, 2), make(chan error, 2)
	s.OnDisconnect(func(ctx context.Context, s *socketio.Socket, _ socketio.Reason) {
		sockets, err := s.Namespace().FetchSockets(ctx)
		failed <- errors.Join(ctx.Err(), err)
		found <- len(sockets)
	})
	if err := leaving.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, "the disconnect function", failed); err != nil {
		t.Errorf("it cannot fetch sockets: %v", err)
	}
	if n := <-found; n != 1 {
		t.Errorf("it finds %d sockets, want 1", n)
	}
	receivedAll(t, staying, other)
}

// The context of the disconnect functions ends with that of Shutdown, which waits for them until then.
func TestShutdownEndsDisconnectFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := pair(t, nil)
		ended := make(chan time.Time, 1)
		s.OnDisconnect(func(ctx context.Context, _ *socketio.Socket, _ socketio.Reason) {
			<-ctx.Done()
			ended <- time.Now()
		})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returns %v", err)
		}
		if took := (<-ended).Sub(start); took != 10*time.Second {
			t.Errorf("the context has ended after %v", took)
		}
	})
}
