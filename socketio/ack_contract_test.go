package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

func itoa(i int) string { return strconv.Itoa(i) }

// question reads an event that the server wants acknowledged and returns the id.
func (c *client) question(event string) string {
	c.tb.Helper()
	m := c.next()
	id, _, ok := strings.Cut(strings.TrimPrefix(m, "2"), `["`+event+`"`)
	if _, err := strconv.Atoi(id); !ok || err != nil {
		c.tb.Fatalf("got %.300q, want %q with an id", m, event)
	}
	return id
}

type asked struct {
	args socketio.Args
	err  error
}

func ask(t *testing.T, to socketio.Caller, event string) <-chan asked {
	t.Helper()
	ctx := deadline(t)
	c := make(chan asked, 1)
	go func() {
		a, err := to.EmitWithAck(ctx, event)
		c <- asked{a, err}
	}()
	return c
}

// Answers of clients: node-behaviour.md 1.15.
func TestAckFromClient(t *testing.T) {
	for _, tt := range []struct{ name, data, attachment, want string }{
		{"no argument", `[]`, "", `[]`},
		{"one argument", `["a"]`, "", `["a"]`},
		{"two arguments", `[1,{"b":2}]`, "", `[1,{"b":2}]`},
		{"null", `[null]`, "", `[null]`},
		{"binary", `[{"_placeholder":true,"num":0},1]`, "xyz", `["eHl6",1]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				c, socket := s.joinSocket(t, transport, "/")
				answer := ask(t, socket, "q")
				id := c.question("q")
				if tt.attachment == "" {
					c.send("3" + id + tt.data)
				} else {
					c.send("61-"+id+tt.data, bin(tt.attachment))
				}
				got := await(t, "the answer", answer)
				if got.err != nil {
					t.Fatal(got.err)
				}
				values := make([]any, got.args.Len())
				for i := range values {
					if err := got.args.Decode(i, &values[i]); err != nil {
						t.Fatal(err)
					}
				}
				if raw, _ := json.Marshal(values); string(raw) != tt.want {
					t.Errorf("the answer is %s, want %s", raw, tt.want)
				}
				c.sync()
			})
		})
	}
}

// Acknowledgements that nobody waits for, or not any more, or from the wrong socket, are ignored.
func TestStrayAcks(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		c, socket := s.joinSocket(t, transport, "/")
		other, _ := s.joinSocket(t, transport, "/")
		answer := ask(t, socket, "q")
		id := c.question("q")
		other.run(`> 3`+id+`["foreign"]`, "sync")
		c.run(`> 39999["unknown"]`, "sync")
		c.run(`> 3`+id+`["right"] | 3`+id+`["again"]`, "sync")
		got := await(t, "the answer", answer)
		if text, err := socketio.As[string](got.args, got.err); text != "right" || err != nil {
			t.Errorf("the answer is %q (%v)", text, err)
		}

		ctx, cancel := context.WithCancel(context.Background())
		late := make(chan error, 1)
		go func() {
			_, err := socket.EmitWithAck(ctx, "q")
			late <- err
		}()
		id = c.question("q")
		cancel()
		if err := await(t, "the end of the wait", late); !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that was given up ends with %v", err)
		}
		c.run(`> 3`+id+`["late"]`, "sync")
	})
}

// Ids of acknowledgements are unique in a namespace, for emits to one and to many.
func TestAckIDs(t *testing.T) {
	s := serve(t, nil)
	c, socket := s.joinSocket(t, "websocket", "/")
	ids := map[string]bool{}
	for i := range 20 {
		if i%2 == 0 {
			ask(t, socket, "q")
		} else {
			go func() { _, _ = s.EmitWithAck(deadline(t), "q") }()
		}
		ids[c.question("q")] = true
	}
	if len(ids) != 20 {
		t.Errorf("20 events had %d different ids", len(ids))
	}
	c.close()
}

// The reference never calls back if the client disconnects before it has answered.
func TestFaultAcksFailOnDisconnect(t *testing.T) {
	for name, leave := range map[string]func(c *client, s *socketio.Socket){
		"client leaves":      func(c *client, _ *socketio.Socket) { c.send("1") },
		"connection ends":    func(c *client, _ *socketio.Socket) { c.close() },
		"server disconnects": func(_ *client, s *socketio.Socket) { s.Disconnect(false) },
		"malformed packet":   func(c *client, _ *socketio.Socket) { c.send("2[") },
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				c, socket := s.joinSocket(t, transport, "/")
				answer := ask(t, socket, "q")
				c.question("q")
				leave(c, socket)
				if got := await(t, "the end of the wait", answer); !errors.Is(got.err, socketio.ErrDisconnected) {
					t.Errorf("the wait ends with %v", got.err)
				}
			})
		})
	}
}

// The deadline of the context is the timeout.
func TestAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, socket := pair(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := socket.EmitWithAck(ctx, "q")
		late, ok := errors.AsType[*socketio.AckTimeoutError](err)
		if !ok || late.Event != "q" || late.Answers != 0 || !late.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %#v", err)
		}
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("it came after %v", waited)
		}
		received(t, c, "q")
	})
}

// answer makes a client acknowledge the next event with the data.
func (c *client) answer(event, data string) {
	c.tb.Helper()
	c.send("3" + c.question(event) + data)
}

type answered struct {
	all []socketio.Args
	err error
}

// askAll emits a question to many.
func askAll(ctx context.Context, to socketio.MultiCaller) <-chan answered {
	c := make(chan answered, 1)
	go func() {
		all, err := to.EmitWithAck(ctx, "q")
		c <- answered{all, err}
	}()
	return c
}

// Broadcasts with acknowledgements: node-behaviour.md 1.15.
func TestBroadcastAcks(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, s *testServer, clients [3]*client){
		"all answer": allAnswer, "one disconnects": oneDisconnects, "one is late": oneIsLate, "nobody is asked": nobodyIsAsked,
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				test(t, s, [3]*client{s.join(t, transport), s.join(t, transport), s.join(t, transport)})
			})
		})
	}
}

func allAnswer(t *testing.T, s *testServer, clients [3]*client) {
	t.Helper()
	asked := askAll(deadline(t), s)
	for i, data := range []string{`["a","b"]`, `[]`, `["c"]`} {
		clients[i].answer("q", data)
		clients[i].sync() // acknowledgements are handled in order with events
	}
	got := await(t, "the answers", asked)
	if got.err != nil || len(got.all) != 3 {
		t.Fatalf("%d answers (%v)", len(got.all), got.err)
	}
	for i, want := range []int{1, 0, 1} { // the first value counts
		if n := got.all[i].Len(); n != want {
			t.Errorf("answer %d has %d arguments, want %d", i, n, want)
		}
	}
}

func oneDisconnects(t *testing.T, s *testServer, clients [3]*client) {
	t.Helper()
	asked := askAll(deadline(t), s)
	clients[0].answer("q", `[true]`)
	clients[1].question("q")
	clients[2].answer("q", `[true]`)
	clients[1].close()
	got := await(t, "the answers", asked)
	if all, err := socketio.AllAs[bool](got.all, got.err); err != nil || len(all) != 2 || !all[0] || !all[1] {
		t.Errorf("answers are %v (%v)", all, err)
	}
}

func oneIsLate(t *testing.T, s *testServer, clients [3]*client) {
	t.Helper()
	ctx, cancel := context.WithCancel(deadline(t))
	asked := askAll(ctx, s)
	for i, data := range []string{`[1]`, `[2]`} {
		clients[i].answer("q", data)
		clients[i].sync()
	}
	id := clients[2].question("q")
	cancel()
	got := await(t, "the answers", asked)
	late, ok := errors.AsType[*socketio.AckTimeoutError](got.err)
	if !ok || late.Answers != 2 || late.Timeout() || !errors.Is(got.err, context.Canceled) {
		t.Errorf("the error is %#v", got.err)
	}
	if all, err := socketio.AllAs[int](got.all, nil); err != nil || len(all) != 2 || all[0] != 1 || all[1] != 2 {
		t.Errorf("the answers are %v (%v)", all, err)
	}
	clients[2].run("> 3"+id+"[3]", "sync")
}

func nobodyIsAsked(t *testing.T, s *testServer, clients [3]*client) {
	t.Helper()
	got := await(t, "the answers", askAll(context.Background(), s.To("nowhere")))
	if got.err != nil || len(got.all) != 0 {
		t.Errorf("%d answers (%v)", len(got.all), got.err)
	}
	clients[0].sync()
}

// Without a timeout the reference gives up after a millisecond. Here the default timeout applies.
func TestFaultBroadcastAckWithoutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, quick, _ := pair(t, &socketio.Options{AckTimeout: 7 * time.Second})
		slow, silent := s.Connect(nil), s.Connect(nil)
		start := time.Now()
		go func() {
			_ = received(t, quick, "q").Ack(1)
			time.Sleep(6 * time.Second)
			_ = received(t, slow, "q").Ack(2)
		}()
		all, err := socketio.AllAs[int](s.EmitWithAck(t.Context(), "q"))
		if waited := time.Since(start); waited != 7*time.Second {
			t.Errorf("it ended after %v", waited)
		}
		late, ok := errors.AsType[*socketio.AckTimeoutError](err)
		if !ok || late.Answers != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if len(all) != 2 || all[0] != 1 || all[1] != 2 {
			t.Errorf("the answers are %v", all)
		}
		received(t, silent, "q")
	})
}

// Who has set a deadline waits that long, whatever the default timeout is.
func TestBroadcastAckWithALongDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, quick, _ := pair(t, &socketio.Options{AckTimeout: 7 * time.Second})
		slow := s.Connect(nil)
		go func() {
			_ = received(t, quick, "q").Ack(1)
			time.Sleep(time.Minute)
			_ = received(t, slow, "q").Ack(2)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		all, err := socketio.AllAs[int](s.EmitWithAck(ctx, "q"))
		if err != nil || len(all) != 2 || all[0] != 1 || all[1] != 2 {
			t.Errorf("the answers are %v (%v)", all, err)
		}
	})
}

// An event that a typed handler has answered is not answered again, whatever the answer is and whoever tries.
func TestAnsweredOnce(t *testing.T) {
	answers := map[string]any{"string": "x", "number": 7, "bool": true, "raw": json.RawMessage("[1]"), "struct": struct{ A int }{1}, "nothing": nil}
	for _, later := range []bool{false, true} {
		t.Run("AckFunc before: "+strconv.FormatBool(later), func(t *testing.T) {
			s, c, socket := pair(t, nil)
			s.Wrap(func(next socketio.Handler) socketio.Handler {
				return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
					ack := e.Ack
					if later {
						ack = e.AckFunc()
					}
					if err := next.ServeEvent(ctx, e); err != nil {
						return err
					}
					if e.WantsAck() {
						t.Errorf("%s wants another answer", e.Name)
					}
					for _, again := range []func(...any) error{ack, e.Ack, e.AckFunc()} {
						if err := again("again"); !errors.Is(err, socketio.ErrAlreadyAcked) {
							t.Errorf("answering %s again gives %v", e.Name, err)
						}
					}
					return nil
				})
			})
			socketio.OnWithAck(s, "string", func(context.Context, *socketio.Socket, socketio.None) (string, error) { return "x", nil })
			socketio.OnWithAck(s, "number", func(context.Context, *socketio.Socket, socketio.None) (int, error) { return 7, nil })
			socketio.OnWithAck(s, "raw", func(context.Context, *socketio.Socket, socketio.None) (json.RawMessage, error) {
				return json.RawMessage("[1]"), nil
			})
			for _, name := range []string{"bool", "struct", "nothing"} {
				socketio.OnWithAck(s, name, func(context.Context, *socketio.Socket, socketio.None) (any, error) { return answers[name], nil })
			}
			for name, want := range answers {
				raw, err := json.Marshal(want)
				if err != nil {
					t.Fatal(err)
				}
				if got := answer(t, c, name); got != "["+string(raw)+"]" {
					t.Errorf("%s is answered with %s", name, got)
				}
			}
			receivedAll(t, c, socket)
		})
	}
}

// What a client is told that asked for an acknowledgement.
func TestAckToClient(t *testing.T) {
	s := serve(t, nil).echo()
	boom := func(context.Context, *socketio.Socket, socketio.None) (int, error) { panic("secret") }
	fail := func(err error) func(context.Context, *socketio.Socket, socketio.None) (int, error) {
		return func(context.Context, *socketio.Socket, socketio.None) (int, error) { return 0, err }
	}
	socketio.OnWithAck(s, "panic", boom)
	socketio.OnWithAck(s, "error", fail(errors.New("secret")))
	socketio.OnWithAck(s, "told", fail(&socketio.Error{Message: "quota", Data: map[string]int{"left": 0}}))
	socketio.OnWithAck(s, "wrapped", fail(errors.Join(errors.New("secret"), &socketio.Error{Message: "quota"})))
	socketio.OnWithAck(s, "none", func(context.Context, *socketio.Socket, socketio.None) (socketio.None, error) {
		return socketio.None{}, nil
	})
	socketio.OnWithAck(s, "two", func(context.Context, *socketio.Socket, socketio.None) (socketio.Args2[int, string], error) {
		return socketio.Args2[int, string]{A: 1, B: "x"}, nil
	})
	socketio.OnWithAck(s, "three", func(context.Context, *socketio.Socket, socketio.None) (socketio.Args3[int, []byte, any], error) {
		return socketio.Args3[int, []byte, any]{A: 1, B: []byte("b")}, nil
	})
	socketio.OnWithAck(s, "channel", func(context.Context, *socketio.Socket, socketio.None) (chan int, error) {
		return make(chan int), nil
	})
	socketio.On(s, "on", func(_ context.Context, _ *socketio.Socket, n int) error { return nil })
	s.Handle("twice", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		if err := e.Ack("first"); err != nil {
			return err
		}
		if e.WantsAck() {
			return errors.New("it wants another")
		}
		if err := e.Ack("second"); !errors.Is(err, socketio.ErrAlreadyAcked) {
			return err
		}
		return nil
	}))
	s.Handle("ack then error", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		_ = e.Ack("fine")
		return &socketio.Error{Message: "not told"}
	}))
	s.Handle("later", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		ack, same := e.AckFunc(), e.AckFunc()
		go func() {
			_ = ack("later")
			if err := same("again"); !errors.Is(err, socketio.ErrAlreadyAcked) {
				t.Errorf("acknowledging again gives %v", err)
			}
		}()
		return nil
	}))
	const internal = `[{"error":{"message":"internal error"}}]`
	runRows(t, s, []row{
		{"panic", []string{`> 21["panic"]`, `< 31` + internal, "sync"}},
		{"error", []string{`> 21["error"]`, `< 31` + internal, "sync"}},
		{"error for the client", []string{`> 21["told"]`, `< 31[{"error":{"message":"quota","data":{"left":0}}}]`}},
		{"wrapped error for the client", []string{`> 21["wrapped"]`, `< 31[{"error":{"message":"quota"}}]`}},
		{"error nobody waits for", []string{`> 2["told"]`, `> 2["panic"]`, `> 2["error"]`, "sync"}},
		{"no argument", []string{`> 21["none"]`, `< 31[]`}},
		{"two arguments", []string{`> 21["two"]`, `< 31[1,"x"]`}},
		{"three arguments with binary", []string{`> 21["three"]`, `< 61-1[1,{"_placeholder":true,"num":0},null]`, "< " + bin("b")}},
		{"On acknowledges without argument", []string{`> 21["on",5]`, `< 31[]`}},
		{"On does not acknowledge unasked", []string{`> 2["on",5]`, "sync"}},
		{"argument missing", []string{`> 21["on"]`, `< 31[{"error":{"message":"invalid argument 0"}}]`, "sync"}},
		{"argument of another type", []string{`> 21["on","x"]`, `< 31[{"error":{"message":"invalid argument 0"}}]`, "sync"}},
		{"argument that does not fit, nobody waits", []string{`> 2["on","x"]`, "sync"}},
		{"answer that cannot be encoded", []string{`> 21["channel"]`, `< 31` + internal, "sync"}},
		{"only the first counts", []string{`> 21["twice"]`, `< 31["first"]`, "sync"}},
		{"error after the answer", []string{`> 21["ack then error"]`, `< 31["fine"]`, "sync"}},
		{"after the handler", []string{`> 21["later"]`, `< 31["later"]`, "sync"}},
		{"no acknowledgement is sent unasked", []string{`> 2["two"]`, "sync"}},
	})
	if log := s.log.String(); !strings.Contains(log, "secret") || !strings.Contains(log, "ack_contract_test.go") {
		t.Errorf("the log does not name the errors and where the panic was:\n%.2000s", log)
	}
}
