//go:build !race

package socketio

import (
	"context"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Reading an event, finding its handler and calling it costs no allocation as long as nobody decodes the arguments.
func TestDispatchDoesNotAllocate(t *testing.T) {
	srv := NewServer(nil)
	defer func() {
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	handled := make(chan struct{}, 1)
	srv.Handle("event", HandlerFunc(func(context.Context, *Event) error {
		handled <- struct{}{}
		return nil
	}))
	srv.OnAny(HandlerFunc(func(context.Context, *Event) error { return nil }))
	srv.Wrap(func(next Handler) Handler { return next })
	c := newBareConn(srv)
	for name, message := range map[string]string{
		"event with an object":          `2["event",{"a":[1,2,3],"b":"text"},true]`,
		"event without arguments":       `2["event"]`,
		"event with an acknowledgement": `217["event",1]`,
	} {
		t.Run(name, func(t *testing.T) {
			m := engine.Message{Data: []byte(message)}
			allocs := testing.AllocsPerRun(2000, func() {
				c.OnMessage(nil, m)
				<-handled
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

// An argument costs its memory and no more, in whatever way it is decoded.
func TestTypedDispatchAllocatesTheArgument(t *testing.T) {
	type point struct{ X, Y int }
	srv := NewServer(nil)
	defer func() {
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	handled := make(chan point, 1)
	On(srv, "struct", func(_ context.Context, _ *Socket, p point) error {
		handled <- p
		return nil
	})
	On(srv, "string", func(_ context.Context, _ *Socket, s string) error {
		handled <- point{len(s), 0}
		return nil
	})
	c := newBareConn(srv)
	for message, want := range map[string]point{
		`2["struct",{"x":1,"y":2}]`: {1, 2},
		`2["string","four"]`:        {4, 0},
	} {
		m := engine.Message{Data: []byte(message)}
		allocs := testing.AllocsPerRun(2000, func() {
			c.OnMessage(nil, m)
			if got := <-handled; got != want {
				t.Errorf("%s gives %v", message, got)
			}
		})
		if allocs > 1 {
			t.Errorf("%s: %v allocations", message, allocs)
		}
	}
}
