package socketio_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A middleware can change what an event's handler gets, its own arguments included.
func TestMiddlewareChangesArguments(t *testing.T) {
	runJS(t, []jsCase{{"all", func(t *testing.T, j *jsTest) {
		t.Helper()
		j.Wrap(func(next socketio.Handler) socketio.Handler {
			return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
				if e.Name != "say" {
					return next.ServeEvent(ctx, e)
				}
				before := e.Args
				var text string
				if err := e.Args.Decode(0, &text); err != nil {
					return err
				}
				if err := e.SetArgs(make(chan int)); err == nil || e.Args.Len() != before.Len() {
					t.Errorf("what cannot be encoded gives %v, and %d arguments", err, e.Args.Len())
				}
				if err := e.SetArgs(strings.ToUpper(text), []byte{7}, e.Args.Len()); err != nil {
					return err
				}
				if string(before.Raw(0)) != `"hello"` {
					t.Errorf("the arguments before are %s", before.Raw(0))
				}
				return next.ServeEvent(ctx, e)
			})
		})
		type said = socketio.Args3[string, []byte, int]
		socketio.OnWithAck(j, "say", func(_ context.Context, _ *socketio.Socket, a said) (said, error) { return a, nil })
		var got any
		j.eval(&got, `
			const s = await dial();
			return await new Promise((resolve) => s.emit("say", "hello", 2, (text, bin, n) => resolve([text, bin.length === 1 && (bin[0] ?? new Uint8Array(bin)[0]), n])))`)
		expectJSON(t, got, `["HELLO",7,2]`)
	}}})
}
