// Command bench is the server of the measuring contract: three events that any
// Socket.IO server can offer, so that one load generator (examples/bench/load)
// can compare them all.
//
//	echo (data, ack)     acknowledges with data
//	join (room, ack)     joins the room and acknowledges
//	pub (room, payload)  emits "msg" with the payload to the room
//
// It listens on 127.0.0.1:$PORT (3000 by default) and serves /socket.io/. With
// REDIS_URL set it shares its rooms with other instances through the classic
// Redis adapter. With BENCH_PPROF set to an address, it serves the profiles of
// net/http/pprof there.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
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
		slog.Error("bench: stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then closes what is open.
func run(ctx context.Context) error {
	opts := &socketio.Options{}
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
		var profiles sync.WaitGroup
		defer profiles.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		profiles.Go(func() { serveProfiles(ctx, address) })
	}

	io := socketio.NewServer(opts)
	register(io)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return serve(ctx, io, mux)
}

// register adds the events of the contract.
func register(io *socketio.Server) {
	socketio.OnWithAck(io, "echo", func(_ context.Context, _ *socketio.Socket, data json.RawMessage) (json.RawMessage, error) {
		return data, nil
	})
	socketio.On(io, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	socketio.On(io, "pub", func(_ context.Context, _ *socketio.Socket, p socketio.Args2[string, json.RawMessage]) error {
		return io.To(p.A).Emit("msg", p.B)
	})
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

// serveProfiles serves the profiles of the process until ctx ends.
func serveProfiles(ctx context.Context, address string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Warn("bench: no profiles", "error", err)
	}
}
