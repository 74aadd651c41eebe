package socketio_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// joinSocket connects a client and returns the server's side of it as well.
func (s *testServer) joinSocket(tb testing.TB, transport, namespace string) (*client, *socketio.Socket) {
	tb.Helper()
	c := s.open(tb, transport)
	sid := c.connect(namespace, "")
	socket, ok := s.Of(namespace).Socket(sid)
	if !ok {
		tb.Fatalf("the server has no socket %s", sid)
	}
	return c, socket
}

// Names that may not be emitted: node-behaviour.md 1.8. Nothing is sent.
func TestReservedNames(t *testing.T) {
	s := serve(t, nil).echo()
	c, socket := s.joinSocket(t, "websocket", "/")
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		emitters := map[string]socketio.Emitter{
			"socket": socket, "volatile socket": socket.Volatile(), "server": s, "namespace": s.Of("/"), "room": s.To(socket.ID()),
		}
		for what, e := range emitters {
			if err := e.Emit(name, 1); !errors.Is(err, socketio.ErrReservedEvent) {
				t.Errorf("emitting %q to a %s gives %v", name, what, err)
			}
		}
		if _, err := socket.EmitWithAck(deadline(t), name); !errors.Is(err, socketio.ErrReservedEvent) {
			t.Errorf("emitting %q for an answer gives %v", name, err)
		}
		if _, err := s.EmitWithAck(deadline(t), name); !errors.Is(err, socketio.ErrReservedEvent) {
			t.Errorf("emitting %q for answers gives %v", name, err)
		}
		if err := s.ServerEmit(deadline(t), name); !errors.Is(err, socketio.ErrReservedEvent) {
			t.Errorf("emitting %q to servers gives %v", name, err)
		}
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, socketio.ErrReservedEvent) {
					t.Errorf("registering %q panics with %v", name, err)
				}
			}()
			socketio.On(s, name, func(context.Context, *socketio.Socket, int) error { return nil })
		}()
	}
	for _, name := range []string{"connection", "new_namespace"} { // RESERVED_EVENTS of the reference's namespaces
		if err := s.ServerEmit(deadline(t), name); !errors.Is(err, socketio.ErrReservedEvent) {
			t.Errorf("emitting %q to servers gives %v", name, err)
		}
		if _, err := s.ServerEmitWithAck(deadline(t), name); !errors.Is(err, socketio.ErrReservedEvent) {
			t.Errorf("emitting %q to servers for answers gives %v", name, err)
		}
	}
	c.sync()
	for _, name := range []string{"connection", "error", ""} {
		if err := socket.Emit(name); err != nil {
			t.Errorf("emitting %q: %v", name, err)
		}
	}
	c.expect(`2["connection"]`, `2["error"]`, `2[""]`)
}

// The way of an incoming event: catch-all handlers of the namespace, of the socket, middlewares of the namespace, of the socket, then the
// one handler. A handler of the socket takes the place of the namespace's.
func TestEventPath(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		var j journal
		note := func(line string) socketio.Handler {
			return socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
				j.add(line + " " + e.Name)
				return nil
			})
		}
		wrap := func(line string) socketio.Middleware {
			return func(next socketio.Handler) socketio.Handler {
				return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
					j.add(line + " " + e.Name)
					err := next.ServeEvent(ctx, e)
					j.add(line + " done")
					return err
				})
			}
		}
		s.Handle("a", note("namespace's handler:"))
		s.Handle("b", note("namespace's handler:"))
		s.Wrap(wrap("first middleware:"), wrap("second middleware:"))
		s.Wrap(wrap("third middleware:"))
		s.OnAny(note("namespace's catch-all:"))
		s.OnAny(note("another catch-all:"))
		c, socket := s.joinSocket(t, transport, "/")
		socket.OnAny(note("socket's catch-all:"))
		socket.Wrap(wrap("socket's middleware:"))
		socket.Handle("b", note("socket's handler:"))

		c.send(`2["b"]`)
		want := []string{
			"namespace's catch-all: b", "another catch-all: b", "socket's catch-all: b",
			"first middleware: b", "second middleware: b", "third middleware: b", "socket's middleware: b",
			"socket's handler: b",
			"socket's middleware: done", "third middleware: done", "second middleware: done", "first middleware: done",
		}
		j.expect(t, want...)
		c.send(`2["a"]`)
		more := slices.Clone(want)
		for i, line := range more {
			if event, ok := strings.CutSuffix(line, " b"); ok {
				more[i] = strings.Replace(event, "socket's handler", "namespace's handler", 1) + " a"
			}
		}
		want = append(want, more...)
		j.expect(t, want...)

		socket.Handle("b", nil)
		s.Handle("b", nil)
		c.send(`2["b"]`)
		want = append(want, slices.DeleteFunc(slices.Clone(want[:12]), func(l string) bool { return l == "socket's handler: b" })...)
		j.expect(t, want...)
	})
}

// Each middleware is called once when it is installed, also if others are installed at the same time, and what it returns once for each event.
func TestMiddlewaresAreBuiltOnce(t *testing.T) {
	s, c, socket := pair(t, nil)
	const n = 8
	var built, called [2 * n]atomic.Int32
	count := func(i int) socketio.Middleware {
		return func(next socketio.Handler) socketio.Handler {
			built[i].Add(1)
			return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
				called[i].Add(1)
				return next.ServeEvent(ctx, e)
			})
		}
	}
	s.Wrap()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { s.Wrap(count(i)) })
		wg.Go(func() { socket.Wrap(count(n+i), func(next socketio.Handler) socketio.Handler { return next }) })
	}
	wg.Wait()
	socketio.On(s, "x", func(context.Context, *socketio.Socket, socketio.None) error { return nil })
	answer(t, c, "x")
	answer(t, c, "x")
	for i := range built {
		if b, c := built[i].Load(), called[i].Load(); b != 1 || c != 2 {
			t.Errorf("middleware %d was built %d times, and called %d times for 2 events", i, b, c)
		}
	}
}

// A middleware may refuse an event. The client is told only if it waits for an acknowledgement, and stays connected.
func TestMiddlewareRefuses(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		got := &seen{}
		s.Handle("secret", got)
		s.Wrap(func(next socketio.Handler) socketio.Handler {
			return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
				if e.Name == "secret" {
					return &socketio.Error{Message: "forbidden", Data: 7}
				}
				return next.ServeEvent(ctx, e)
			})
		})
		c := s.join(t, transport)
		c.run(`> 2["secret"]`, "sync", `> 25["secret"]`, `< 35[{"error":{"message":"forbidden","data":7}}]`, "sync")
		if len(got.names) > 0 {
			t.Error("the handler was called")
		}
	})
}

// Disconnect leaves one namespace; with true it sends a DISCONNECT for every namespace of the client and then closes the connection.
func TestDisconnect(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		bye := new(goodbyes).watch(s.Namespace, s.Of("/a"), s.Of("/b"))
		c := s.open(t, transport)
		c.connect("/", "")
		a := c.connect("/a", "")
		b := c.connect("/b", "")
		socket, _ := s.Of("/a").Socket(a)
		_ = socket.Emit("last")
		socket.Disconnect(false)
		socket.Disconnect(false)
		c.run(`< 2/a,["last"]`, `< 1/a,`, "sync")
		bye.expect(t, "/a: server namespace disconnect")

		socket, _ = s.Of("/b").Socket(b)
		_ = socket.Emit("last")
		socket.Disconnect(true)
		c.expect(`2/b,["last"]`)
		left := []string{c.next(), c.next()}
		if slices.Sort(left); !slices.Equal(left, []string{"1", "1/b,"}) {
			t.Errorf("the client was sent %q", left)
		}
		c.expectClosed()
		bye.expect(t, "/a: server namespace disconnect", "/: server namespace disconnect", "/b: server namespace disconnect")
	})
}

// A socket that has disconnected joins nothing, emits nothing and is found nowhere.
func TestAfterDisconnect(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		gone := make(chan *socketio.Socket, 1)
		s.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) { gone <- s })
		c, socket := s.joinSocket(t, transport, "/")
		socket.Join("before")
		c.send("1")
		if await(t, "the end of the socket", gone) != socket {
			t.Error("another socket disconnected")
		}
		socket.Join("after")
		if err := s.JoinAll(deadline(t), "after"); err != nil {
			t.Error(err)
		}
		if rooms := socket.Rooms(); !slices.Equal(rooms, []string{socket.ID(), "before"}) {
			t.Errorf("its rooms were %q", rooms)
		}
		for _, room := range []string{"before", "after", socket.ID()} {
			if found, err := s.To(room).FetchSockets(deadline(t)); len(found) > 0 || err != nil {
				t.Errorf("room %s has %d sockets (%v)", room, len(found), err)
			}
		}
		if _, err := socket.EmitWithAck(deadline(t), "x"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("asking gives %v", err)
		}
		if err := socket.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("emitting gives %v", err)
		}
		if err := socket.Volatile().Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("emitting gives %v", err)
		}
		if socket.Connected() || socket.Context().Err() == nil {
			t.Error("it says that it is connected")
		}
		socket.Disconnect(false)
		c.connect("/", "")
		c.sync()
	})
}

// A handler's context ends when its socket disconnects, and the socket's disconnect functions wait for the handler.
func TestHandlerContext(t *testing.T) {
	for name, leave := range map[string]func(c *client, s *socketio.Socket){
		"client leaves":      func(c *client, _ *socketio.Socket) { c.send("1") },
		"connection ends":    func(c *client, _ *socketio.Socket) { c.close() },
		"server disconnects": func(_ *client, s *socketio.Socket) { s.Disconnect(false) },
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				var j journal
				running := make(chan struct{})
				s.Handle("wait", socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
					close(running)
					<-ctx.Done()
					if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), context.Canceled) {
						t.Errorf("the context's error is %v", ctx.Err())
					}
					if err := e.Ack(1); !errors.Is(err, socketio.ErrDisconnected) {
						t.Errorf("acknowledging gives %v", err)
					}
					j.add("handler")
					return ctx.Err()
				}))
				s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { j.add("disconnect") })
				c, socket := s.joinSocket(t, transport, "/")
				c.send(`25["wait"]`)
				await(t, "the handler", running)
				leave(c, socket)
				j.expect(t, "handler", "disconnect")
			})
		})
	}
}

// A socket disconnects exactly once, whoever ends it and however often.
func TestDisconnectsOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		var bye goodbyes
		bye.watch(s.Namespace)
		const n = 20
		for range n {
			c, socket := s.joinSocket(t, transport, "/")
			go c.sendRaw("41")
			go c.close()
			go socket.Disconnect(true)
			go socket.Disconnect(false)
			go func() { _ = s.To(socket.ID()).DisconnectSockets(context.Background(), false) }()
		}
		eventually(t, "all sockets disconnect", func() bool { return len(bye.list()) >= n })
		shutdown(t, s)
		if got := len(bye.list()); got != n {
			t.Errorf("%d sockets disconnected %d times", n, got)
		}
	})
}
