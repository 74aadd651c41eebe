package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

func ignore(context.Context, *socketio.Socket, socketio.None) error { return nil }

// An event named "connection" is what users of the Node.js server register, and what no client sends.
func TestHandlerOfConnectionIsWarnedOf(t *testing.T) {
	s, log := loggingAt(t, slog.LevelInfo)
	_, socket := meet(t, s)
	for what, r := range map[string]socketio.Registrar{"server": s, "namespace": s.Of("/x"), "socket": socket} {
		before := len(log.String())
		socketio.On(r, "connection", ignore)
		if line := log.String()[before:]; strings.Count(line, "\n") != 1 || !strings.Contains(line, "level=WARN") || !strings.Contains(line, "OnConnect") {
			t.Errorf("%s: it is logged: %q", what, line)
		}
		before = len(log.String())
		r.Handle("connection", nil)
		socketio.On(r, "connections", ignore)
		if line := log.String()[before:]; line != "" {
			t.Errorf("%s: what is right is logged: %q", what, line)
		}
	}
}

// The panic for a reserved name says what to use.
func TestReservedNameSaysWhatToUse(t *testing.T) {
	s := siotest.New(t, nil)
	for event, method := range map[string]string{
		"connect": "OnConnect", "disconnect": "OnDisconnect", "disconnecting": "OnDisconnect", "connect_error": "Observer", "newListener": "another name",
	} {
		func() {
			defer func() {
				err, ok := recover().(error)
				if !ok || !errors.Is(err, socketio.ErrReservedEvent) || !strings.Contains(err.Error(), method) || !strings.Contains(err.Error(), event) {
					t.Errorf("%s: the panic is %v", event, err)
				}
			}()
			socketio.On(s, event, ignore)
		}()
	}
}

// What is asked of a server that has shut down is refused by one name.
func TestServerClosed(t *testing.T) {
	s, _, socket := pair(t, nil)
	found, err := s.FetchSockets(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("%d sockets, %v", len(found), err)
	}
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	_, asked := s.EmitWithAck(ctx, "x")
	_, fetched := s.To("r").FetchSockets(ctx)
	_, remote := found[0].EmitWithAck(ctx, "x")
	_, counted := s.ServerCount(ctx)
	_, servers := s.ServerEmitWithAck(ctx, "x")
	for i, err := range []error{
		s.Emit("x"), s.To("r").Emit("x"), s.To().Emit("x"), s.Of("/late").Emit("x"), found[0].Emit("x"), socket.Broadcast().Emit("x"),
		asked, fetched, remote, counted, servers,
		s.JoinAll(ctx, "r"), s.LeaveAll(ctx, "r"), s.DisconnectSockets(ctx, true), s.ServerEmit(ctx, "x"),
	} {
		if !errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("%s: the error is %v", fmt.Sprint("operation ", i), err)
		}
	}
	if err := socket.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("a socket: %v", err)
	}
}
