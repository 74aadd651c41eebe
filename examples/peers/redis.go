package peers

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startTimeout bounds how long a program may take until it answers. It is generous: a machine may run several packages' tests at once.
const startTimeout = 30 * time.Second

// A RedisServer is a real redis-server of a test's own. Its methods are for one goroutine at a time.
type RedisServer struct {
	// Addr is its address, 127.0.0.1:port. It stays the same over Kill and Restart.
	Addr string
	// URL is the same as a redis:// URL of database 0.
	URL string
	// BusPort is the port of its cluster bus if it is given "--cluster-enabled", otherwise 0.
	BusPort int

	args []string
	log  *tail
	proc *process
}

// Redis starts a redis-server on a port of its own that keeps nothing on disk, and ends it when the test does. Further arguments, such
// as "--appendonly", "yes", are given to the program and win over what is set here; its folder is the test's own, and the bus of a
// cluster has a port of its own as well. It returns once the server answers.
func Redis(tb testing.TB, args ...string) *RedisServer {
	tb.Helper()
	path, dir := program(tb, "redis-server"), tb.TempDir()
	r := &RedisServer{log: &tail{}}
	tb.Cleanup(func() { r.cleanup(tb) })
	var err error
	for range 5 { // another process may take the port first
		port := FreePort(tb)
		r.Addr, r.URL = hostPort(port), fmt.Sprintf("redis://%s/0", hostPort(port))
		r.args = append([]string{
			path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no",
			"--daemonize", "no", "--loglevel", "warning",
		}, args...)
		if slices.Contains(args, "--cluster-enabled") {
			r.BusPort = FreePort(tb)
			r.args = append(r.args, "--cluster-port", strconv.Itoa(r.BusPort))
		}
		if err = r.start(); err == nil {
			return r
		}
	}
	tb.Fatalf("peers: redis-server: %v\n%s", err, r.log)
	return nil
}

// Kill ends the server at once, as a crash does.
func (r *RedisServer) Kill(tb testing.TB) {
	tb.Helper()
	r.proc.kill()
}

// Restart kills the server if it runs and starts it again on the same port. It returns once the server answers.
func (r *RedisServer) Restart(tb testing.TB) {
	tb.Helper()
	r.proc.kill()
	if err := r.start(); err != nil {
		tb.Fatalf("peers: redis-server: %v\n%s", err, r.log)
	}
}

// Pause freezes the server: its connections stay open and it answers nothing until Resume.
func (r *RedisServer) Pause(tb testing.TB) {
	tb.Helper()
	r.proc.freeze(tb)
}

// Resume lets a paused server go on.
func (r *RedisServer) Resume(tb testing.TB) {
	tb.Helper()
	r.proc.thaw(tb)
}

func (r *RedisServer) cleanup(tb testing.TB) {
	tb.Helper()
	if r.proc == nil {
		return
	}
	r.proc.kill()
	if tb.Failed() && r.log.String() != "" {
		tb.Logf("redis-server %s:\n%s", r.Addr, r.log)
	}
}

func (r *RedisServer) start() error {
	cmd := exec.Command(r.args[0], r.args[1:]...)
	cmd.Stdout, cmd.Stderr = r.log, r.log
	proc, err := start(cmd)
	if err != nil {
		return err
	}
	r.proc = proc
	if err := r.await(); err != nil {
		proc.kill()
		return err
	}
	return nil
}

// await polls the server until it answers.
func (r *RedisServer) await() error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := ping(r.Addr, r.password(), r.proc.cmd.Process.Pid)
		switch {
		case err == nil:
			return nil
		case r.proc.ended():
			return fmt.Errorf("ended instead of listening on %s: %w", r.Addr, r.proc.err)
		case time.Now().After(deadline):
			return fmt.Errorf("does not answer on %s: %w", r.Addr, err)
		}
		pause := time.NewTimer(5 * time.Millisecond)
		select {
		case <-r.proc.done:
			pause.Stop()
		case <-pause.C:
		}
	}
}

// ping checks that the server at an address is ready, and that it is the process with that pid: another test's server may
// have taken the port first.
func ping(addr, password string, pid int) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	commands := "PING\r\nINFO server\r\n"
	if password != "" {
		commands = "AUTH " + password + "\r\n" + commands
	}
	if _, err := conn.Write([]byte(commands)); err != nil {
		return err
	}
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n')
	if err == nil && password != "" && line == "+OK\r\n" {
		line, err = answer.ReadString('\n')
	}
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("answers %q to PING", line)
	}
	for err == nil && !strings.HasPrefix(line, "process_id:") {
		line, err = answer.ReadString('\n')
	}
	if err == nil && line != fmt.Sprintf("process_id:%d\r\n", pid) {
		err = fmt.Errorf("another process has the port: %q", line)
	}
	return err
}
