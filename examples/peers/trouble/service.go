package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/siotest"
)

// nodeEnv is set for a process that is a node of a cluster.
const nodeEnv = "TANDEM_TROUBLE_NODE"

const (
	helloInterval   = 50 * time.Millisecond
	probeInterval   = time.Second
	shutdownTimeout = 5 * time.Second
)

// None is nothing to tell or to be told.
type None struct{}

// Heard is the answer of [Service.Heard].
type Heard struct {
	Messages int
	From     []string
}

// Burst is what [Service.Burst] emits.
type Burst struct{ Messages, Size int }

// Service is a Go node of a cluster, which the program that has started the process calls over its standard input and output.
type Service struct {
	name string
	rdb  redis.UniversalClient
	io   *socketio.Server
	own  *siotest.Client

	running sync.WaitGroup
	stop    context.CancelFunc // ends the client's goroutine

	control sync.Mutex
	silence []context.CancelFunc // end what is being sent and asked

	sending sync.Mutex // keeps the numbers in the order of the calls of Emit
	mu      sync.Mutex
	told    report
	from    map[string]bool
}

// serveNode is the main function of a Go node.
func serveNode() {
	s := &Service{from: make(map[string]bool), told: report{Errors: make(map[string]int)}, stop: func() {}}
	server := rpc.NewServer()
	if err := server.RegisterName("Node", s); err != nil {
		panic(err)
	}
	server.ServeConn(stdio{os.Stdin, os.Stdout})
	s.close()
}

// stdio is the connection to the program that has started the process.
type stdio struct {
	io.Reader
	io.WriteCloser
}

// Listen starts the server and its client.
func (s *Service) Listen(l Link, _ *None) error {
	s.name, s.rdb = l.Name, l.client()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s.io = socketio.NewServer(&socketio.Options{Adapter: redisadapter.New(s.rdb, s.observed()), Logger: logger})
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	own, err := siotest.Connect(ctx, s.io, nil)
	if err != nil {
		return err
	}
	s.own = own
	s.running.Go(func() { s.receive(ctx) })
	s.repeat(helloInterval, func() { _ = s.io.Emit("hello", s.name) })
	return nil
}

// observed returns the default options, with an observer.
func (s *Service) observed() *redisadapter.Options {
	ended := func(info redisadapter.OutageEndedInfo) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told.Outages = append(s.told.Outages, outage{
			Node: s.name, Began: info.Began.UnixMilli(), Lasted: info.Lasted.Milliseconds(), Deaf: info.Deaf.Milliseconds(),
			Losses: info.Losses, Err: info.Err.Error(),
		})
	}
	return &redisadapter.Options{Observers: []redisadapter.Observer{{OutageEnded: ended}}}
}

// receive notes what the client is sent.
func (s *Service) receive(ctx context.Context) {
	for {
		e, err := s.own.Receive(ctx)
		if err != nil {
			if ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "trouble: the client:", err)
			}
			return
		}
		a := arrival{At: time.Now().UnixMilli()}
		if err := e.Args.Decode(0, &a.From); err != nil {
			fmt.Fprintln(os.Stderr, "trouble: a message without a sender:", err)
			continue
		}
		if e.Name == "m" {
			err = errors.Join(e.Args.Decode(1, &a.Seq), e.Args.Decode(2, &a.Sent))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "trouble: a message without a number:", err)
			continue
		}
		s.note(e.Name, a)
	}
}

func (s *Service) note(event string, a arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from[a.From] = true
	if event == "m" {
		s.told.Got = append(s.told.Got, a)
	}
}

// repeat does something again and again until Halt.
func (s *Service) repeat(interval time.Duration, do func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s.control.Lock()
	s.silence = append(s.silence, cancel)
	s.control.Unlock()
	s.running.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				do()
			}
		}
	})
}

// Heard tells how many messages have arrived, and from whom anything has.
func (s *Service) Heard(_ None, h *Heard) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Messages = len(s.told.Got)
	for name := range s.from {
		h.From = append(h.From, name)
	}
	return nil
}

// Send emits a message each time the interval is over.
func (s *Service) Send(interval time.Duration, _ *None) error { //nolint:unparam // net/rpc wants one
	s.halt()
	s.repeat(interval, func() { s.emit("") })
	return nil
}

// Burst emits messages at once.
func (s *Service) Burst(b Burst, _ *None) error { //nolint:unparam // net/rpc wants one
	padding := string(slices.Repeat([]byte("x"), b.Size))
	for range b.Messages {
		s.emit(padding)
	}
	return nil
}

func (s *Service) emit(padding string) {
	s.sending.Lock()
	defer s.sending.Unlock()
	begun := time.Now()
	seq := s.told.Sent
	err := s.io.Emit("m", s.name, seq, begun.UnixMilli(), padding)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.Sent++
	s.told.At = append(s.told.At, begun.UnixMilli())
	s.told.Slowest = max(s.told.Slowest, time.Since(begun).Milliseconds())
	if err != nil {
		s.told.Refused = append(s.told.Refused, seq)
		s.told.Errors[kind(err)]++
	}
}

// kind returns what a caller can tell an error by.
func kind(err error) string {
	if errors.Is(err, redisadapter.ErrQueueFull) {
		return "ErrQueueFull"
	}
	if _, ok := errors.AsType[*redisadapter.TimeoutError](err); ok {
		return "TimeoutError"
	}
	if _, ok := errors.AsType[*redisadapter.UnavailableError](err); ok {
		return "UnavailableError"
	}
	return err.Error()
}

// Probe asks for the servers and the sockets of the cluster once a second.
func (s *Service) Probe(_ None, _ *None) error { //nolint:unparam // net/rpc wants one
	s.repeat(probeInterval, func() {
		s.running.Go(func() { s.ask("ServerCount", s.io.ServerCount) })
		s.running.Go(func() { s.ask("FetchSockets", s.sockets) })
	})
	return nil
}

func (s *Service) sockets(ctx context.Context) (int, error) {
	all, err := s.io.FetchSockets(ctx)
	return len(all), err
}

func (s *Service) ask(op string, question func(ctx context.Context) (int, error)) {
	begun := time.Now()
	n, err := question(context.Background()) // bounded by the adapter
	p := probe{At: begun.UnixMilli(), Op: op, N: n, Took: time.Since(begun).Milliseconds()}
	if err != nil {
		p.Err = kind(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.Probes = append(s.told.Probes, p)
}

// Halt ends what Listen, Send and Probe have begun.
func (s *Service) Halt(_ None, _ *None) error { //nolint:unparam // net/rpc wants one
	s.halt()
	return nil
}

func (s *Service) halt() {
	s.control.Lock()
	defer s.control.Unlock()
	for _, cancel := range s.silence {
		cancel()
	}
	s.silence = nil
}

// Report tells what has happened.
func (s *Service) Report(_ None, data *[]byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*data, err = json.Marshal(s.told) //nolint:musttag // the names are the fields'
	return err
}

func (s *Service) close() {
	s.halt()
	s.stop()
	if s.own != nil {
		_ = s.own.Close()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		_ = s.io.Shutdown(ctx)
		_ = s.rdb.Close()
	}
	s.running.Wait()
}
