// Command chat is a chat with rooms: a page, the events behind it, and a server that shuts down gracefully.
//
// It listens on 127.0.0.1, on the port that PORT names (3000 by default). With REDIS_URL set, any number of instances serve one chat, and
// so do instances of its Node.js twin, examples/peers/node/chat.mjs.
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
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/redisadapter"
)

// grace is how long clients have to take what is still queued for them when the server ends.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv("PORT"), os.Getenv("REDIS_URL")); err != nil {
		slog.Error("chat ends", "err", err)
		stop()
		os.Exit(1)
	}
}

// run serves the chat until ctx ends.
func run(ctx context.Context, port, redisURL string) error {
	if port == "" {
		port = "3000"
	}
	rooms := adapter.Factory(adapter.InMemory)
	if redisURL != "" {
		opts, err := redis.ParseURL(redisURL)
		if err != nil {
			return fmt.Errorf("reading REDIS_URL: %w", err)
		}
		rdb := redis.NewClient(opts)
		defer rdb.Close()
		rooms = redisadapter.New(rdb, nil)
	}
	io := newChat(rooms)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", page())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fmt.Errorf("starting the chat: %w", err)
	}
	slog.Info("chat is open", "url", "http://"+l.Addr().String()+"/", "redis", redisURL != "")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving the chat: %w", errors.Join(err, io.Shutdown(context.WithoutCancel(ctx))))
	case <-ctx.Done():
	}
	slog.Info("chat is closing")
	// The Socket.IO server first: its long polls are requests that srv.Shutdown would wait for.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(io.Shutdown(last), srv.Shutdown(last))
}
