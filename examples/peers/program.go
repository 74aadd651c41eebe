package peers

import (
	"os/exec"
	"testing"
)

// A Program is a child process of a test's own. Its methods are for one goroutine at a time.
type Program struct{ proc *process }

// Start starts a program, and kills it when the test ends.
func Start(tb testing.TB, cmd *exec.Cmd) *Program {
	tb.Helper()
	proc, err := start(cmd)
	if err != nil {
		tb.Fatalf("peers: %v", err)
	}
	tb.Cleanup(proc.kill)
	return &Program{proc: proc}
}

// Kill ends the program at once, as a crash does.
func (p *Program) Kill() { p.proc.kill() }

// Ended is closed when the program has ended and its output is complete.
func (p *Program) Ended() <-chan struct{} { return p.proc.done }

// Pause freezes the program until Resume.
func (p *Program) Pause(tb testing.TB) {
	tb.Helper()
	p.proc.freeze(tb)
}

// Resume lets a paused program go on.
func (p *Program) Resume(tb testing.TB) {
	tb.Helper()
	p.proc.thaw(tb)
}

func (p *process) freeze(tb testing.TB) {
	tb.Helper()
	if err := p.pause(); err != nil {
		tb.Fatalf("peers: pausing %s: %v", p.cmd.Path, err)
	}
}

func (p *process) thaw(tb testing.TB) {
	tb.Helper()
	if err := p.resume(); err != nil {
		tb.Fatalf("peers: resuming %s: %v", p.cmd.Path, err)
	}
}
