package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// rooms notes what an observer is told of rooms.
func (w *watcher) rooms() socketio.Observer {
	sorted := func(rooms []string) string { return strings.Join(slices.Sorted(slices.Values(rooms)), ",") }
	return socketio.Observer{
		Joined: func(i socketio.JoinedInfo) { w.add("join " + sorted(i.Rooms)) },
		Left:   func(i socketio.LeftInfo) { w.add("leave " + sorted(i.Rooms)) },
	}
}

// Every joining and leaving is told once, whoever causes it, in order with the beginning and the end of the socket.
func TestObserversOfRooms(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		w := &watcher{}
		s := serve(t, &socketio.Options{Observers: []socketio.Observer{w.observer(), w.rooms()}}).echo()
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Join("guard", "guard")
			return nil
		})
		c, socket := s.joinSocket(t, transport, "/")
		socket.Join("a", "guard", socket.ID())
		socket.Leave("b", "guard")
		ctx := deadline(t)
		if err := errors.Join(s.To("a").JoinAll(ctx, "a", "c"), s.LeaveAll(ctx, "a"), s.JoinAll(ctx, "d")); err != nil {
			t.Error(err)
		}
		c.send("1")
		w.expect(t, "join guard", "connect /", "join a", "leave guard", "join c", "leave a", "join d", "leave c,d",
			"disconnect / client namespace disconnect")
		socket.Join("late")
		if n := len(w.read()); n != 9 {
			t.Errorf("after the end the observers were told %q", w.read()[9:])
		}
	})
}

// What another server does is told as well.
func TestObserversOfRoomsOfOtherServers(t *testing.T) {
	w := &watcher{}
	var hosts hostOf
	s := serve(t, &socketio.Options{Adapter: hosts.factory, Observers: []socketio.Observer{w.rooms()}})
	_, socket := s.joinSocket(t, "websocket", "/")
	host := hosts.host(t, "/")
	if _, ok := host.(adapter.RoomWatcher); !ok {
		t.Fatal("the host does not watch rooms")
	}
	peer, ok := host.Peer(socket.ID())
	if !ok {
		t.Fatal("no peer")
	}
	host.(adapter.RoomWatcher).Joined(peer, []string{"x"})
	w.expect(t, "join x")
}

// Nobody who does not ask for rooms pays for them.
func TestHostsDoNotWatchRoomsUnasked(t *testing.T) {
	var hosts hostOf
	serve(t, &socketio.Options{Adapter: hosts.factory, Observers: []socketio.Observer{{Connected: func(socketio.ConnectedInfo) {}}}})
	if _, ok := hosts.host(t, "/").(adapter.RoomWatcher); ok {
		t.Error("the host watches rooms")
	}
}

// Each namespace is told once.
func TestObserversOfNamespaces(t *testing.T) {
	var j journal
	var srv *socketio.Server
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{{NamespaceMade: func(i socketio.NamespaceMadeInfo) {
		srv = i.Namespace.Server()
		srv.Use() // it is ready
		j.add(i.Namespace.Name())
	}}}})
	for range 3 {
		s.Of("/a")
		s.Of("b")
		s.Of("/")
	}
	j.expect(t, "/", "/a", "/b")
	if srv != s.Server {
		t.Error("the namespace is of another server")
	}
}

// The end of each connection is told with its reason, whatever it was in, and logged.
func TestObserversOfConnections(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(t *testing.T, s *testServer, c *client)
		reason socketio.Reason
		is     error  // the detail, or
		text   string // a part of its text
	}{
		{"without a namespace", func(*testing.T, *testServer, *client) {}, socketio.ForcedClose, socketio.ErrConnectTimeout, ""},
		{"without a namespace and a word", func(_ *testing.T, _ *testServer, c *client) { c.close() }, socketio.TransportClose, nil, ""},
		{"attachments missing", func(_ *testing.T, _ *testServer, c *client) {
			c.connect("/", "")
			c.send(`51-["x",{"_placeholder":true,"num":0}]`)
		}, socketio.ForcedClose, socketio.ErrAttachmentTimeout, ""},
		{"a bad packet", func(_ *testing.T, _ *testServer, c *client) { c.send("7") }, socketio.ForcedClose, nil, "unknown packet type"},
		{"a packet too early", func(_ *testing.T, _ *testServer, c *client) { c.send(`2["x"]`) }, socketio.ForcedClose, nil, "not in"},
		{"a message too large", func(_ *testing.T, _ *testServer, c *client) {
			c.connect("/", "")
			c.send(`2["x","` + strings.Repeat("y", 1_000_001) + `"]`)
		}, socketio.TransportError, nil, "large"},
		{"disconnected", func(_ *testing.T, s *testServer, c *client) {
			c.connect("/", "")
			_ = s.DisconnectSockets(context.Background(), true)
		}, socketio.ForcedClose, nil, ""},
		{"shutdown", func(t *testing.T, s *testServer, c *client) {
			c.connect("/", "")
			shutdown(t, s)
		}, socketio.ServerShutdown, nil, ""},
		{"no pong", func(_ *testing.T, _ *testServer, c *client) {
			c.connect("/", "")
		}, socketio.PingTimeout, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ends := make(chan socketio.ClosedInfo, 2)
				log := &logBuffer{}
				s := serveInMemory(t, &socketio.Options{
					Observers: []socketio.Observer{{Closed: func(i socketio.ClosedInfo) { ends <- i }}},
					Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				c, err := s.dialClient("websocket")
				if err != nil {
					t.Fatal(err)
				}
				c.noPong = tt.reason == socketio.PingTimeout
				c.start()
				defer c.close()
				go tt.end(t, s, c)
				i := <-ends
				synctest.Wait()
				fits := errors.Is(i.Err, tt.is)
				if tt.text != "" {
					fits = i.Err != nil && strings.Contains(i.Err.Error(), tt.text)
				}
				if i.Reason != tt.reason || !fits {
					t.Errorf("the observer was told %q (%v)", i.Reason, i.Err)
				}
				if i.Conn == nil || len(ends) > 0 {
					t.Errorf("the connection is %v, and %d more ends were told", i.Conn, len(ends))
				}
				if text := log.String(); !strings.Contains(text, `level=DEBUG msg="socketio: connection closed"`) || !strings.Contains(text, `reason="`+string(tt.reason)) {
					t.Errorf("it is not logged:\n%s", text)
				}
			})
		})
	}
}

// A client that does not take what it is sent is told to the observer of slow consumers, before that of connections.
func TestObserversOfSlowConsumers(t *testing.T) {
	told := make(chan any, 4)
	s := serve(t, &socketio.Options{
		Engine: engine.Options{WriteTimeout: 200 * time.Millisecond, PingTimeout: time.Hour},
		Observers: []socketio.Observer{{
			SlowConsumer: func(i socketio.SlowConsumerInfo) { told <- i },
			Closed:       func(i socketio.ClosedInfo) { told <- i },
		}},
	})
	slowReader(t, s)
	eventually(t, "the socket", func() bool { return s.Len() == 1 })
	text := strings.Repeat("x", 1<<20)
	for range 20 {
		if err := s.Emit("flood", text); err != nil {
			t.Fatal(err)
		}
	}
	slow, ok := await(t, "the end", told).(socketio.SlowConsumerInfo)
	if !ok || slow.Conn == nil || !errors.Is(slow.Err, engine.ErrNoProgress) {
		t.Errorf("the observer was told %+v", slow)
	}
	if i, ok := await(t, "the end of the connection", told).(socketio.ClosedInfo); !ok || i.Reason != socketio.SlowConsumer || i.Conn != slow.Conn {
		t.Errorf("the observer was told %+v", i)
	}
}

// Observers that panic all the time cost no more than the panics: what is not logged is not made.
func TestPanicsOfObserversThatAreNotLoggedCostLittle(t *testing.T) {
	const count = 2000
	log := &logBuffer{}
	s := serve(t, &socketio.Options{
		Logger:    slog.New(slog.NewTextHandler(log, nil)),
		Observers: []socketio.Observer{{Emitted: func(socketio.EmittedInfo) { panic("it panicked") }}},
	})
	s.join(t, "websocket")
	emit := func(n int) (bytes uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			if err := s.Emit("x"); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	emit(1)
	if text := log.String(); !strings.Contains(text, "it panicked") || !strings.Contains(text, "observer_contract_test.go") {
		t.Errorf("the first panic is logged as %s", text)
	}
	if each := emit(count) / count; each > 3000 {
		t.Errorf("a panic that is not logged costs %d bytes", each) // a stack trace alone takes more
	}
	if n := strings.Count(log.String(), "it panicked"); n != 1 {
		t.Errorf("%d panics are logged", n)
	}
}

// The end of a socket is told with the event that was being handled, also by whom it was not ended.
func TestObserversAreToldWhatWasBeingHandled(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		w := &watcher{}
		running, told := make(chan struct{}), make(chan struct{})
		after := socketio.Observer{Disconnected: func(socketio.DisconnectedInfo) { close(told) }}
		s := serve(t, &socketio.Options{Observers: []socketio.Observer{w.observer(), after}})
		s.Handle("work", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
			close(running)
			<-told
			return nil
		}))
		c := s.join(t, transport)
		c.send(`2["work"]`, `2["next"]`)
		await(t, "the handler", running)
		c.send("1")
		w.expect(t, "connect /", "disconnect / client namespace disconnect during work", "event work 8", "event next 8")
	})
}
