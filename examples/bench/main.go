// Command bench is the server of the measuring contract: events that any
// Socket.IO server can offer, so that one load generator (examples/bench/load)
// can compare them all.
//
//	echo (data, ack)     acknowledges with data
//	join (room, ack)     joins the room and acknowledges
//	pub (room, payload)  emits "msg" with the payload to the room
//	wait (milliseconds)  emits "started", then waits as for a database
//	spin (microseconds)  keeps a core busy
//	burst (count, size)  emits "msg" that many times, each with a payload of that
//	                     size that starts with its number
//
// It listens on 127.0.0.1:$PORT (3000 by default) and serves /socket.io/. With
// REDIS_URL set it shares its rooms with other instances through the classic
// Redis adapter. PING_INTERVAL sets the interval of heartbeats in milliseconds;
// TANDEM_PARKING=off gives each connection a goroutine. With BENCH_PPROF set to an
// address, the profiles of the process are served there.
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
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		slog.Error("bench: stopped", "err", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then closes what is open.
func run(ctx context.Context) error {
	opts, err := options()
	if err != nil {
		return err
	}
	if url := os.Getenv("REDIS_URL"); url != "" {
		parsed, err := redis.ParseURL(url)
		if err != nil {
			return fmt.Errorf("parsing REDIS_URL: %w", err)
		}
		rdb := redis.NewClient(parsed)
		defer rdb.Close()
		opts.Adapter = redisadapter.New(rdb, nil)
	}
	if address := os.Getenv("BENCH_PPROF"); address != "" {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("listening for profiles: %w", err)
		}
		var profiles sync.WaitGroup
		defer profiles.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		profiles.Go(func() { serveProfiles(ctx, listener) })
	}

	io := socketio.NewServer(opts)
	register(io)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return serve(ctx, io, mux)
}

// options returns what the environment says about the engine.
func options() (*socketio.Options, error) {
	opts := &socketio.Options{}
	opts.Engine.DisableParking = os.Getenv("TANDEM_PARKING") == "off"
	if interval := os.Getenv("PING_INTERVAL"); interval != "" {
		ms, err := strconv.Atoi(interval)
		if err != nil {
			return nil, fmt.Errorf("parsing PING_INTERVAL: %w", err)
		}
		opts.Engine.PingInterval = time.Duration(ms) * time.Millisecond
	}
	return opts, nil
}

// serve serves handler on the loopback until ctx ends, or until that fails. Then
// it shuts down both servers.
func serve(ctx context.Context, io *socketio.Server, handler http.Handler) error {
	srv := &http.Server{
		Addr:              net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "3000")),
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.ListenAndServe() }()
	slog.Info("bench: listening", "address", srv.Addr)
	var failure error
	select {
	case failure = <-ended:
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(failure, io.Shutdown(deadline), srv.Shutdown(deadline))
}
