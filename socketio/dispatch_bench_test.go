package socketio

import (
	"context"
	"testing"

	"github.com/tandem-go/tandem/socketio/engine"
)

// newBareConn returns a connection without a session, whose client is in the main
// namespace. It reads what it is given, and can send nothing.
func newBareConn(srv *Server) *conn {
	c := newConn(srv, nil)
	s := c.add()
	s.nsp, s.conn, s.id = srv.Namespace, c, newID()
	s.state.Store(uint32(stateConnected))
	return c
}

// BenchmarkDispatch reads an event and runs its handler.
func BenchmarkDispatch(b *testing.B) {
	type point struct{ X, Y int }
	handled := make(chan struct{}, 1)
	done := func() error {
		handled <- struct{}{}
		return nil
	}
	pass := func(next Handler) Handler { return next }
	for _, bench := range []struct {
		name     string
		message  string
		register func(*Server)
	}{
		{"raw", `2["event",{"x":1,"y":2}]`, func(srv *Server) {
			srv.Handle("event", HandlerFunc(func(context.Context, *Event) error { return done() }))
		}},
		{"string", `2["event","hello, world"]`, func(srv *Server) {
			On(srv, "event", func(context.Context, *Socket, string) error { return done() })
		}},
		{"struct", `2["event",{"x":1,"y":2}]`, func(srv *Server) {
			On(srv, "event", func(context.Context, *Socket, point) error { return done() })
		}},
		{"two arguments", `2["event","room",{"x":1,"y":2}]`, func(srv *Server) {
			On(srv, "event", func(context.Context, *Socket, Args2[string, point]) error { return done() })
		}},
		{"unknown to all but a catch-all", `2["unknown",1]`, func(srv *Server) {
			srv.OnAny(HandlerFunc(func(context.Context, *Event) error { return done() }))
		}},
		{"middleware", `2["event",1]`, func(srv *Server) {
			srv.Wrap(pass, pass)
			srv.Handle("event", HandlerFunc(func(context.Context, *Event) error { return done() }))
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			srv := NewServer(nil)
			defer func() { _ = srv.Shutdown(b.Context()) }()
			bench.register(srv)
			c, m := newBareConn(srv), engine.Message{Data: []byte(bench.message)}
			b.ReportAllocs()
			for b.Loop() {
				c.OnMessage(nil, m)
				<-handled
			}
		})
	}
}

// BenchmarkDispatchUnknown reads an event that nobody handles, and one behind it that somebody
// does.
func BenchmarkDispatchUnknown(b *testing.B) {
	srv := NewServer(nil)
	defer func() { _ = srv.Shutdown(b.Context()) }()
	handled := make(chan struct{}, 1)
	srv.Handle("event", HandlerFunc(func(context.Context, *Event) error {
		handled <- struct{}{}
		return nil
	}))
	c := newBareConn(srv)
	unknown, known := engine.Message{Data: []byte(`2["unknown",1]`)}, engine.Message{Data: []byte(`2["event",1]`)}
	b.ReportAllocs()
	for b.Loop() {
		c.OnMessage(nil, unknown)
		c.OnMessage(nil, known)
		<-handled
	}
}

// BenchmarkRooms joins a room through a socket, asks for its rooms, and leaves.
func BenchmarkRooms(b *testing.B) {
	srv := NewServer(nil)
	defer func() { _ = srv.Shutdown(b.Context()) }()
	s := &newBareConn(srv).first
	srv.adapter.Join((*peer)(s))
	s.Join("lobby")
	b.Run("join and leave", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Join("room")
			s.Leave("room")
		}
	})
	b.Run("rooms", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(s.Rooms()) != 2 {
				b.Fatal(s.Rooms())
			}
		}
	})
}
