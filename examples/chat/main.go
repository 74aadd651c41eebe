// Command chat is a chat with rooms: a page, the events behind it, and a server that shuts down gracefully.
//
// It listens on 127.0.0.1, on the port that PORT names (3000 by default). With REDIS_URL set, any number of instances serve one chat, and
// so do instances of its Node.js twin, examples/peers/node/chat.mjs.
package main

import (
	"cmp"
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
	"github.com/tandem-go/tandem/socketio"
)

// grace is how long clients have to take what is still queued for them when the server ends.
const grace = 5 * time.Second

func main() {
	if err := run(context.Background(), os.Getenv("PORT"), os.Getenv("REDIS_URL"), grace); err != nil {
		slog.Error("chat ends", "err", err)
		os.Exit(1)
	}
}

// run serves the chat until ctx ends or the program is told to end. Clients have the grace period then.
func run(ctx context.Context, port, redisURL string, grace time.Duration) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", cmp.Or(port, "3000")))
	if err != nil {
		return fmt.Errorf("starting the chat: %w", err)
	}
	slog.Info("chat is open", "url", "http://"+l.Addr().String()+"/", "redis", redisURL != "")
	return serve(ctx, l, newChat(rooms), grace)
}

// serve answers on l until ctx ends.
func serve(ctx context.Context, l net.Listener, io *socketio.Server, grace time.Duration) error {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", page())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()

	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		slog.Info("chat is closing")
	}
	// The Socket.IO server first: its long polls are requests that srv.Shutdown would wait for.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(err, io.Shutdown(last), srv.Shutdown(last))
}
