package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// journal records what happens in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, strings.Join(want, ", "), func() bool { return len(j.read()) >= len(want) })
	if got := j.read(); !slices.Equal(got, want) {
		t.Errorf("what happened is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The order in which a socket connects: node-behaviour.md 1.4.
func TestConnectOrder(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		var j journal
		look := func(what string, s *socketio.Socket) {
			line := what
			if s.Connected() {
				line += " connected"
			}
			if _, ok := s.Namespace().Socket(s.ID()); ok {
				line += " listed"
			}
			if slices.Contains(s.Rooms(), s.ID()) {
				line += " own room"
			}
			if slices.Contains(s.Rooms(), "early") {
				line += " early room"
			}
			j.add(line)
		}
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Join("early")
			look("first guard:", s)
			return nil
		}, func(_ context.Context, s *socketio.Socket) error {
			look("second guard:", s)
			return nil
		})
		s.Use(func(_ context.Context, s *socketio.Socket) error {
			look("third guard:", s)
			return nil
		})
		s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			look("first connect:", s)
			return s.Emit("welcome")
		})
		s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			look("second connect:", s)
			return nil
		})
		s.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
			look("event:", e.Socket)
			return nil
		}))
		s.OnDisconnect(func(ctx context.Context, s *socketio.Socket, _ socketio.Reason) {
			if ctx.Err() != nil || s.Context().Err() == nil {
				t.Errorf("the context has ended (%v), or that of the socket has not", ctx.Err())
			}
			look("disconnect:", s)
		})
		c := s.join(t, transport)
		c.run(`< 2["welcome"]`, `> 2["x"]`)
		eventually(t, "the event", func() bool { return len(j.read()) == 6 })
		c.send("1")
		j.expect(t,
			"first guard: early room",
			"second guard: early room",
			"third guard: early room",
			"first connect: connected listed own room early room",
			"second connect: connected listed own room early room",
			"event: connected listed own room early room",
			"disconnect: own room early room",
		)
	})
}

// A client that goes away while the guards run leaves no trace: no connect, no disconnect.
func TestClosedWhileGuardsRun(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		entered, leave := make(chan *socketio.Socket, 1), make(chan struct{})
		s.Use(func(ctx context.Context, s *socketio.Socket) error {
			s.Join("room")
			entered <- s
			<-ctx.Done() // the guard learns that the client has gone
			<-leave
			return nil
		})
		var bye goodbyes
		bye.watch(s.Namespace)
		s.OnConnect(func(context.Context, *socketio.Socket) error {
			t.Error("the socket connected")
			return nil
		})
		c := s.open(t, transport)
		c.send("0")
		socket := await(t, "the guard", entered)
		c.sendRaw("1")
		eventually(t, "the connection ends", func() bool { return s.Stats().Connections == 0 })
		await(t, "the socket's end, which is a moment later", socket.Context().Done())
		close(leave)
		if err := socket.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("emitting to it gives %v", err)
		}
		sockets, err := s.FetchSockets(deadline(t))
		if len(sockets) != 0 || err != nil || s.Len() != 0 {
			t.Errorf("%d sockets are left (%v)", len(sockets), err)
		}
		shutdown(t, s)
		bye.expect(t)
	})
}

// shutdown ends the server before the test does, so that all of its goroutines have run.
func shutdown(t *testing.T, s *testServer) {
	t.Helper()
	if err := s.Shutdown(deadline(t)); err != nil {
		t.Errorf("shut down: %v\n%s", err, goroutines())
	}
}

// What a refused client is told: node-behaviour.md 1.11.
func TestGuardRefusals(t *testing.T) {
	type detail struct {
		Content string `json:"content"`
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"message", &socketio.Error{Message: "x"}, `{"message":"x"}`},
		{
			"message and data", &socketio.Error{Message: "not authorized", Data: detail{"retry later"}},
			`{"message":"not authorized","data":{"content":"retry later"}}`,
		},
		{"empty message", &socketio.Error{}, `{"message":""}`},
		{"wrapped", errors.Join(errors.New("details of ours"), &socketio.Error{Message: "x", Data: 1}), `{"message":"x","data":1}`},
		{"other errors are not told", errors.New("password of the database"), `{"message":"internal error"}`},
		{"data that cannot be encoded", &socketio.Error{Message: "x", Data: make(chan int)}, `{"message":"internal error"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				n := s.Of("/guarded")
				after := false
				n.Use(func(_ context.Context, s *socketio.Socket) error {
					s.Join("room")
					return tt.err
				}, func(context.Context, *socketio.Socket) error {
					after = true
					return nil
				})
				bye := new(goodbyes).watch(n)
				c := s.join(t, transport)
				c.run("> 0/guarded,", "< 4/guarded,"+tt.want, "sync")
				if sockets, err := n.FetchSockets(deadline(t)); len(sockets) > 0 || err != nil {
					t.Errorf("%d sockets (%v)", len(sockets), err)
				}
				if sockets, err := n.To("room").FetchSockets(deadline(t)); len(sockets) > 0 || err != nil {
					t.Errorf("%d sockets in the room (%v)", len(sockets), err)
				}
				shutdown(t, s)
				if after {
					t.Error("a guard ran after another had refused")
				}
				bye.expect(t)
			})
		})
	}
}

// A socket that has never been connected was in no rooms, whatever its guards have asked for.
func TestRoomsOfRefusedSockets(t *testing.T) {
	s := serve(t, nil).echo()
	sockets, release := make(chan *socketio.Socket, 1), make(chan error)
	s.Of("/guarded").Use(func(_ context.Context, socket *socketio.Socket) error {
		socket.Join("a", "b")
		socket.Leave("b")
		sockets <- socket
		return <-release
	})
	c := s.join(t, "websocket")
	c.send("0/guarded,")
	refused := await(t, "the guard", sockets)
	if got := refused.Rooms(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("while the guard runs the rooms are %q", got)
	}
	release <- &socketio.Error{Message: "no"}
	c.expect(`4/guarded,{"message":"no"}`)
	c.send("0/guarded,")
	given := await(t, "the guard", sockets)
	given.Disconnect(false)
	release <- nil
	c.run(`< 4/guarded,{"message":"disconnected"}`, "sync")
	for what, socket := range map[string]*socketio.Socket{"refused": refused, "disconnected": given} {
		if got := socket.Rooms(); len(got) > 0 {
			t.Errorf("a socket that was %s while it connected was in %q", what, got)
		}
	}
}

// Guards of a namespace run for each client and namespace; what one of them finds out is there in the handlers.
func TestGuardsOfEachNamespace(t *testing.T) {
	s := siotest.New(t, nil)
	var j journal
	key := socketio.NewKey[string]("user")
	for _, name := range []string{"/", "/a"} {
		n := s.Of(name)
		n.Use(func(_ context.Context, s *socketio.Socket) error {
			var auth struct{ User string }
			if err := s.Auth(&auth); err != nil {
				return err
			}
			key.Set(s, auth.User)
			return nil
		})
		n.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			j.add(s.Namespace().Name() + " " + key.Get(s))
			return nil
		})
	}
	s.Connect(&siotest.Options{Auth: map[string]string{"user": "u1"}})
	j.expect(t, "/ u1")
	s.Connect(&siotest.Options{Namespace: "/a", Auth: map[string]string{"user": "u2"}})
	j.expect(t, "/ u1", "/a u2")
}

// Guards that are added later do not concern a client whose guards run already.
func TestGuardsAddedWhileOthersRun(t *testing.T) {
	s := siotest.New(t, nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Use(func(context.Context, *socketio.Socket) error {
		close(entered)
		<-leave
		return nil
	})
	go func() {
		defer close(leave)
		<-entered
		s.Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "late"} })
	}()
	s.Connect(nil)
}

// The handshake: node-behaviour.md 1.9.
func TestHandshake(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		got := make(chan *socketio.Handshake, 1)
		s.OnConnect(func(_ context.Context, s *socketio.Socket) error {
			got <- s.Handshake()
			return nil
		})
		before := time.Now().Add(-time.Second)
		c := s.open(t, transport)
		c.connect("/", `{"token":"x","n":[1]}`)
		h := await(t, "the handshake", got)
		if h.Query.Get("EIO") != "4" || h.Query.Get("transport") != transport {
			t.Errorf("query is %v", h.Query)
		}
		if h.Address != "127.0.0.1" || h.Secure || h.CrossOrigin {
			t.Errorf("address %q, secure %t, cross origin %t", h.Address, h.Secure, h.CrossOrigin)
		}
		if h.Time.Before(before) || h.Time.After(time.Now()) {
			t.Errorf("time is %v", h.Time)
		}
		if want := "/socket.io/?EIO=4&transport=" + transport; h.URL != want {
			t.Errorf("URL is %q, want %q", h.URL, want)
		}
		if h.Header.Get("Host") != strings.TrimPrefix(s.url, "http://") {
			t.Errorf("headers are %v", h.Header)
		}
		if string(h.Auth) != `{"token":"x","n":[1]}` {
			t.Errorf("auth is %s", h.Auth)
		}
		checkHandshakeJSON(t, h)
	})
}

// checkHandshakeJSON compares the JSON of a handshake with the shape of the reference, and reads it back.
func checkHandshakeJSON(t *testing.T, h *socketio.Handshake) {
	t.Helper()
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var shape map[string]any
	if err := json.Unmarshal(raw, &shape); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"address": "127.0.0.1", "xdomain": false, "secure": false, "url": h.URL, "issued": float64(h.Time.UnixMilli()),
	} {
		if shape[key] != want {
			t.Errorf("%s is %v, want %v", key, shape[key], want)
		}
	}
	if headers, ok := shape["headers"].(map[string]any); !ok || headers["host"] == nil {
		t.Errorf("headers are %v", shape["headers"])
	}
	if query, ok := shape["query"].(map[string]any); !ok || query["EIO"] != "4" {
		t.Errorf("query is %v", shape["query"])
	}
	if auth, ok := shape["auth"].(map[string]any); !ok || auth["token"] != "x" {
		t.Errorf("auth is %v", shape["auth"])
	}
	if text, ok := shape["time"].(string); !ok || !strings.HasSuffix(text, "GMT+0000 (Coordinated Universal Time)") {
		t.Errorf("time is %v", shape["time"])
	}
	var back socketio.Handshake
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if back.URL != h.URL || back.Query.Get("EIO") != "4" || back.Header.Get("Host") != h.Header.Get("Host") || string(back.Auth) != string(h.Auth) {
		t.Errorf("read back it is %+v", back)
	}
}

// A client that sends no payload has an empty object for auth.
func TestHandshakeWithoutAuth(t *testing.T) {
	_, _, socket := pair(t, nil)
	auth := map[string]any{"left": "alone"}
	if err := socket.Auth(&auth); err != nil || len(auth) != 1 {
		t.Errorf("auth is %v (%v)", auth, err)
	}
	if string(socket.Handshake().Auth) != "{}" {
		t.Errorf("auth is %s", socket.Handshake().Auth)
	}
}
