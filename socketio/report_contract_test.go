package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// loggingAt returns a server whose log, from a level on, is kept.
func loggingAt(t *testing.T, level slog.Level, observers ...socketio.Observer) (*siotest.Server, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	return siotest.New(t, &socketio.Options{
		Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})),
		Observers: observers,
	}), log
}

// However many bad events a client sends, and whatever it writes in them, the log stays small.
func TestClientsCannotFillTheLog(t *testing.T) {
	s, log := loggingAt(t, slog.LevelInfo)
	long := strings.Repeat("long", 5_000)
	socketio.On(s, "number", func(context.Context, *socketio.Socket, int) error { return nil })
	socketio.On(s, "fails", func(_ context.Context, _ *socketio.Socket, text string) error { return errors.New("no: " + text) })
	socketio.On(s, "panics", func(_ context.Context, _ *socketio.Socket, text string) error { panic(text) })
	socketio.OnWithAck(s, "done", func(context.Context, *socketio.Socket, socketio.None) (int, error) { return 1, nil })
	c := s.Connect(nil)
	for range 100 {
		for _, event := range []string{"number", "fails", "panics", long} {
			if err := c.Emit(event, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := c.EmitWithAck(t.Context(), "done"); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 || !strings.Contains(log.String(), "suppressed=99") {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if !strings.Contains(line, "stack=") && len(line) > 2<<10 || len(line) > 16<<10 {
			t.Errorf("a line of %d bytes begins with %.200s", len(line), line)
		}
	}
}

// What a guard fails of is in the log, since the client learns only that it does; what it tells the client is not.
func TestErrorsOfGuardsAreLogged(t *testing.T) {
	s, log := loggingAt(t, slog.LevelInfo)
	var answer error
	s.Use(func(context.Context, *socketio.Socket) error { return answer })
	for _, answer = range []error{&socketio.Error{Message: "not today"}, errors.New("database down"), errors.New("database down")} {
		if c, err := siotest.Connect(t.Context(), s.Handler, nil); err == nil {
			c.Close()
			t.Fatal("the client has not been refused")
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "database down") {
		t.Errorf("logged: %s", got)
	}
}

// An event that nobody handles can be seen by who looks for it.
func TestEventWithoutAHandlerIsSeen(t *testing.T) {
	seen := make(chan socketio.HandledInfo, 2)
	s, log := loggingAt(t, slog.LevelDebug, socketio.Observer{Handled: func(i socketio.HandledInfo) { seen <- i }})
	socketio.On(s, "known", func(context.Context, *socketio.Socket, int) error { return nil })
	c := s.Connect(nil)
	for _, event := range []string{"known", "knwon"} {
		if err := c.Emit(event, 1); err != nil {
			t.Fatal(err)
		}
	}
	if i := <-seen; i.Event != "known" || i.Unhandled {
		t.Errorf("the observer is told of %+v", i)
	}
	if i := <-seen; i.Event != "knwon" || !i.Unhandled || i.Err != nil {
		t.Errorf("the observer is told of %+v", i)
	}
	if got := log.String(); strings.Count(got, "no handler") != 1 || !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "event=knwon") {
		t.Errorf("logged: %s", got)
	}
}
