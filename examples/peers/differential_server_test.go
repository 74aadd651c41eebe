package peers_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// startOurs starts a server that does what the reference server of testdata/differential.js does.
func startOurs(t *testing.T) (url string) {
	t.Helper()
	io := socketio.NewServer(nil)
	s := scenario{}
	s.serve(io.Of("/"))
	s.serve(io.Of("/chat"))
	guarded := io.Of("/guarded")
	guarded.Use(func(_ context.Context, s *socketio.Socket) error {
		if token(s) == nil {
			return &socketio.Error{Message: "no token"}
		}
		return nil
	}, func(_ context.Context, s *socketio.Socket) error {
		if *token(s) != "right" {
			return &socketio.Error{Message: "wrong token", Data: map[string]any{"code": 401, "hint": []any{"é", nil}}}
		}
		s.Join("let in")
		return nil
	})
	s.serve(guarded)
	srv, url := serveHTTP(t, io)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(io.Shutdown(ctx), srv.Config.Shutdown(ctx)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		srv.Close()
	})
	return url
}

func token(s *socketio.Socket) *string {
	var auth struct{ Token *string }
	if err := s.Auth(&auth); err != nil {
		return nil
	}
	return auth.Token
}

// scenario are the handlers of a namespace.
type scenario struct{}

// seenEvents are the events that a socket has sent.
type seenEvents struct {
	mu    sync.Mutex
	names []string
}

var seenKey = socketio.NewKey[*seenEvents]("seen")

func (s scenario) serve(n *socketio.Namespace) {
	n.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		var auth json.RawMessage
		if err := s.Auth(&auth); err != nil {
			return err
		}
		var name struct{ Name *string }
		if err := s.Auth(&name); err != nil {
			return err
		}
		if name.Name == nil {
			name.Name = new("?")
		}
		nameKey.Set(s, *name.Name)
		seenKey.Set(s, new(seenEvents))
		query := s.Handshake().Query
		return s.Emit("welcome", auth, query.Get("x"), query.Get("transport"))
	})
	n.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
		_ = n.Emit("left", nameKey.Get(s), r) // there is no adapter that could fail
	})
	n.OnAny(socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		seen := seenKey.Get(e.Socket)
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if e.Name != "sync" {
			seen.names = append(seen.names, e.Name)
		}
		return nil
	}))
	s.single(n)
	s.rooms(n)
	s.many(n)
}

// single registers what concerns one client.
func (scenario) single(n *socketio.Namespace) {
	socketio.On(n, "echo", func(_ context.Context, s *socketio.Socket, a socketio.Args) error {
		return s.Emit("echo", a.MarshalArgs()...)
	})
	socketio.OnWithAck(n, "ack", func(_ context.Context, _ *socketio.Socket, a socketio.Args) (socketio.Args, error) { return a, nil })
	socketio.On(n, "42", func(_ context.Context, s *socketio.Socket, a socketio.Args) error {
		return s.Emit("number", a.MarshalArgs()...)
	})
	socketio.On(n, "sync", func(context.Context, *socketio.Socket, socketio.None) error { return nil })
	socketio.OnWithAck(n, "seen", func(_ context.Context, s *socketio.Socket, _ socketio.None) ([]string, error) {
		seen := seenKey.Get(s)
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return slices.Clone(seen.names), nil
	})
	socketio.On(n, "ask me", func(ctx context.Context, s *socketio.Socket, a socketio.Args) error {
		answer, err := s.EmitWithAck(ctx, "question", a.MarshalArgs()...)
		if err != nil {
			return err
		}
		return s.Emit("answered", answer.MarshalArgs()...)
	})
	socketio.On(n, "ask me in vain", func(ctx context.Context, s *socketio.Socket, _ socketio.None) error {
		ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
		defer cancel()
		_, err := s.EmitWithAck(ctx, "silence")
		return s.Emit("in vain", errors.Is(err, context.DeadlineExceeded))
	})
	socketio.OnWithAck(n, "handshake", func(_ context.Context, s *socketio.Socket, _ socketio.None) (*socketio.Handshake, error) {
		return s.Handshake(), nil
	})
	socketio.On(n, "burst", func(_ context.Context, s *socketio.Socket, n int) error {
		for i := range n {
			var v any = "text " + text(i)
			if i%5 == 0 {
				v = []byte{byte(i)}
			}
			if err := s.Emit("burst", i, v); err != nil {
				return err
			}
		}
		return nil
	})
	socketio.On(n, "kick me", func(_ context.Context, s *socketio.Socket, closeConn bool) error {
		err := s.Emit("last words", []byte("bye"))
		s.Disconnect(closeConn)
		return err
	})
}

// rooms registers what concerns the rooms of one client.
func (scenario) rooms(n *socketio.Namespace) {
	socketio.OnWithAck(n, "rooms", func(_ context.Context, s *socketio.Socket, _ socketio.None) ([]string, error) {
		rooms := slices.DeleteFunc(s.Rooms(), func(room string) bool { return room == s.ID() })
		slices.Sort(rooms)
		return append([]string{}, rooms...), nil
	})
	socketio.On(n, "join", func(_ context.Context, s *socketio.Socket, rooms []string) error {
		s.Join(rooms...)
		return nil
	})
	socketio.On(n, "leave", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Leave(room)
		return nil
	})
}

// choice selects sockets.
type choice struct {
	Rooms, Except   []string
	Local, Volatile bool
}

func (c choice) of(b socketio.Broadcast) socketio.Broadcast {
	if len(c.Rooms) > 0 {
		b = b.To(c.Rooms...)
	}
	b = b.Except(c.Except...)
	if c.Local {
		b = b.Local()
	}
	if c.Volatile {
		b = b.Volatile()
	}
	return b
}

// tell is a selection and what to send there.
type tell struct {
	to   choice
	args []any
}

func (t *tell) UnmarshalArgs(a socketio.Args) error {
	t.args = a.Clone().MarshalArgs()[1:]
	return a.Decode(0, &t.to)
}

// many registers what concerns many clients.
func (scenario) many(n *socketio.Namespace) {
	socketio.On(n, "tell", func(_ context.Context, _ *socketio.Socket, t tell) error {
		return t.to.of(n.Except()).Emit("told", t.args...)
	})
	socketio.On(n, "tell others", func(_ context.Context, s *socketio.Socket, t tell) error {
		return t.to.of(s.Broadcast()).Emit("told", t.args...)
	})
	type collected struct {
		Answers []any `json:"answers"`
		Late    bool  `json:"late"`
	}
	socketio.OnWithAck(n, "ask all", func(ctx context.Context, _ *socketio.Socket, q socketio.Args2[choice, int]) (c collected, err error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(q.B)*time.Millisecond)
		defer cancel()
		all, err := q.A.of(n.Except()).EmitWithAck(ctx, "question", "all")
		c.Late = errors.Is(err, context.DeadlineExceeded)
		c.Answers = make([]any, len(all))
		for i, a := range all {
			if a.Len() == 0 {
				continue
			}
			if err := a.Decode(0, &c.Answers[i]); err != nil {
				return c, err
			}
		}
		slices.SortFunc(c.Answers, func(a, b any) int { return cmp.Compare(full(a), full(b)) })
		if c.Late {
			err = nil
		}
		return c, err
	})
	socketio.OnWithAck(n, "fetch", func(ctx context.Context, _ *socketio.Socket, to choice) ([]string, error) {
		all, err := to.of(n.Except()).FetchSockets(ctx)
		names := []string{}
		for _, s := range all {
			names = append(names, nameKey.Get(s))
		}
		slices.Sort(names)
		return names, err
	})
	socketio.On(n, "join all", func(ctx context.Context, _ *socketio.Socket, a socketio.Args2[choice, []string]) error {
		return a.A.of(n.Except()).JoinAll(ctx, a.B...)
	})
	socketio.On(n, "leave all", func(ctx context.Context, _ *socketio.Socket, a socketio.Args2[choice, []string]) error {
		return a.A.of(n.Except()).LeaveAll(ctx, a.B...)
	})
	socketio.On(n, "disconnect all", func(ctx context.Context, _ *socketio.Socket, a socketio.Args2[choice, bool]) error {
		return a.A.of(n.Except()).DisconnectSockets(ctx, a.B)
	})
}

// indent makes a transcript readable.
func indent(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	if b.Len() > 2*maxText {
		b.Truncate(2 * maxText)
	}
	return b.String()
}
