package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// A process is a running child. It is waited for exactly once, whoever ends it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its output is complete
	err  error         // why it ended; set before done is closed
}

// start runs cmd. The caller ends it with kill.
func start(cmd *exec.Cmd) (*process, error) {
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends the process at once and waits until it is gone. It may be called more than once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only when the process has ended already
	<-p.done
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tail keeps the last bytes written to it. It is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 32 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// program returns the path of an installed program. It skips a test that is to be short.
func program(tb testing.TB, name string) string {
	tb.Helper()
	if testing.Short() {
		tb.Skipf("peers: needs %s", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // which is in the path of administrators only
	}
	if err != nil {
		tb.Fatalf("peers: %s is not installed: run make deps", name)
	}
	return path
}

// NodeDir returns the folder examples/peers/node of the repository that the test runs in, with its npm packages installed. It fails
// the test when they are not.
func NodeDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("peers: finding the repository: %v", err)
	}
	for {
		node := filepath.Join(dir, "examples", "peers", "node")
		if exists(filepath.Join(node, "driver.mjs")) {
			if !exists(filepath.Join(node, "node_modules", "socket.io", "package.json")) {
				tb.Fatal("peers: the npm packages of examples/peers/node are not installed: run make deps")
			}
			return node
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("peers: examples/peers/node is in none of the folders above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
