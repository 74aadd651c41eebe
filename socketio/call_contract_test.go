package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// lingering is an adapter that does not let a socket leave before the test says so.
type lingering struct {
	adapter.Adapter

	leave chan struct{}
}

func (l lingering) LeaveAll(p adapter.Peer) {
	<-l.leave
	l.Adapter.LeaveAll(p)
}

// A handler that waits for an answer with its own context learns that the client has gone, not that time is over.
func TestEmitWithAckInAHandlerOfALeavingSocket(t *testing.T) {
	for name, leave := range map[string]func(c *siotest.Client) error{
		"client leaves":   (*siotest.Client).Disconnect,
		"connection ends": (*siotest.Client).Close,
	} {
		t.Run(name, func(t *testing.T) {
			left := make(chan struct{})
			s, c, _ := pair(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
				return lingering{adapter.NewMemory(h), left}
			}})
			got := make(chan error, 1)
			socketio.On(s, "x", func(ctx context.Context, s *socketio.Socket, _ socketio.None) error {
				_, err := s.EmitWithAck(ctx, "q")
				got <- err
				close(left)
				return nil
			})
			if err := c.Emit("x"); err != nil {
				t.Fatal(err)
			}
			received(t, c, "q")
			_ = leave(c)
			if err := await(t, "the end of the wait", got); !errors.Is(err, socketio.ErrDisconnected) {
				t.Errorf("the wait ends with %v", err)
			}
		})
	}
}

// Without a deadline the answer of one client is awaited for AckTimeout, as those of many are.
func TestAckTimeoutOfOneSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, socket := pair(t, &socketio.Options{AckTimeout: 7 * time.Second})
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		for _, ask := range []func() (socketio.Args, error){
			func() (socketio.Args, error) { return socket.EmitWithAck(context.Background(), "q") },
			func() (socketio.Args, error) { return socket.Compress(false).EmitWithAck(socket.Context(), "q") },
			func() (socketio.Args, error) {
				call, err := socket.Call("q")
				if err != nil {
					return socketio.Args{}, err
				}
				return call.Wait(socket.Context())
			},
			func() (socketio.Args, error) { // nobody waits for it at first
				call, err := socket.Call("q")
				if err != nil {
					return socketio.Args{}, err
				}
				<-call.Done()
				return call.Wait(ctx)
			},
		} {
			_, err := ask()
			late, ok := errors.AsType[*socketio.AckTimeoutError](err)
			if !ok || late.Event != "q" || !late.Timeout() {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(start); took != 7*time.Second {
				t.Errorf("it took %v", took)
			}
			received(t, c, "q")
			start = time.Now()
		}
	})
}

// What a wait's own deadline allows counts, longer than AckTimeout or shorter, and ends the wait only.
func TestWaitHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, socket := pair(t, &socketio.Options{AckTimeout: 7 * time.Second})
		call, err := socket.Call("q")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, limit := range []time.Duration{time.Second, 20 * time.Second} {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			_, err := call.Wait(ctx)
			cancel()
			if late, ok := errors.AsType[*socketio.AckTimeoutError](err); !ok || !late.Timeout() {
				t.Errorf("the wait of %v ends with %v", limit, err)
			}
		}
		if took := time.Since(start); took != 21*time.Second {
			t.Errorf("the waits took %v", took)
		}
		if err := received(t, c, "q").Ack(5); err != nil {
			t.Fatal(err)
		}
		<-call.Done()
		for range 2 {
			if n, err := socketio.As[int](call.Wait(context.Background())); n != 5 || err != nil {
				t.Errorf("the answer is %d, %v", n, err)
			}
		}
	})
}

// A call ends with its socket, and one that cannot be made says why.
func TestCallEnds(t *testing.T) {
	_, c, socket := pair(t, &socketio.Options{MaxPendingAcks: 1})
	call, err := socket.Call("q")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Call("q"); !errors.Is(err, socketio.ErrTooManyAcks) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := socket.Call("connect"); !errors.Is(err, socketio.ErrReservedEvent) {
		t.Errorf("a reserved name: %v", err)
	}
	_ = c.Close()
	await(t, "the end of the call", call.Done())
	if _, err := call.Wait(deadline(t)); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("it ends with %v", err)
	}
	if _, err := socket.Call("q"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("afterwards: %v", err)
	}
}

// A handler asks and emits in order without waiting, as emit with a callback does on the Node.js server.
func TestJSCallsKeepTheirOrder(t *testing.T) {
	const ask socketio.CallOf[int, string] = "q"
	runJS(t, []jsCase{{"calls", func(t *testing.T, j *jsTest) {
		t.Helper()
		socketio.OnWithAck(j, "go", func(ctx context.Context, s *socketio.Socket, _ socketio.None) (int, error) {
			var calls []*socketio.Pending[string]
			for i := range 50 {
				call, err := ask.Start(s, i)
				if err != nil {
					return 0, err
				}
				calls = append(calls, call)
			}
			if err := s.Emit("end"); err != nil {
				return 0, err
			}
			for i, call := range calls {
				if got, err := call.Wait(ctx); got != fmt.Sprint("a", i) || err != nil {
					return i, fmt.Errorf("answer %d is %q: %w", i, got, err)
				}
			}
			return len(calls), nil
		})
		var got []any
		j.eval(&got, `
			const s = await dial(), all = [], acks = [];
			s.on("q", (n, ack) => { all.push(n); acks.push(() => ack("a" + n)); });
			s.on("end", () => { all.push("end"); acks.reverse().forEach((f) => f()); });
			const n = await s.emitWithAck("go");
			return [n, all.length, all.every((v, i) => i === 50 ? v === "end" : v === i)]`)
		expectJSON(t, got, `[50,51,true]`)
	}}})
}
