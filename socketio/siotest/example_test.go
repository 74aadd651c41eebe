package siotest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// Registering handlers is a function of the application, which its tests call as well.
func register(io *socketio.Server) {
	socketio.OnWithAck(io, "divide", func(_ context.Context, s *socketio.Socket, n socketio.Args2[int, int]) (int, error) {
		if n.B == 0 {
			return 0, &socketio.Error{Message: "division by zero"}
		}
		return n.A / n.B, s.Emit("divided", n.A)
	})
}

func ExampleNew() { //nolint:testableexamples // it shows a test
	test := func(t *testing.T) { // func TestDivide(t *testing.T)
		io := siotest.New(t, nil)
		register(io.Server)

		c := io.Connect(nil)
		n, err := socketio.As[int](c.EmitWithAck(t.Context(), "divide", 42, 6))
		if err != nil || n != 7 {
			t.Errorf("got %d, %v", n, err)
		}
		_, err = c.EmitWithAck(t.Context(), "divide", 42, 0)
		if e, ok := errors.AsType[*socketio.Error](err); !ok || e.Message != "division by zero" {
			t.Errorf("got %v", err)
		}
	}
	_ = test
}

func ExampleReceive() { //nolint:testableexamples // it shows a test
	test := func(t *testing.T) {
		io := siotest.New(t, nil)
		register(io.Server)

		c := io.Connect(nil)
		if err := c.Emit("divide", 42, 6); err != nil {
			t.Fatal(err)
		}
		divided, err := siotest.Receive[int](t.Context(), c, "divided")
		if err != nil || divided != 42 {
			t.Errorf("got %d, %v", divided, err)
		}
	}
	_ = test
}
