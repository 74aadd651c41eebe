package socketio_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// Arguments and events are logged as what they are, not as bytes, and cut off if they are long.
func TestLogOfArgsAndEvents(t *testing.T) {
	s, c, socket := pair(t, nil)
	var text, structured logBuffer
	s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&text, nil)), slog.New(slog.NewJSONHandler(&structured, nil))} {
			log.Info("got", "args", e.Args, "event", e)
		}
		return nil
	}))
	socketio.OnWithAck(s, "x", func(context.Context, *socketio.Socket, socketio.None) (int, error) { return 1, nil })
	ask := func(args ...any) {
		if n, err := socketio.As[int](c.EmitWithAck(t.Context(), "x", args...)); n != 1 || err != nil {
			t.Fatalf("the answer is %d (%v)", n, err)
		}
	}
	ask("a b", map[string][]int{"n": {1, 2}}, []byte("blob"))
	for what, want := range map[string]string{
		"text":       `args="[\"a b\",{\"n\":[1,2]},{\"_placeholder\":true,\"num\":0}]" event.name=x event.args="[\"a b\",{\"n\":[1,2]},{\"_placeholder\":true,\"num\":0}]" event.socket=` + socket.ID() + ` event.ack=true`,
		"structured": `"event":{"name":"x","args":"`,
	} {
		got := text.String()
		if what == "structured" {
			got = structured.String()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: it is logged:\n%s\nwant\n%s", what, got, want)
		}
	}
	ask(strings.Repeat("ü", 100_000))
	if n := len(text.String()); n > 5000 || !strings.Contains(text.String(), "200004 bytes") {
		t.Errorf("the log has %d bytes: %.3000s", n, text.String())
	}
	if got := (socketio.Args{}).LogValue().String(); got != "[]" {
		t.Errorf("no arguments are %s", got)
	}
}

// Contexts that are derived from that of a socket cost no goroutine each, and end with it.
func TestContextsOfASocketCostNoGoroutine(t *testing.T) {
	_, c, socket := pair(t, nil)
	before := runtime.NumGoroutine()
	const count = 50
	var derived []context.Context
	for range count {
		ctx, cancel := context.WithTimeout(socket.Context(), time.Hour)
		defer cancel()
		derived = append(derived, ctx)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(socket.Context(), func() { close(stopped) })
	called := make(chan error, 1)
	context.AfterFunc(socket.Context(), func() { called <- socket.Context().Err() })
	if n := runtime.NumGoroutine() - before; n > count/2 {
		t.Errorf("%d contexts cost %d goroutines", count, n)
	}
	if !stop() || stop() {
		t.Error("what has been registered is not stopped, or twice")
	}
	ctx, cancel := context.WithCancel(socket.Context())
	cancel()
	<-ctx.Done()
	_ = c.Close()
	for _, ctx := range derived {
		await(t, "the end of a derived context", ctx.Done())
	}
	if err := await(t, "the function", called); err == nil {
		t.Error("it has been called before the end")
	}
	select {
	case <-stopped:
		t.Error("what has been stopped has been called")
	default:
	}
	late := make(chan struct{})
	context.AfterFunc(socket.Context(), func() { close(late) })
	await(t, "a function that is registered afterwards", late)
}
