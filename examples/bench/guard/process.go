package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// process is a server in a process of its own.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	addr  string
	pid   int    // of the server, not of its tracer
	trace string // file that the system calls are written to; none if empty
	marks int    // counters read so far
}

// counters are what a server has used since its start.
type counters struct {
	allocs int64
	number int    // how many have been read, these included
	mark   string // what the line in the trace has that belongs to them
}

var errCounters = errors.New("reading the counters of the server")

// start starts a server, under strace if trace names a file.
func start(ctx context.Context, s settings, trace string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := append([]string{self}, s.args()...)
	if trace != "" {
		argv = append(tracer(trace), argv...)
	}
	p := &process{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), trace: trace}
	// Threads come and go less with few processors, and pools are not emptied.
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "GOGC=off")
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	if err := p.greet(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// greet reads the address of a server that has just started, and finds its pid.
func (p *process) greet() error {
	greeting, err := p.out.ReadString('\n')
	if err != nil {
		return fmt.Errorf("waiting for the server: %w", err)
	}
	p.addr, p.pid = strings.TrimSpace(greeting), p.cmd.Process.Pid
	if p.trace == "" {
		return nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.pid, p.pid))
	if err != nil {
		return err
	}
	p.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return err
}

// stop ends the server and waits for that.
func (p *process) stop() error {
	p.in.Close()
	stuck := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}

// stopTimeout is how long a server may take to end.
const stopTimeout = 10 * time.Second

// counters returns what the server has used. The call itself costs the server a
// read, a write, and some allocations, which are the same each time.
func (p *process) counters() (c counters, err error) {
	p.marks++
	c.number = p.marks
	c.mark = fmt.Sprintf("mark-%d", c.number)
	if _, err := fmt.Fprintln(p.in, c.mark); err != nil {
		return c, fmt.Errorf("%w: %w", errCounters, err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return c, fmt.Errorf("%w: %w", errCounters, err)
	}
	var mark string
	if _, err := fmt.Sscan(answer, &mark, &c.allocs); err != nil || mark != c.mark {
		return c, fmt.Errorf("%w: answer %q: %w", errCounters, answer, err)
	}
	return c, nil
}

// settle waits until the server has nothing to do any more: twice in a row, it has answered and
// has called neither read nor write for anything else.
func (p *process) settle(ctx context.Context) error {
	const quiet, most, own = 10 * time.Millisecond, 200, 2
	for calm := 0; calm < 2; {
		before, err := readWriteCalls(p.pid)
		if err != nil {
			return err
		}
		if _, err := p.counters(); err != nil {
			return err
		}
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		after, err := readWriteCalls(p.pid)
		if err != nil {
			return err
		}
		if calm++; after-before > own {
			calm = 0
		}
		if p.marks > most {
			return nil // an operation that never rests is measured all the same
		}
	}
	return nil
}

// pause waits, or returns the error of the context if that ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readWriteCalls returns how often a process has called read, write and their
// relatives, as the kernel counts it. Where there is no /proc it returns zero.
func readWriteCalls(pid int) (calls int64, err error) {
	if !hasProc() {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errCounters, err)
	}
	for text := range bytes.Lines(b) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(text)), ": ")
		if name != "syscr" && name != "syscw" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errCounters, err)
		}
		calls += n
	}
	return calls, nil
}

// hasProc tells whether the kernel counts calls.
func hasProc() bool {
	_, err := os.Stat("/proc/self/io")
	return err == nil
}
