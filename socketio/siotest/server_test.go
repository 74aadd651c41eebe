package siotest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/siotest"
)

var (
	_ socketio.Emitter = (*siotest.Client)(nil)
	_ socketio.Caller  = (*siotest.Client)(nil)
)

const (
	said socketio.EventOf[socketio.Args2[string, []byte]] = "said"
	add  socketio.CallOf[socketio.Args2[int, int], int]   = "add"
)

// What declares an event for the server serves its client, too.
func TestClientSpeaksTheTypesOfTheServer(t *testing.T) {
	io := siotest.New(t, nil)
	add.Handle(io, func(_ context.Context, s *socketio.Socket, n socketio.Args2[int, int]) (int, error) {
		if n.A < 0 {
			return 0, &socketio.Error{Message: "negative", Data: map[string]int{"a": n.A}}
		}
		return n.A + n.B, errors.Join(s.Emit("other", 1), said.Emit(s, socketio.Args2[string, []byte]{A: "sum", B: []byte{7}}))
	})
	socketio.OnWithAck(io, "odd", func(context.Context, *socketio.Socket, socketio.None) (any, error) {
		return map[string]any{"error": map[string]string{"text": "it has no message"}}, nil
	})
	said.Handle(io, func(_ context.Context, s *socketio.Socket, a socketio.Args2[string, []byte]) error {
		return said.Emit(s, a)
	})
	ctx := t.Context()
	c := io.Connect(nil)

	if n, err := add.Call(ctx, c, socketio.Args2[int, int]{A: 19, B: 23}); n != 42 || err != nil {
		t.Errorf("the sum is %d, %v", n, err)
	}
	if got, err := siotest.Receive(ctx, c, said); err != nil || got.A != "sum" || string(got.B) != "\x07" {
		t.Errorf("received %v, %v", got, err)
	}
	_, err := add.Call(ctx, c, socketio.Args2[int, int]{A: -1})
	refused, ok := errors.AsType[*socketio.Error](err)
	if !ok || refused.Message != "negative" || refused.Data.(map[string]any)["a"] != -1.0 {
		t.Errorf("the error is %#v", err)
	}
	if a, err := c.EmitWithAck(ctx, "odd"); err != nil || a.String() != `[{"error":{"text":"it has no message"}}]` {
		t.Errorf("what is no error is %s, %v", a, err)
	}
	if err := said.Emit(c, socketio.Args2[string, []byte]{A: "again", B: []byte{8}}); err != nil {
		t.Fatal(err)
	}
	if text, err := siotest.Receive[string](ctx, c, "said"); text != "again" || err != nil {
		t.Errorf("received %q, %v", text, err)
	}
	if err := c.Emit("said", "once more", []byte{9}); err != nil {
		t.Fatal(err)
	}
	if _, err := siotest.Receive[int](ctx, c, "said"); err == nil {
		t.Error("a text has been decoded into a number")
	}
	c.Close()
	if _, err := siotest.Receive[int](ctx, c, "said"); !errors.Is(err, siotest.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

// A server of a test, with its clients, ends with the test, in a bubble too, and middleware can be put around it.
func TestNewCleansUp(t *testing.T) {
	var io *siotest.Server
	test := func(t *testing.T) {
		t.Helper()
		io = siotest.New(t, &socketio.Options{Engine: engine.Options{PingInterval: time.Second}})
		requests := 0
		inner := io.Handler
		io.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests++; inner.ServeHTTP(w, r) })
		add.Handle(io, func(_ context.Context, _ *socketio.Socket, n socketio.Args2[int, int]) (int, error) { return n.A, nil })
		c := io.Connect(&siotest.Options{Query: map[string][]string{"a": {"b"}}})
		if n, err := add.Call(t.Context(), c, socketio.Args2[int, int]{A: 5}); n != 5 || err != nil || requests != 1 {
			t.Errorf("the answer is %d, %v, after %d requests", n, err, requests)
		}
	}
	for name, run := range map[string]func(*testing.T){
		"plain":  func(t *testing.T) { test(t) },
		"bubble": func(t *testing.T) { synctest.Test(t, test) },
	} {
		t.Run(name, run)
		if err := io.Emit("x"); !errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("%s: after the test the server returns %v", name, err)
		}
	}
}

// Args can be made for handlers that are called by a test.
func TestNewArgs(t *testing.T) {
	a, err := socketio.NewArgs("x", []byte{1}, map[string]int{"n": 2})
	if err != nil {
		t.Fatal(err)
	}
	got, err := socketio.As[socketio.Args3[string, []byte, map[string]int]](a, nil)
	if err != nil || got.A != "x" || string(got.B) != "\x01" || got.C["n"] != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := socketio.NewArgs(make(chan int)); err == nil {
		t.Error("a channel has been encoded")
	}
}

// report is a test that fails without ending the one that looks.
type report struct {
	testing.TB

	failed string
}

func (r *report) Fatal(args ...any) {
	r.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

// A client that the server refuses ends the test that wants it, with the reason.
func TestConnectOfARefusedClient(t *testing.T) {
	r := &report{TB: t}
	io := siotest.New(r, nil)
	io.Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "not today"} })
	var ended sync.WaitGroup
	ended.Go(func() { io.Connect(nil) })
	ended.Wait()
	if !strings.Contains(r.failed, "not today") {
		t.Errorf("the test has failed with %q", r.failed)
	}
}

// The server of a test writes its log to the test, unless it has a logger.
func TestNewLogs(t *testing.T) {
	var own, output bytes.Buffer
	for _, logger := range []*slog.Logger{nil, slog.New(slog.NewTextHandler(&own, nil))} {
		tb := &outputOf{TB: t, w: &output}
		io := siotest.New(tb, &socketio.Options{Logger: logger})
		socketio.On(io, "connection", func(context.Context, *socketio.Socket, socketio.None) error { return nil })
	}
	for name, log := range map[string]string{"the test's": output.String(), "the application's": own.String()} {
		if n := strings.Count(log, "OnConnect"); n != 1 {
			t.Errorf("%s log has %d lines about it, want 1: %s", name, n, log)
		}
	}
}

// outputOf is a test that writes elsewhere.
type outputOf struct {
	testing.TB

	w io.Writer
}

func (o *outputOf) Output() io.Writer { return o.w }
