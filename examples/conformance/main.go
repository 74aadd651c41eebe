// Command conformance is the server that the public protocol test suites of
// Engine.IO and Socket.IO run against.
//
//	conformance          Socket.IO at /socket.io/, namespaces / and /custom
//	conformance -engine  the bare engine at /engine.io/, which echoes every message
//
// It listens on localhost:$PORT, 3000 by default, or where -addr says. Both
// namespaces emit "auth" with the payload of the handshake, answer "message" with
// "message-back", and acknowledge "message-with-ack", each with the arguments that
// came.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

func main() {
	bare := flag.Bool("engine", false, "serve the bare engine instead of Socket.IO")
	addr := flag.String("addr", net.JoinHostPort("localhost", cmp.Or(os.Getenv("PORT"), "3000")), "address to listen on")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, *addr, newHandler(*bare, suiteTimes()))
	stop()
	if err != nil {
		slog.Error("conformance: stopped", "err", err)
		os.Exit(1)
	}
}

// handler is either server: one that ends its own connections, since those of
// WebSocket are no concern of net/http any more.
type handler interface {
	http.Handler
	Shutdown(ctx context.Context) error
}

// suiteTimes are the times that the suites expect.
func suiteTimes() socketio.Options {
	return socketio.Options{
		ConnectTimeout: time.Second,
		Engine:         engine.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond},
	}
}

// newHandler returns a server with these options and the limits that the suites expect.
func newHandler(bare bool, opts socketio.Options) handler {
	opts.Engine.MaxPayload = 1e6
	opts.Engine.CORS = &engine.CORS{Origins: []string{"*"}}
	if bare {
		opts.Engine.Path = "/engine.io/"
		return engine.NewServer(func(*engine.Session) engine.Receiver { return echo{} }, &opts.Engine)
	}
	io := socketio.NewServer(&opts)
	register(io.Of("/"))
	register(io.Of("/custom"))
	return io
}

// echo sends every message back.
type echo struct{}

func (echo) OnMessage(s *engine.Session, m engine.Message) {
	if m.Binary {
		s.Send(engine.NewBinaryFrame(m.Data), 0)
		return
	}
	s.Send(engine.NewTextFrame(string(m.Data)), 0)
}

func (echo) OnClose(*engine.Session, engine.Reason, error) {}

// register adds the events of the Socket.IO suite to a namespace.
func register(nsp *socketio.Namespace) {
	nsp.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		var auth json.RawMessage
		if err := s.Auth(&auth); err != nil {
			return err
		}
		return s.Emit("auth", auth)
	})
	socketio.On(nsp, "message", func(_ context.Context, s *socketio.Socket, args socketio.Args) error {
		return s.Emit("message-back", args.MarshalArgs()...)
	})
	socketio.OnWithAck(nsp, "message-with-ack",
		func(_ context.Context, _ *socketio.Socket, args socketio.Args) (socketio.Args, error) {
			return args, nil
		})
}

// serve serves until ctx ends, then closes what is open.
func serve(ctx context.Context, addr string, h handler) error {
	srv := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	slog.Info("conformance: listening", "address", addr)
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(h.Shutdown(deadline), srv.Shutdown(deadline))
}
