package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		if !strings.Contains(line, "stack=") && len(line) > 500 || len(line) > 16<<10 {
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

// Of what a client writes no line of the log has more than 200 bytes in one place, at whatever level and in whoever's error.
func TestTextsOfClientsAreCut(t *testing.T) {
	log := &logBuffer{}
	s := serve(t, &socketio.Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}).echo()
	logger := slog.New(slog.NewTextHandler(log, nil))
	s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		logger.Info("event", "event", e, "args", e.Args)
		return nil
	}))
	socketio.On(s, "time", func(context.Context, *socketio.Socket, time.Time) error { return nil })
	socketio.On(s, "fails", func(_ context.Context, _ *socketio.Socket, text string) error { return errors.New(text) })
	socketio.On(s, "panics", func(_ context.Context, _ *socketio.Socket, text string) error { panic(text) })
	s.Of("/guarded").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		return errors.New("no such token: " + auth.Token)
	})
	long := strings.Repeat("x", 1000)
	c := s.join(t, "websocket")
	for _, event := range []string{"time", "fails", "panics", long} {
		c.send(`2["`+event+`","`+long+`"]`, `2["`+event+`","`+long+`"]`)
	}
	c.sync()
	for _, m := range []string{`0/guarded,{"token":"` + long + `"}`, `0/` + long + `,`} {
		c.send(m)
		c.next()
	}
	c.send(long)
	c.expectClosed()
	if n := strings.Count(log.String(), "\n"); n < 20 {
		t.Errorf("only %d lines are logged:\n%s", n, log.String())
	}
	log.expectCut(t)
}

// Nor does the name of an event whose handler does not return.
func TestNameOfAStuckEventIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		s := serveInMemory(t, &socketio.Options{
			Logger:          slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			MaxPendingBytes: 1,
		})
		release := make(chan struct{})
		s.OnAny(socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
			<-release
			return nil
		}))
		c := s.join(t, "websocket")
		go c.send(`2["`+strings.Repeat("x", 1000)+`"]`, `2["another"]`)
		for range c.in { // until it is closed
		}
		close(release)
		synctest.Wait()
		if n := strings.Count(log.String(), "x... ("); n != 3 {
			t.Errorf("%d lines name the event:\n%s", n, log.String())
		}
		log.expectCut(t)
	})
}

// expectCut fails if some text of a client, which consists of one letter, is longer than may be.
func (l *logBuffer) expectCut(t *testing.T) {
	t.Helper()
	if found := regexp.MustCompile("x{201}").FindStringIndex(l.String()); found != nil {
		t.Errorf("more than 200 bytes: ...%.1500s", l.String()[max(found[0]-300, 0):])
	}
}

// Arguments that do not fit are the client's fault: they are counted, and a line for those who debug.
func TestBadArgumentsAreCounted(t *testing.T) {
	for name, send := range map[string]func(t *testing.T, s *siotest.Server){
		"an event": func(t *testing.T, s *siotest.Server) {
			t.Helper()
			c := s.Connect(nil)
			if err := c.Emit("number", "text"); err != nil {
				t.Fatal(err)
			}
			_, _ = c.EmitWithAck(t.Context(), "number", 1)
		},
		"an event to be acknowledged": func(t *testing.T, s *siotest.Server) {
			t.Helper()
			_, err := s.Connect(nil).EmitWithAck(t.Context(), "number", "text")
			if e, ok := errors.AsType[*socketio.Error](err); !ok || e.Message != "invalid argument 0" {
				t.Errorf("got %v", err)
			}
		},
		"the payload of a CONNECT": func(t *testing.T, s *siotest.Server) {
			t.Helper()
			s.Use(func(_ context.Context, s *socketio.Socket) error { return s.Auth(new(struct{ Token int })) })
			_, err := siotest.Connect(t.Context(), s.Handler, &siotest.Options{Auth: map[string]string{"token": "text"}})
			if e, ok := errors.AsType[*siotest.ConnectError](err); !ok || e.Message != "invalid argument 0" {
				t.Errorf("got %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := loggingAt(t, slog.LevelDebug)
			socketio.On(s, "number", func(context.Context, *socketio.Socket, int) error { return nil })
			send(t, s)
			if n := s.Stats().BadArguments; n != 1 {
				t.Errorf("%d are counted", n)
			}
			if got := log.String(); strings.Count(got, "cannot unmarshal string") != 1 || strings.Contains(got, "level=WARN") {
				t.Errorf("logged: %s", got)
			}
		})
	}
}
