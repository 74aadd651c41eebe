package socketio_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// pair starts a server in memory and connects a client to it, which it returns with the server's side of it: for tests that look at neither
// packets nor transports.
func pair(tb testing.TB, opts *socketio.Options) (*siotest.Server, *siotest.Client, *socketio.Socket) {
	tb.Helper()
	s := siotest.New(tb, opts)
	c, socket := meet(tb, s)
	return s, c, socket
}

// meet connects one more client.
func meet(tb testing.TB, s *siotest.Server) (*siotest.Client, *socketio.Socket) {
	tb.Helper()
	c := s.Connect(nil)
	socket, ok := s.Socket(c.ID())
	if !ok {
		tb.Fatalf("the server has no socket %s", c.ID())
	}
	return c, socket
}

// received returns the next event of a client.
func received(tb testing.TB, c *siotest.Client, event string) siotest.Event {
	tb.Helper()
	e, err := c.Receive(deadline(tb))
	if err != nil || e.Name != event {
		tb.Fatalf("the client got %q with %s (%v), want %q", e.Name, e.Args, err, event)
	}
	return e
}

// receivedAll fails the test unless the socket is connected and its client has received everything.
func receivedAll(tb testing.TB, c *siotest.Client, socket *socketio.Socket) {
	tb.Helper()
	if err := socket.Emit("the last one"); err != nil {
		tb.Error(err)
	}
	received(tb, c, "the last one")
}

// answer returns the answer to an event as JSON, that of an error included.
func answer(tb testing.TB, c *siotest.Client, event string, args ...any) string {
	tb.Helper()
	a, err := c.EmitWithAck(deadline(tb), event, args...)
	if _, told := errors.AsType[*socketio.Error](err); err != nil && !told {
		tb.Fatalf("%s: %v", event, err)
	}
	return a.String()
}

// raws are arguments in JSON, as a client wrote them.
func raws(texts ...string) (args []any) {
	for _, text := range texts {
		args = append(args, json.RawMessage(text))
	}
	return args
}

// invalid is the answer to an event with an argument that does not fit.
func invalid(i int) string { return `[{"error":{"message":"invalid argument ` + itoa(i) + `"}}]` }
