package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// A point takes two arguments of an event, or stands for two.
type point struct{ x, y int }

func (p *point) UnmarshalArgs(a socketio.Args) error { return a.Bind(&p.x, &p.y) }
func (p point) MarshalArgs() []any                   { return []any{p.x, p.y} }

// A rest takes any number of arguments.
type rest []string

func (r *rest) UnmarshalArgs(a socketio.Args) error {
	for i := range a.Len() {
		*r = append(*r, string(a.Raw(i)))
	}
	return nil
}

// answerWith registers a handler that answers with what it was given, as text.
func answerWith[T any](r socketio.Registrar, event string) {
	socketio.OnWithAck(r, event, func(_ context.Context, _ *socketio.Socket, v T) (string, error) {
		return fmt.Sprintf("%+v", v), nil
	})
}

// What handlers can take, and what they make of the arguments that came.
func TestTypedHandlers(t *testing.T) {
	type address struct {
		City string `json:"city"`
		Zip  *int   `json:"zip"`
	}
	type person struct {
		Name    string
		Address address `json:"address"`
		Tags    []string
	}
	s, c, _ := pair(t, nil)
	answerWith[int](s, "int")
	answerWith[string](s, "string")
	answerWith[*int](s, "pointer")
	answerWith[[]float64](s, "floats")
	answerWith[person](s, "person")
	answerWith[map[string]any](s, "map")
	answerWith[any](s, "any")
	answerWith[json.Number](s, "number")
	answerWith[socketio.None](s, "none")
	answerWith[socketio.Args2[int, string]](s, "two")
	answerWith[socketio.Args3[int, string, bool]](s, "three")
	answerWith[point](s, "point")
	answerWith[*point](s, "pointer to point")
	answerWith[rest](s, "rest")
	socketio.OnWithAck(s, "turn", func(_ context.Context, _ *socketio.Socket, p point) (point, error) { return point{p.y, -p.x}, nil })
	socketio.OnWithAck(s, "raw", func(_ context.Context, _ *socketio.Socket, r json.RawMessage) (json.RawMessage, error) { return r, nil })
	for name, tt := range map[string]struct {
		event string
		args  []any
		want  string
	}{
		"int":                              {"int", raws("5"), `["5"]`},
		"further arguments are left alone": {"int", raws("5", `"x"`, "{}"), `["5"]`},
		"null is the zero value":           {"int", raws("null"), `["0"]`},
		"fraction for an int":              {"int", raws("1.5"), invalid(0)},
		"text for an int":                  {"int", raws(`"5"`), invalid(0)},
		"too large an int":                 {"int", raws("99999999999999999999"), invalid(0)},
		"missing int":                      {"int", nil, invalid(0)},
		"string":                           {"string", raws(`"\u00fc"`), `["ü"]`},
		"nil pointer":                      {"pointer", raws("null"), `["<nil>"]`},
		"floats":                           {"floats", raws("[1,2.5]"), `["[1 2.5]"]`},
		"struct":                           {"person", raws(`{"name":"a","address":{"city":"b"},"tags":["c"],"other":1}`), `["{Name:a Address:{City:b Zip:<nil>} Tags:[c]}"]`},
		"object for a list":                {"floats", raws("{}"), invalid(0)},
		"map":                              {"map", raws(`{"a":1}`), `["map[a:1]"]`},
		"any":                              {"any", raws(`[1,"x"]`), `["[1 x]"]`},
		"number":                           {"number", raws("12345678901234567890"), `["12345678901234567890"]`},
		"none":                             {"none", nil, `["{}"]`},
		"none, and there is one":           {"none", raws("1"), `["{}"]`},
		"two":                              {"two", raws("1", `"x"`), `["{A:1 B:x}"]`},
		"second of two is missing":         {"two", raws("1"), invalid(1)},
		"second of two does not fit":       {"two", raws("1", "2"), invalid(1)},
		"three":                            {"three", raws("1", `"x"`, "true"), `["{A:1 B:x C:true}"]`},
		"type that takes all arguments":    {"point", raws("1", "2"), `["{x:1 y:2}"]`},
		"pointer to it":                    {"pointer to point", raws("1", "2"), `["&{x:1 y:2}"]`},
		"pointer to it, null":              {"pointer to point", raws("null", "2"), `["&{x:0 y:2}"]`},
		"argument missing for the pointer": {"pointer to point", raws("1"), invalid(1)},
		"argument missing for it":          {"point", raws("1"), invalid(1)},
		"type that stands for several":     {"turn", raws("1", "2"), `[2,-1]`},
		"any number":                       {"rest", raws("1", `"x"`, "[]"), `["[1 \"x\" []]"]`},
		"any number, none":                 {"rest", nil, `["[]"]`},
		"undecoded":                        {"raw", raws(`{"a": [1]}`), `[{"a": [1]}]`},
		"binary for a text":                {"string", []any{[]byte("x")}, invalid(0)},
		"binary for an int":                {"int", []any{[]byte("x")}, invalid(0)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := answer(t, c, tt.event, tt.args...); got != tt.want {
				t.Errorf("the answer is %s, want %s", got, tt.want)
			}
			if got := answer(t, c, "string", "still there"); got != `["still there"]` {
				t.Errorf("afterwards the answer is %s", got)
			}
		})
	}
}

// An argument that does not fit is an ArgError for middlewares.
func TestArgError(t *testing.T) {
	s, c, _ := pair(t, nil)
	errs := make(chan error, 4)
	s.Wrap(func(next socketio.Handler) socketio.Handler {
		return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			err := next.ServeEvent(ctx, e)
			errs <- err
			return err
		})
	})
	answerWith[socketio.Args2[int, int]](s, "two")
	if err := errors.Join(c.Emit("two", 1), c.Emit("two", 1, "x")); err != nil {
		t.Fatal(err)
	}
	err := await(t, "the error", errs)
	e, ok := errors.AsType[*socketio.ArgError](err)
	if !ok || e.Event != "two" || e.Index != 1 || !errors.Is(err, socketio.ErrNoArgument) {
		t.Errorf("a missing argument is %#v", err)
	}
	err = await(t, "the error", errs)
	e, ok = errors.AsType[*socketio.ArgError](err)
	if _, cause := errors.AsType[*json.UnmarshalTypeError](err); !ok || e.Index != 1 || !cause || !strings.Contains(err.Error(), `"two"`) {
		t.Errorf("a wrong argument is %#v", err)
	}
}

// Args that a handler takes are its own: later events do not change them.
func TestArgsAreKept(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		var kept []socketio.Args
		socketio.On(s, "keep", func(_ context.Context, _ *socketio.Socket, a socketio.Args) error {
			kept = append(kept, a)
			return nil
		})
		s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
			kept = append(kept, e.Args.Clone())
			return nil
		}))
		c := s.join(t, transport)
		for i := range 50 {
			c.send(`51-["keep","text `+itoa(i)+`",{"_placeholder":true,"num":0}]`, bin("blob "+itoa(i)))
		}
		c.sync()
		if len(kept) < 100 {
			t.Fatalf("%d arguments were kept", len(kept))
		}
		for i := range 50 {
			for _, a := range kept[2*i : 2*i+2] {
				v, err := socketio.As[socketio.Args2[string, []byte]](a, nil)
				if err != nil || v.A != "text "+itoa(i) || string(v.B) != "blob "+itoa(i) {
					t.Fatalf("arguments %d are now %q, %q (%v)", i, v.A, v.B, err)
				}
			}
		}
	})
}

// A handler that waits for an answer while the client floods it with events gets the answer if there is room for the events before it. If
// not, its deadline ends the wait, and nothing is lost and the connection lives on.
func TestAckBehindEvents(t *testing.T) {
	for _, tt := range []struct {
		events   int
		answered bool
		first    bool // they come before the handler asks
	}{{8, true, false}, {100, false, false}, {8, true, true}, {100, false, true}} {
		t.Run(fmt.Sprintf("%d, first: %t", tt.events, tt.first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveInMemory(t, &socketio.Options{MaxPendingBytes: 4000}).echo()
				var handled int
				var err error
				begin := make(chan struct{})
				socketio.On(s, "ask", func(ctx context.Context, s *socketio.Socket, _ socketio.None) error {
					<-begin
					ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					_, err = s.EmitWithAck(ctx, "q")
					return nil
				})
				socketio.On(s, "n", func(_ context.Context, _ *socketio.Socket, n int) error {
					if n == handled {
						handled++
					}
					return nil
				})
				c := s.join(t, "websocket")
				c.send(`2["ask"]`)
				sent := make(chan struct{})
				send := func() {
					for i := range tt.events {
						c.send(`2["n",` + itoa(i) + `]`)
					}
					close(sent)
				}
				if tt.first {
					go send()
					synctest.Wait()
				}
				close(begin)
				id := c.question("q")
				if !tt.first {
					go send()
				}
				<-sent
				c.send("3" + id + "[]")
				c.sync()
				if handled != tt.events {
					t.Errorf("%d of %d events were handled in order", handled, tt.events)
				}
				if tt.answered != (err == nil) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the wait ended with %v", err)
				}
			})
		})
	}
}

// With the default options there is room for what a client has sent at once before its answer.
func TestAckBehindABurst(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		answer := make(chan error, 1)
		socketio.On(s, "ask", func(_ context.Context, s *socketio.Socket, _ socketio.None) error {
			_, err := s.EmitWithAck(deadline(t), "q")
			answer <- err
			return nil
		})
		c := s.join(t, transport)
		c.send(`2["ask"]`)
		id := c.question("q")
		c.send(append(slices.Repeat([]string{`2["tick"]`}, 4000), "3"+id+"[]")...)
		if err := await(t, "the answer", answer); err != nil {
			t.Error(err)
		}
		c.sync()
	})
}

// The time that a handler may take begins with its own event, not with that of the one before, for which others waited as well.
func TestPatienceBeginsWithEachEvent(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ends := make(chan socketio.DisconnectedInfo, 1)
				s := serveInMemory(t, &socketio.Options{
					MaxPendingBytes: 2000, HandlerPatience: 5 * time.Minute,
					Observers: []socketio.Observer{{Disconnected: func(i socketio.DisconnectedInfo) { ends <- i }}},
				})
				s.Handle("slow", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
					time.Sleep(4 * time.Minute)
					return nil
				}))
				s.Handle("stuck", socketio.HandlerFunc(func(ctx context.Context, _ *socketio.Event) error {
					<-ctx.Done()
					return nil
				}))
				c := s.join(t, transport)
				go func() {
					c.send(`2["slow"]`, `2["slow"]`)
					for range 20 {
						c.send(`2["stuck"]`)
					}
				}()
				i := <-ends
				stuck, ok := errors.AsType[*socketio.StuckError](i.Err)
				if !ok || stuck.Event != "stuck" || stuck.Waited != 5*time.Minute {
					t.Errorf("it has ended with %v", i.Err)
				}
			})
		})
	}
}

// A handler that does not return loses, in the end, the client that sends it more than it takes. Who is to blame is told.
func TestStuckHandlerIsGivenUp(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ends := make(chan socketio.DisconnectedInfo, 1)
				s := serveInMemory(t, &socketio.Options{
					MaxPendingBytes: 1000, Engine: engine.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second},
					Observers: []socketio.Observer{{Disconnected: func(i socketio.DisconnectedInfo) { ends <- i }}},
				})
				bye := new(goodbyes).watch(s.Namespace)
				var ctxErr error
				s.Handle("stuck", socketio.HandlerFunc(func(ctx context.Context, _ *socketio.Event) error {
					<-ctx.Done()
					ctxErr = ctx.Err()
					return nil
				}))
				c := s.join(t, transport)
				go func() {
					for range 10 {
						c.send(`2["stuck"]`)
					}
				}()
				time.Sleep(5*time.Minute - time.Second)
				synctest.Wait()
				if got := bye.list(); len(got) > 0 {
					t.Fatalf("it ended early: %q", got)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := bye.list(); len(got) != 1 || got[0] != "/: forced close" || !errors.Is(ctxErr, context.Canceled) {
					t.Errorf("it ended with %q, the handler with %v", got, ctxErr)
				}
				if n := s.Stats().BadPackets; n != 0 {
					t.Errorf("%d packets of the client count as bad", n)
				}
				i := <-ends
				stuck, ok := errors.AsType[*socketio.StuckError](i.Err)
				if !ok || stuck.Event != "stuck" || stuck.Namespace != "/" || stuck.Socket != i.Socket.ID() || stuck.Waited != 5*time.Minute || i.Event != "stuck" {
					t.Errorf("the observer was told %+v", i)
				}
				if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "no event has been handled for 5m0s") {
					t.Errorf("it is not logged:\n%s", log)
				}
			})
		})
	}
}
