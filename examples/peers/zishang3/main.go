// Command zishang3 is the Go peer that examples/bench is compared with: the events
// of the measuring contract on github.com/zishang520/socket.io/servers/socket/v3,
// pinned at v3.0.6.
//
// It is a module of its own, so that the peer's dependencies never meet the
// library's. It listens on 127.0.0.1:$PORT and serves /socket.io/. PING_INTERVAL
// sets the interval of heartbeats in milliseconds. It is not measured in a cluster:
// with REDIS_URL set it refuses to start.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("zishang3: stopped", "err", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context) error {
	if os.Getenv("REDIS_URL") != "" {
		return errors.New("the peer is not measured in a cluster; unset REDIS_URL")
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}

	opts, err := options()
	if err != nil {
		return err
	}
	io := socket.NewServer(nil, opts)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io.ServeHandler(nil))
	if err := io.On("connection", func(args ...any) {
		if s, ok := args[0].(*socket.Socket); ok {
			register(io, s)
		}
	}); err != nil {
		return fmt.Errorf("registering: %w", err)
	}

	srv := &http.Server{Handler: mux}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	slog.Info("zishang3: listening", "address", listener.Addr().String())
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// options returns what the environment says about the server.
func options() (*socket.ServerOptions, error) {
	opts := socket.DefaultServerOptions()
	if interval := os.Getenv("PING_INTERVAL"); interval != "" {
		ms, err := strconv.Atoi(interval)
		if err != nil {
			return nil, fmt.Errorf("parsing PING_INTERVAL: %w", err)
		}
		opts.SetPingInterval(time.Duration(ms) * time.Millisecond)
	}
	return opts, nil
}

// register adds the events of the measuring contract to one socket. Malformed
// arguments are ignored: the peer recovers no panic in a handler.
func register(io *socket.Server, s *socket.Socket) {
	_ = s.On("echo", func(args ...any) {
		if ack, ok := last(args); ok && len(args) > 1 {
			ack([]any{args[0]}, nil)
		}
	})
	_ = s.On("join", func(args ...any) {
		room, ok := text(args, 0)
		if !ok {
			return
		}
		s.Join(socket.Room(room))
		if ack, ok := last(args); ok {
			ack([]any{}, nil)
		}
	})
	_ = s.On("pub", func(args ...any) {
		if room, ok := text(args, 0); ok && len(args) > 1 {
			_ = io.To(socket.Room(room)).Emit("msg", args[1])
		}
	})
	_ = s.On("wait", func(args ...any) {
		if milliseconds, ok := number(args, 0); ok {
			_ = s.Emit("started")
			time.Sleep(time.Duration(milliseconds) * time.Millisecond)
		}
	})
	_ = s.On("spin", func(args ...any) {
		if microseconds, ok := number(args, 0); ok {
			for start := time.Now(); time.Since(start) < time.Duration(microseconds)*time.Microsecond; {
			}
		}
	})
	_ = s.On("burst", func(args ...any) {
		count, counted := number(args, 0)
		size, sized := number(args, 1)
		if !counted || !sized || size < sequenceSize {
			return
		}
		rest := strings.Repeat("b", size-sequenceSize)
		for i := range count {
			_ = s.Emit("msg", fmt.Sprintf("%0*d", sequenceSize, i+1)+rest)
		}
	})
}

// sequenceSize is the length of the number that a payload of a burst starts with.
const sequenceSize = 8

// number returns the number at index i.
func number(args []any, i int) (int, bool) {
	if i >= len(args) {
		return 0, false
	}
	n, ok := args[i].(float64)
	return int(n), ok
}

// text returns the string at index i.
func text(args []any, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	s, ok := args[i].(string)
	return s, ok
}

// last returns the acknowledgement function, which the peer passes last.
func last(args []any) (socket.Ack, bool) {
	if len(args) == 0 {
		return nil, false
	}
	ack, ok := args[len(args)-1].(socket.Ack)
	return ack, ok
}
