// Command scenario is the Go peer's part in the differential test of
// examples/peers: the server of testdata/differential.js on
// github.com/zishang520/socket.io/v2, pinned at v2.5.0.
//
// It serves on the listener that it is given as its file 3, and ends when its
// standard input does.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	if err := run(); err != nil {
		slog.Error("scenario: stopped", "err", err)
		os.Exit(1)
	}
}

// run serves until standard input ends.
func run() error {
	server := socket.NewServer(nil, nil)
	guarded := server.Of("/guarded", nil)
	guarded.Use(requireToken)
	guarded.Use(checkToken)
	for _, nsp := range []socket.Namespace{server.Sockets(), server.Of("/chat", nil), guarded} {
		s := &scenario{nsp}
		if err := nsp.On("connection", s.connect); err != nil {
			return fmt.Errorf("registering: %w", err)
		}
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return fmt.Errorf("taking over the listener: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server.ServeHandler(nil))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = srv.Close()
	}()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func requireToken(s *socket.Socket, next func(*socket.ExtendedError)) {
	if auth(s)["token"] == nil {
		next(socket.NewExtendedError("no token", nil))
		return
	}
	next(nil)
}

func checkToken(s *socket.Socket, next func(*socket.ExtendedError)) {
	if auth(s)["token"] != "right" {
		next(socket.NewExtendedError("wrong token", map[string]any{"code": 401, "hint": []any{"é", nil}}))
		return
	}
	s.Join("let in")
	next(nil)
}

func auth(s *socket.Socket) map[string]any {
	m, _ := s.Handshake().Auth.(map[string]any)
	return m
}

// scenario are the handlers of a namespace.
type scenario struct {
	nsp socket.Namespace
}

// seen are the events that a socket has sent.
type seen struct {
	mu    sync.Mutex
	names []string
}

func (sc *scenario) connect(args ...any) {
	s, ok := args[0].(*socket.Socket)
	if !ok {
		return
	}
	name, ok := auth(s)["name"].(string)
	if !ok {
		name = "?"
	}
	s.SetData(map[string]any{"name": name})
	events := &seen{}
	s.OnAny(func(args ...any) {
		if event, ok := args[0].(string); ok && event != "sync" {
			events.mu.Lock()
			events.names = append(events.names, event)
			events.mu.Unlock()
		}
	})
	on(s, "disconnect", func(args ...any) { _ = sc.nsp.Emit("left", name, args[0]) })
	on(s, "seen", func(args ...any) {
		events.mu.Lock()
		defer events.mu.Unlock()
		ack(args, slices.Clone(events.names))
	})
	sc.single(s)
	sc.rooms(s)
	sc.many(s)
	query := s.Handshake().Query
	var given any = map[string]any{}
	if s.Handshake().Auth != nil {
		given = s.Handshake().Auth
	}
	_ = s.Emit("welcome", given, first(query["x"]), first(query["transport"]))
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// on registers a handler. A panic of its own must not end the process, which the
// peer would not prevent.
func on(s *socket.Socket, event string, handler func(args ...any)) {
	_ = s.On(event, func(args ...any) {
		defer func() {
			if v := recover(); v != nil {
				slog.Warn("scenario: handler panicked", "event", event, "value", v)
			}
		}()
		handler(args...)
	})
}

// ack answers an event.
func ack(args []any, answer ...any) {
	if answerer, ok := args[len(args)-1].(socket.Ack); ok {
		answerer(answer, nil)
	}
}

// without returns the arguments without the function that answers.
func without(args []any) []any { return args[:len(args)-1] }

// single registers what concerns one client.
func (sc *scenario) single(s *socket.Socket) {
	on(s, "echo", func(args ...any) { _ = s.Emit("echo", args...) })
	on(s, "ack", func(args ...any) { ack(args, without(args)...) })
	on(s, "42", func(args ...any) { _ = s.Emit("number", args...) })
	on(s, "sync", func(args ...any) { ack(args) })
	on(s, "ask me", func(args ...any) {
		_ = s.Emit("question", append(args, func(answer []any, _ error) { _ = s.Emit("answered", answer...) })...)
	})
	on(s, "ask me in vain", func(...any) {
		_ = s.Timeout(150*time.Millisecond).Emit("silence", func(_ []any, err error) { _ = s.Emit("in vain", err != nil) })
	})
	on(s, "handshake", func(args ...any) { ack(args, s.Handshake()) })
	on(s, "burst", func(args ...any) {
		n, _ := args[0].(float64)
		for i := range int(n) {
			var v any = fmt.Sprint("text ", i)
			if i%5 == 0 {
				v = types.NewBytesBuffer([]byte{byte(i)})
			}
			_ = s.Emit("burst", i, v)
		}
	})
	on(s, "kick me", func(args ...any) {
		closeConn, _ := args[0].(bool)
		_ = s.Emit("last words", types.NewBytesBufferString("bye"))
		s.Disconnect(closeConn)
	})
}

// rooms registers what concerns the rooms of one client.
func (sc *scenario) rooms(s *socket.Socket) {
	on(s, "rooms", func(args ...any) {
		rooms := []string{}
		for _, room := range s.Rooms().Keys() {
			if string(room) != string(s.Id()) {
				rooms = append(rooms, string(room))
			}
		}
		slices.Sort(rooms)
		ack(args, rooms)
	})
	on(s, "join", func(args ...any) {
		s.Join(list(args[0])...)
		ack(args)
	})
	on(s, "leave", func(args ...any) {
		room, _ := args[0].(string)
		s.Leave(socket.Room(room))
		ack(args)
	})
}

func list(v any) []socket.Room {
	all, _ := v.([]any)
	rooms := make([]socket.Room, 0, len(all))
	for _, room := range all {
		name, _ := room.(string)
		rooms = append(rooms, socket.Room(name))
	}
	return rooms
}

// narrow applies a selection.
func narrow(op *socket.BroadcastOperator, to any) *socket.BroadcastOperator {
	m, _ := to.(map[string]any)
	if rooms := list(m["rooms"]); len(rooms) > 0 {
		op = op.To(rooms...)
	}
	if except := list(m["except"]); len(except) > 0 {
		op = op.Except(except...)
	}
	if m["local"] == true {
		op = op.Local()
	}
	if m["volatile"] == true {
		op = op.Volatile()
	}
	return op
}

// everyone selects the whole namespace.
func (sc *scenario) everyone(to any) *socket.BroadcastOperator {
	return narrow(sc.nsp.Compress(true), to)
}

// many registers what concerns many clients.
func (sc *scenario) many(s *socket.Socket) {
	on(s, "tell", func(args ...any) { _ = sc.everyone(args[0]).Emit("told", args[1:]...) })
	on(s, "tell others", func(args ...any) { _ = narrow(s.Broadcast(), args[0]).Emit("told", args[1:]...) })
	on(s, "ask all", func(args ...any) {
		ms, _ := args[1].(float64)
		sc.everyone(args[0]).Timeout(time.Duration(ms)*time.Millisecond).EmitWithAck("question", "all")(func(answers []any, err error) {
			ack(args, map[string]any{"answers": sorted(answers), "late": err != nil})
		})
	})
	on(s, "fetch", func(args ...any) {
		sc.everyone(args[0]).FetchSockets()(func(sockets []*socket.RemoteSocket, _ error) {
			names := make([]string, 0, len(sockets))
			for _, other := range sockets {
				data, _ := other.Data().(map[string]any)
				name, _ := data["name"].(string)
				names = append(names, name)
			}
			slices.Sort(names)
			ack(args, names)
		})
	})
	on(s, "join all", func(args ...any) { sc.everyone(args[0]).SocketsJoin(list(args[1])...) })
	on(s, "leave all", func(args ...any) { sc.everyone(args[0]).SocketsLeave(list(args[1])...) })
	on(s, "disconnect all", func(args ...any) {
		closeConn, _ := args[1].(bool)
		sc.everyone(args[0]).DisconnectSockets(closeConn)
	})
}

// sorted orders answers by their JSON, binary ones last as in the original.
func sorted(answers []any) []any {
	key := func(v any) string {
		if _, ok := v.(io.Reader); ok {
			return "{"
		}
		data, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	all := append([]any{}, answers...)
	slices.SortFunc(all, func(a, b any) int { return strings.Compare(key(a), key(b)) })
	return all
}
