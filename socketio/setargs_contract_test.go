package socketio_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
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

// inflate is a middleware that puts a large argument in place of a small one, which it takes back from an event "less".
func inflate(next socketio.Handler) socketio.Handler {
	return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
		if err := e.SetArgs(strings.Repeat("y", 64<<10), make([]byte, 32<<10)); err != nil {
			return err
		}
		if e.Name == "less" {
			if err := e.SetArgs("y"); err != nil {
				return err
			}
		}
		return next.ServeEvent(ctx, e)
	})
}

// registrars are the ways in which an event is handled: in the queue of its socket, and beside it.
func registrars(s *testServer) map[string]socketio.Registrar {
	return map[string]socketio.Registrar{"in the queue": s.Server, "beside it": s.Concurrent(10)}
}

// What a middleware puts into an event counts as if the client had sent it: no other event is read while that is too much.
func TestArgumentsThatAreSetFillTheQueue(t *testing.T) {
	for event, stuck := range map[string]bool{"more": true, "less": false} {
		for _, where := range []string{"in the queue", "beside it"} {
			t.Run(event+", "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ends := make(chan socketio.ClosedInfo, 1)
					s := serveInMemory(t, &socketio.Options{
						MaxPendingBytes: 90 << 10, HandlerPatience: time.Minute,
						Observers: []socketio.Observer{{Closed: func(i socketio.ClosedInfo) { ends <- i }}},
					})
					s.Wrap(inflate)
					release := make(chan struct{})
					registrars(s)[where].Handle(event, socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
						<-release
						return nil
					}))
					c := s.join(t, "websocket")
					c.send(`2["` + event + `",1]`)
					synctest.Wait()
					go c.send(`2["another"]`)
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if ended := len(ends) > 0; ended != stuck {
						t.Errorf("the client of a handler that does not return is stuck: %v", ended)
					} else if ended {
						if i := <-ends; errors.As(i.Err, new(*socketio.StuckError)) == false {
							t.Errorf("it ended with %+v", i)
						}
					}
					close(release)
				})
			})
		}
	}
}

// It counts towards the budget of the server, which gets it back to the last byte.
func TestArgumentsThatAreSetCountTowardsTheBudget(t *testing.T) {
	for _, where := range []string{"in the queue", "beside it"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFiller(t, 500<<10)
				f.s.Wrap(inflate)
				r := registrars(f.s)[where]
				for _, event := range []string{"more", "less"} {
					r.Handle(event, socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
						<-f.release
						return nil
					}))
				}
				send := func(event string) (id string) {
					c := f.s.open(t, "websocket")
					id = c.connect("/", "")
					c.send(`2["`+event+`",1]`, `2["`+event+`",1]`)
					time.Sleep(2 * time.Second)
					synctest.Wait()
					return id
				}
				for range 10 {
					send("less")
				}
				if len(f.gone) > 0 {
					t.Fatalf("%q had to go for arguments that are small again", f.gone)
				}
				for range 10 { // all of it is given back
					close(f.release)
					synctest.Wait()
					f.release = make(chan struct{})
					send("more")
				}
				if len(f.gone) > 0 {
					t.Fatalf("%q had to go though only one client has events", f.gone)
				}
				for range 8 { // 96 KiB each, or twice as much beside the queue
					send("more")
				}
				if len(f.gone) < 3 || len(f.over) != len(f.gone) || !errors.Is(f.over[0].Err, engine.ErrInputBudget) {
					t.Errorf("%d clients had to go: %v", len(f.gone), f.over)
				}
				if slices.Contains(f.gone, send("less")) {
					t.Error("a client had to go that has next to nothing")
				}
				close(f.release)
			})
		})
	}
}
