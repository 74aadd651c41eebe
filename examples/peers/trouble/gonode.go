package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

// callTimeout bounds a call of a node: past it the node is taken to hang.
const callTimeout = 30 * time.Second

// A goNode is a process of this program that is a server.
type goNode struct {
	is   string
	proc *peers.Program
	rpc  *rpc.Client
	log  *lineLog
}

// startGo starts a Go node.
func startGo(tb testing.TB, name string) node {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("trouble: %v", err)
	}
	g := &goNode{is: name, log: &lineLog{}}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), nodeEnv+"="+name)
	cmd.Stderr = g.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatalf("trouble: %v", err)
	}
	// An own pipe, since Wait would close the one of StdoutPipe under the reader.
	stdout, out := io.Pipe()
	cmd.Stdout = out
	g.proc = peers.Start(tb, cmd)
	go func() {
		<-g.proc.Ended()
		out.Close()
	}()
	g.rpc = rpc.NewClient(stdio{stdout, stdin})
	tb.Cleanup(g.leave)
	return g
}

// leave ends the process, which does so by itself with its input.
func (g *goNode) leave() {
	_ = g.rpc.Close() // fails only if it is closed already
	patience := time.NewTimer(2 * shutdownTimeout)
	defer patience.Stop()
	select {
	case <-g.proc.Ended():
	case <-patience.C:
		g.proc.Kill()
	}
}

func (g *goNode) name() string     { return g.is }
func (g *goNode) language() string { return golang }

func (g *goNode) call(method string, arg, answer any) error {
	call := g.rpc.Go("Node."+method, arg, answer, make(chan *rpc.Call, 1))
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	select {
	case <-call.Done:
		if call.Error != nil {
			return fmt.Errorf("trouble: %s of %s: %w", method, g.is, call.Error)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("trouble: %s of %s has not answered in %v", method, g.is, callTimeout)
	}
}

func (g *goNode) listen(l Link) error { return g.call("Listen", l, &None{}) }

func (g *goNode) heard() (int, []string, error) {
	var h Heard
	err := g.call("Heard", None{}, &h)
	return h.Messages, h.From, err
}

func (g *goNode) send(interval time.Duration) error { return g.call("Send", interval, &None{}) }

func (g *goNode) burst(messages, size int) error {
	return g.call("Burst", Burst{Messages: messages, Size: size}, &None{})
}

func (g *goNode) halt() error { return g.call("Halt", None{}, &None{}) }

// probe has the node ask for the others once a second.
func (g *goNode) probe() error { return g.call("Probe", None{}, &None{}) }

func (g *goNode) report() (r report, err error) {
	var data []byte
	if err = g.call("Report", None{}, &data); err == nil {
		err = json.Unmarshal(data, &r) //nolint:musttag // the names are the fields'
	}
	r.Lines = g.log.all()
	return r, err
}

func (g *goNode) pause(tb testing.TB)  { tb.Helper(); g.proc.Pause(tb) }
func (g *goNode) resume(tb testing.TB) { tb.Helper(); g.proc.Resume(tb) }
func (g *goNode) kill()                { g.proc.Kill() }

// A lineLog keeps the lines that are written to it. It is safe for concurrent use.
type lineLog struct {
	mu    sync.Mutex
	lines []string
	rest  []byte
}

func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.lines, l.rest = append(l.lines, string(line)), rest
	}
}

func (l *lineLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}
