package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

const (
	// The ports that instances listen on lie below the range from which the
	// kernel takes the clients' ports.
	lowestPort, highestPort = 10000, 31999
	// startTimeout is how long an instance may take until it listens.
	startTimeout = 15 * time.Second
	// tailSize is how much of an instance's output is kept.
	tailSize = 4 << 10
)

var (
	errNoPort = errors.New("no free port")
	errExited = errors.New("the process has ended")
)

// instance is a server that runs as a child process.
type instance struct {
	cmd    *exec.Cmd
	addr   netip.AddrPort
	output *tail
	done   chan struct{} // closed when the process has ended
	pprof  string        // the address of its profiles, if it offers any
}

// startInstance starts a program and waits until it listens at addr.
func startInstance(ctx context.Context, addr netip.AddrPort, argv []string, env ...string) (*instance, error) {
	in := &instance{
		// It outlives the context, which may be that of one step: stop ends it.
		cmd:    exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...),
		addr:   addr,
		output: &tail{},
		done:   make(chan struct{}),
	}
	in.cmd.Env = append(os.Environ(), env...)
	in.cmd.Stdout, in.cmd.Stderr = in.output, in.output
	if err := in.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	go func() {
		_ = in.cmd.Wait()
		close(in.done)
	}()
	if err := in.awaitListening(ctx); err != nil {
		in.stop()
		return nil, in.explain(err)
	}
	return in, nil
}

// awaitListening returns when the instance accepts connections.
func (in *instance) awaitListening(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%w: not listening after %v", errStalled, startTimeout))
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", in.addr.String())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-in.done:
			return errExited
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends the process and waits for that.
func (in *instance) stop() {
	_ = in.cmd.Process.Kill()
	<-in.done
}

// explain adds the end of what the process has printed to an error.
func (in *instance) explain(err error) error {
	if err == nil {
		return nil
	}
	if out := in.output.String(); out != "" {
		return fmt.Errorf("%w; its last output:\n%s", err, out)
	}
	return err
}

// pid is the id of the process.
func (in *instance) pid() int { return in.cmd.Process.Pid }

// totalCPU is the CPU time that the instances have used together.
func totalCPU(instances []*instance) (time.Duration, error) {
	var total time.Duration
	for _, in := range instances {
		t, err := cpuTime(in.pid())
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}

// freeAddress returns an address of 127.0.0.1 that nothing listens on.
func freeAddress(ctx context.Context) (netip.AddrPort, error) {
	const tries = 200
	start := time.Now().Nanosecond() / 1000
	for i := range tries {
		port := lowestPort + (start+i*101)%(highestPort-lowestPort+1)
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return netip.AddrPort{}, fmt.Errorf("probing a port: %w", err)
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), nil
	}
	return netip.AddrPort{}, errNoPort
}

// tail keeps the end of what is written to it. It may be used concurrently.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer. It never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
