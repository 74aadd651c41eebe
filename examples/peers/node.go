package peers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	// evalTimeout bounds one piece of JavaScript: past it the process is taken to hang.
	evalTimeout = time.Minute
	// exitTimeout is how long the process may take to end when the test has.
	exitTimeout = 5 * time.Second
)

// errNodeEnded answers the calls that a Node.js process did not live to answer.
var errNodeEnded = errors.New("peers: the Node.js process has ended")

// A NodeProcess is a Node.js process that runs the JavaScript it is given. It is safe for concurrent use: what is given to it at the
// same time runs at the same time, as far as the event loop lets it.
type NodeProcess struct {
	proc   *process
	log    *tail
	stdin  io.WriteCloser
	read   chan struct{} // closed when the reader of its answers has ended
	killed sync.Once

	writing sync.Mutex // holds one line together

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer // by request; nil when the process has ended
}

type request struct {
	ID   int    `json:"id"`
	JS   string `json:"js"`
	Args []any  `json:"args"`
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Stack  string          `json:"error"`
	Text   string          `json:"message"`
	err    error
}

// A JSError is what the JavaScript threw.
type JSError struct {
	// Message is the error's own message, without its class.
	Message string
	// Stack is the error with the place it was thrown at.
	Stack string
}

// Error returns the message with its stack.
func (e *JSError) Error() string { return "peers: thrown by JavaScript: " + e.Stack }

// Node starts a Node.js process with the official packages in scope and ends it when the test does. See scope.mjs in
// examples/peers/node for the names in scope. What the process has written to its console is logged when the test fails.
func Node(tb testing.TB) *NodeProcess {
	tb.Helper()
	cmd := exec.Command(program(tb, "node"), "driver.mjs")
	cmd.Dir = NodeDir(tb)
	n := &NodeProcess{log: &tail{}, read: make(chan struct{}), waiting: map[int]chan answer{}}
	cmd.Stderr = n.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatalf("peers: node: %v", err)
	}
	// An own pipe, since Wait would close the one of StdoutPipe under the reader.
	stdout, out := io.Pipe()
	cmd.Stdout, n.stdin = out, stdin
	ready := n.expect(0)
	if n.proc, err = start(cmd); err != nil {
		tb.Fatalf("peers: node: %v", err)
	}
	go func() {
		<-n.proc.done
		out.Close()
	}()
	go n.readAnswers(stdout)
	tb.Cleanup(func() { n.cleanup(tb) })
	if _, err := await(ready, startTimeout); err != nil {
		tb.Fatalf("peers: node does not start: %v\n%s", err, n.log)
	}
	return n
}

// Eval runs js as the body of an async function and decodes what it returns into out, as Try does. It fails the test when the
// JavaScript throws. It must be called on the test's goroutine.
func (n *NodeProcess) Eval(tb testing.TB, out any, js string, args ...any) {
	tb.Helper()
	if err := n.Try(out, js, args...); err != nil {
		tb.Fatal(err)
	}
}

// Try runs js as the body of an async function and decodes what it returns, as JSON, into out; a nil out drops it. The args arrive
// in the array args; what must survive until a later call is kept as a property of the object ctx. Buffers in the result and in
// the arguments travel as Bin. The error is a *JSError when the JavaScript throws. JavaScript that takes longer than a minute is an error.
func (n *NodeProcess) Try(out any, js string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	id, answered := n.register()
	line, err := json.Marshal(request{ID: id, JS: js, Args: args})
	if err != nil {
		return fmt.Errorf("peers: encoding the arguments of JavaScript: %w", err)
	}
	if err := n.write(append(line, '\n')); err != nil {
		return err
	}
	a, err := await(answered, evalTimeout)
	if err != nil {
		return fmt.Errorf("%w\nin: %.400s", err, js)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, out); err != nil {
		return fmt.Errorf("peers: decoding what JavaScript returned, %.300s: %w", a.Result, err)
	}
	return nil
}

// Kill ends the process at once, as a crash does.
func (n *NodeProcess) Kill() {
	n.killed.Do(func() {
		n.proc.kill()
		<-n.read
	})
}

// Pause freezes the process: what is given to it waits until Resume.
func (n *NodeProcess) Pause(tb testing.TB) {
	tb.Helper()
	n.proc.freeze(tb)
}

// Resume lets a paused process go on.
func (n *NodeProcess) Resume(tb testing.TB) {
	tb.Helper()
	n.proc.thaw(tb)
}

// cleanup lets the process leave by itself, so that what it has started in turn, such as a browser, ends with it.
func (n *NodeProcess) cleanup(tb testing.TB) {
	tb.Helper()
	n.stdin.Close()
	patience := time.NewTimer(exitTimeout)
	defer patience.Stop()
	select {
	case <-n.proc.done:
	case <-patience.C:
	}
	n.Kill()
	if tb.Failed() && n.log.String() != "" {
		tb.Logf("node's console:\n%s", n.log)
	}
}

func (n *NodeProcess) write(line []byte) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	if _, err := n.stdin.Write(line); err != nil {
		return fmt.Errorf("%w: %w", errNodeEnded, err)
	}
	return nil
}

func (n *NodeProcess) register() (int, <-chan answer) {
	n.mu.Lock()
	n.last++
	id := n.last
	n.mu.Unlock()
	return id, n.expect(id)
}

func (n *NodeProcess) expect(id int) <-chan answer {
	c := make(chan answer, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		c <- answer{err: errNodeEnded}
		return c
	}
	n.waiting[id] = c
	return c
}

// readAnswers hands each answer to the call that waits for it, until the process ends.
func (n *NodeProcess) readAnswers(stdout io.Reader) {
	defer close(n.read)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			n.fail()
			return
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			fmt.Fprintf(n.log, "not an answer: %s", line)
			continue
		}
		n.mu.Lock()
		c := n.waiting[a.ID]
		delete(n.waiting, a.ID)
		n.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
}

func (n *NodeProcess) fail() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.waiting {
		c <- answer{err: errNodeEnded}
	}
	n.waiting = nil
}

func await(c <-chan answer, limit time.Duration) (answer, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-c:
		if a.Stack != "" {
			return a, &JSError{Message: a.Text, Stack: a.Stack}
		}
		return a, a.err
	case <-timer.C:
		return answer{}, fmt.Errorf("peers: JavaScript did not end within %v", limit)
	}
}
