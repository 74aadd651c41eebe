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
