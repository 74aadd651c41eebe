package socketio_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// An insider is an adapter that keeps a list of what is asked of it for each socket, and that does something, once, with a socket that is
// about to be added: others may have found it by then.
type insider struct {
	adapter.Adapter

	mu    sync.Mutex
	calls map[string][]string
	early func(id string)
}

func (in *insider) factory(h adapter.Host) adapter.Adapter {
	in.Adapter = adapter.NewMemory(h)
	in.calls = make(map[string][]string)
	return in
}

func (in *insider) note(p adapter.Peer, call string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.calls[p.ID()] = append(in.calls[p.ID()], call)
}

// of returns what was asked for the socket.
func (in *insider) of(id string) []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.calls[id])
}

func (in *insider) Join(p adapter.Peer, rooms ...string) {
	if len(rooms) > 0 {
		in.note(p, "join rooms")
		in.Adapter.Join(p, rooms...)
		return
	}
	in.mu.Lock()
	early := in.early
	in.early = nil
	in.mu.Unlock()
	if early != nil {
		early(p.ID())
	}
	in.note(p, "join")
	in.Adapter.Join(p)
}

func (in *insider) LeaveAll(p adapter.Peer) {
	in.note(p, "leave")
	in.Adapter.LeaveAll(p)
}

// An adapter is asked to forget the sockets that it was asked to keep, and no others, and a refused socket joins nothing.
func TestAdapterOfRefusedSockets(t *testing.T) {
	in := &insider{}
	s := serve(t, &socketio.Options{Adapter: in.factory})
	refused := make(chan *socketio.Socket, 1)
	first := true
	s.Use(func(_ context.Context, s *socketio.Socket) error {
		s.Join("room")
		if first {
			first = false
			refused <- s
			return errors.New("no")
		}
		return nil
	})
	bye := new(goodbyes).watch(s.Namespace)
	c := s.open(t, "websocket")
	c.run("> 0", `< 4{"message":"internal error"}`)
	socket := await(t, "the guard", refused)
	socket.Join("late")
	if calls := in.of(socket.ID()); len(calls) > 0 {
		t.Errorf("for the refused socket the adapter was asked to %q", calls)
	}
	id := c.connect("/", "")
	c.send("1")
	bye.expect(t, "/: client namespace disconnect")
	if calls := in.of(id); !slices.Equal(calls, []string{"join", "join rooms", "leave"}) {
		t.Errorf("for the other one the adapter was asked to %q", calls)
	}
}

// A socket is found before its adapter has added it. It keeps the rooms that it is made to join by then.
func TestJoinBeforeTheSocketIsAdded(t *testing.T) {
	in := &insider{}
	s := siotest.New(t, &socketio.Options{Adapter: in.factory})
	in.early = func(id string) {
		socket, ok := s.Socket(id)
		if !ok {
			t.Error("it is not found")
			return
		}
		socket.Join("a", "b")
		socket.Leave("b")
	}
	c, socket := meet(t, s)
	if rooms := socket.Rooms(); !slices.Equal(rooms, []string{socket.ID(), "a"}) {
		t.Errorf("it is in %q", rooms)
	}
	if err := s.To("a").Emit("x"); err != nil {
		t.Error(err)
	}
	received(t, c, "x")
	receivedAll(t, c, socket)
}

// hosted returns an observer of the beginning of sockets.
func hosted(f func(s *socketio.Socket)) socketio.Observer {
	return socketio.Observer{Connected: func(i socketio.ConnectedInfo) { f(i.Socket) }}
}

// A socket that is disconnected while it is connecting is reported to the client and to observers as connected first, and leaves nothing.
func TestDisconnectWhileEntering(t *testing.T) {
	for _, when := range []string{"before it is added", "by an observer"} {
		for _, closeConn := range []bool{false, true} {
			name := when
			if closeConn {
				name += ", with the connection"
			}
			t.Run(name, func(t *testing.T) {
				eachTransport(t, func(t *testing.T, transport string) { disconnectWhileEntering(t, transport, when, closeConn) })
			})
		}
	}
}

func disconnectWhileEntering(t *testing.T, transport, when string, closeConn bool) {
	t.Helper()
	in, w := &insider{}, &watcher{}
	var once sync.Once
	observer := hosted(func(s *socketio.Socket) {
		if when == "by an observer" {
			once.Do(func() { s.Disconnect(closeConn) })
		}
	})
	s := serve(t, &socketio.Options{Adapter: in.factory, Observers: []socketio.Observer{w.observer(), observer}}).echo()
	if when == "before it is added" {
		in.early = func(id string) {
			if socket, ok := s.Socket(id); ok {
				socket.Disconnect(closeConn)
			}
		}
	}
	bye := new(goodbyes).watch(s.Namespace)
	c := s.open(t, transport)
	c.run("> 0", `< 0{"sid":"*"}`, "< 1")
	bye.expect(t, "/: server namespace disconnect")
	w.expect(t, "connect /", "disconnect / server namespace disconnect")
	if found, err := s.FetchSockets(deadline(t)); len(found) > 0 || err != nil || s.Len() > 0 {
		t.Errorf("%d sockets are left (%v)", len(found), err)
	}
	if closeConn {
		c.expectClosed()
		return
	}
	c.connect("/", "")
	c.sync()
}

// A client that is disconnected from all namespaces while it is connecting to two of them learns of both ends, whichever is the last,
// before its connection is closed.
func TestDisconnectWhileEnteringTwice(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		for _, last := range []string{"/", "/other"} {
			t.Run(last, func(t *testing.T) { disconnectWhileEnteringTwice(t, transport, last) })
		}
	})
}

func disconnectWhileEnteringTwice(t *testing.T, transport, last string) {
	t.Helper()
	arrived := make(chan *socketio.Socket, 2)
	let := map[string]chan struct{}{"/": make(chan struct{}), "/other": make(chan struct{})}
	observer := hosted(func(s *socketio.Socket) {
		arrived <- s
		<-let[s.Namespace().Name()]
	})
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{observer}})
	bye := new(goodbyes).watch(s.Namespace).watch(s.Of("/other"))
	c := s.open(t, transport)
	c.run("> 0", "> 0/other,")
	await(t, "a socket", arrived)
	await(t, "the other one", arrived).Disconnect(true)
	first := map[string]string{"/": "/other", "/other": "/"}[last]
	ends := map[string][]string{"/": {`< 0{"sid":"*"}`, "< 1"}, "/other": {`< 0/other,{"sid":"*"}`, "< 1/other,"}}
	close(let[first])
	c.run(ends[first]...)
	close(let[last])
	c.run(ends[last]...)
	c.expectClosed()
	bye.expect(t, "/: server namespace disconnect", "/other: server namespace disconnect")
}

// The disconnect functions run when the socket has left its rooms and its namespace and the observers have been told, also after a
// handler that ends at this very moment.
func TestDisconnectFunctionsComeLast(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		for range 50 {
			disconnectFunctionsComeLast(t, transport)
		}
	})
}

func disconnectFunctionsComeLast(t *testing.T, transport string) {
	t.Helper()
	type state struct {
		inRoom, told int
		listed       bool
	}
	var p partings
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{p.observer()}})
	states := make(chan state, 1)
	s.OnDisconnect(func(_ context.Context, socket *socketio.Socket, _ socketio.Reason) {
		found, err := s.To("room").Local().FetchSockets(context.Background())
		if err != nil {
			t.Error(err)
		}
		_, listed := s.Socket(socket.ID())
		states <- state{inRoom: len(found), told: len(p.list()), listed: listed}
	})
	running := make(chan struct{})
	s.Handle("x", socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
		e.Socket.Join("room")
		close(running)
		<-ctx.Done()
		return nil
	}))
	c := s.join(t, transport)
	c.run(`> 2["x"]`)
	await(t, "the handler", running)
	c.send("1")
	if got := await(t, "the end", states); got != (state{told: 1}) {
		t.Errorf("the disconnect functions see %+v", got)
	}
}

// A client that comes and goes while handlers run leaves a bounded number of sockets behind, and is let in again when they have ended.
func TestDisconnectedSocketsAreBounded(t *testing.T) {
	for limit, allowed := range map[int]int{0: 32, 1: 32, 40: 40} {
		t.Run("limit "+itoa(limit), func(t *testing.T) {
			s := serve(t, &socketio.Options{MaxNamespaces: limit})
			release := make(chan struct{})
			end := sync.OnceFunc(func() { close(release) })
			t.Cleanup(end)
			s.Handle("slow", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
				<-release
				return nil
			}))
			c := s.open(t, "websocket")
			for range allowed {
				c.connect("/", "")
				c.send(`2["slow"]`, "1")
			}
			c.run("> 0", `< 4{"message":"too many disconnected sockets are busy"}`)
			end()
			eventually(t, "the client is let in again", func() bool {
				c.send("0")
				return normalize(c.next()) == `0{"sid":"*"}`
			})
		})
	}
}

// Disconnecting a socket that has left already does nothing to the client's other namespaces.
func TestDisconnectAfterTheClientHasLeft(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		done := make(chan struct{})
		s.Of("/a").OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) {
			s.Disconnect(true)
			close(done)
		})
		c := s.join(t, transport, "/", "/a")
		c.send("1/a,")
		await(t, "the disconnect function", done)
		c.sync()
	})
}

// The handler of an event is not called any more once the socket has been disconnected on its way there.
func TestDisconnectBeforeTheHandler(t *testing.T) {
	leave := func(socket *socketio.Socket) { socket.Disconnect(false) }
	catchAll := socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		leave(e.Socket)
		return nil
	})
	middleware := func(next socketio.Handler) socketio.Handler {
		return socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
			leave(e.Socket)
			return next.ServeEvent(ctx, e)
		})
	}
	for name, set := range map[string]func(n *socketio.Namespace, s *socketio.Socket){
		"namespace's catch-all":  func(n *socketio.Namespace, _ *socketio.Socket) { n.OnAny(catchAll) },
		"socket's catch-all":     func(_ *socketio.Namespace, s *socketio.Socket) { s.OnAny(catchAll) },
		"namespace's middleware": func(n *socketio.Namespace, _ *socketio.Socket) { n.Wrap(middleware) },
		"socket's middleware":    func(_ *socketio.Namespace, s *socketio.Socket) { s.Wrap(middleware) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			called := false
			s.Handle("x", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
				called = true
				return nil
			}))
			bye := new(goodbyes).watch(s.Namespace)
			c, socket := s.joinSocket(t, "websocket", "/")
			set(s.Namespace, socket)
			c.run(`> 21["x"]`, "< 1")
			bye.expect(t, "/: server namespace disconnect") // after the event
			if called {
				t.Error("the handler was called")
			}
		})
	}
}
