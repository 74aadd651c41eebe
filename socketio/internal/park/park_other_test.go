//go:build !linux || noparking

package park

import (
	"errors"
	"net"
	"testing"
)

// ran is a task that leaves a trace.
type ran bool

func (r *ran) Run() { *r = true }

// Without a poller nothing is adopted, and tasks are run where they are.
func TestUnsupported(t *testing.T) {
	if p, err := New(); p != nil || !errors.Is(err, ErrUnsupported) {
		t.Fatalf("New: %v; want no poller and %v", err, ErrUnsupported)
	}
	var p Poller
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if err := p.Adopt(new(Conn), one, nil); !errors.Is(err, ErrUnsupported) || p.Len() != 0 {
		t.Errorf("Adopt: %v, %d connections; want %v and none", err, p.Len(), ErrUnsupported)
	}
	var task ran
	new(Worker).RunTask(&task)
	if !task {
		t.Error("the task was not run")
	}
}
