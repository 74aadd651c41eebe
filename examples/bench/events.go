package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
)

// register adds the events of the contract.
func register(io *socketio.Server) {
	socketio.OnWithAck(io, "echo", func(_ context.Context, _ *socketio.Socket, data json.RawMessage) (json.RawMessage, error) {
		return data, nil
	})
	socketio.On(io, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	socketio.On(io, "pub", func(_ context.Context, _ *socketio.Socket, p socketio.Args2[string, parser.Raw]) error {
		return io.To(p.A).Emit("msg", p.B)
	})
	socketio.On(io, "wait", wait)
	socketio.On(io, "spin", spin)
	socketio.On(io, "burst", burst)
}

// wait is a handler that waits without saying so, as one does that asks a database.
func wait(_ context.Context, s *socketio.Socket, milliseconds int) error {
	if err := s.Emit("started"); err != nil {
		return err
	}
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	return nil
}

// spin is a handler that computes.
func spin(_ context.Context, _ *socketio.Socket, microseconds int) error {
	for start := time.Now(); time.Since(start) < time.Duration(microseconds)*time.Microsecond; {
	}
	return nil
}

// sequenceSize is the length of the number that a payload of a burst starts with.
const sequenceSize = 8

// burst is a handler that emits much at once.
func burst(_ context.Context, s *socketio.Socket, args socketio.Args2[int, int]) error {
	count, size := args.A, args.B
	if size < sequenceSize {
		return fmt.Errorf("bench: %d bytes are too few for a number", size)
	}
	rest := strings.Repeat("b", size-sequenceSize)
	for i := range count {
		if err := s.Emit("msg", fmt.Sprintf("%0*d", sequenceSize, i+1)+rest); err != nil {
			return err
		}
	}
	return nil
}
