package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// settings are what a server is started with.
type settings struct {
	// pingInterval is the interval of heartbeats; an hour if it is zero, so that none
	// disturbs the other operations.
	pingInterval time.Duration
	// goroutines turns off the parking of idle connections.
	goroutines bool
}

// args are the arguments that start a server with these settings.
func (s settings) args() []string {
	return []string{serverCommand, s.pingInterval.String(), strconv.FormatBool(s.goroutines)}
}

// serverCommand is the first argument of a process that is to be a server.
const serverCommand = "serve-for-guard"

// newSettings is the inverse of args.
func newSettings(args []string) (s settings, err error) {
	if len(args) != 3 {
		return s, fmt.Errorf("%s takes an interval and a boolean", serverCommand)
	}
	if s.pingInterval, err = time.ParseDuration(args[1]); err != nil {
		return s, err
	}
	s.goroutines, err = strconv.ParseBool(args[2])
	return s, err
}

// serve is the whole life of a server's process. It prints its address to out, and
// then, for each line of in, its counters. It ends when in does.
func serve(s settings, in io.Reader, out io.Writer) error {
	if s.pingInterval == 0 {
		s.pingInterval = time.Hour
	}
	srv := newServer(s)
	l, err := listen()
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: srv, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- hs.Serve(l) }()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	var stats runtime.MemStats
	for sc := bufio.NewScanner(in); sc.Scan(); {
		runtime.ReadMemStats(&stats)
		if _, err := fmt.Fprintln(out, sc.Text(), stats.Mallocs); err != nil {
			return err
		}
	}
	// Nobody is there any more to say farewell to.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = srv.Shutdown(ctx)
	return errors.Join(hs.Close(), ignoreClosed(<-ended))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// newServer returns a server with the events of the measuring contract, and one to leave a
// room.
func newServer(s settings) *socketio.Server {
	srv := socketio.NewServer(&socketio.Options{Engine: engine.Options{
		PingInterval:   s.pingInterval,
		PingTimeout:    time.Minute,
		DisableParking: s.goroutines,
	}})
	socketio.OnWithAck(srv, "echo", func(_ context.Context, _ *socketio.Socket, data json.RawMessage) (json.RawMessage, error) {
		return data, nil
	})
	socketio.On(srv, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	socketio.On(srv, "leave", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Leave(room)
		return nil
	})
	socketio.On(srv, "pub", func(_ context.Context, _ *socketio.Socket, p socketio.Args2[string, json.RawMessage]) error {
		return srv.To(p.A).Emit("msg", p.B)
	})
	return srv
}

// listen listens on a port below those that the kernel gives to clients.
func listen() (net.Listener, error) {
	const first, last, tries = 10000, 31999, 100
	var l net.Listener
	err := errors.New("no tries")
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first+1)))
		if l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no free port in %d tries: %w", tries, err)
}

// runAsServer runs a server if the program was started as one.
func runAsServer() (served bool, err error) {
	if len(os.Args) < 2 || os.Args[1] != serverCommand {
		return false, nil
	}
	s, err := newSettings(os.Args[1:])
	if err != nil {
		return true, err
	}
	return true, serve(s, os.Stdin, os.Stdout)
}
