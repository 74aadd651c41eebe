package main

import (
	"errors"
	"testing"
	"time"
)

// crowdOn returns a rig with size clients and one to be timed on a server that is
// run by c.
func crowdOn(t *testing.T, c *contract, size int, z sizes) *rig {
	t.Helper()
	s, addr := swarmOn(t, c)
	if err := s.connect(t.Context(), addr, size+1); err != nil {
		t.Fatal(err)
	}
	return &rig{lab: &lab{sizes: z}, swarm: s}
}

// A lower bound of the figures, and what the server has got, do not depend on the machine.
func TestWaitingHandlersAreTimed(t *testing.T) {
	const late = 30 * time.Millisecond
	server := &contract{late: late}
	r := crowdOn(t, server, 50, sizes{wait: time.Millisecond})
	figures, err := measureWaiting(t.Context(), r)
	if err != nil || len(figures) != 2 || figures[0] < milliseconds(late) || figures[1] < milliseconds(late) {
		t.Errorf("measureWaiting = %v, %v", figures, err)
	}
	if n := server.waits.Load(); n != 50 {
		t.Errorf("%d handlers have waited", n)
	}
	if server.echoes.Load() < 2 {
		t.Error("there was one round trip only")
	}
}

func TestHandlersThatDoNotStartFail(t *testing.T) {
	r := crowdOn(t, &contract{mute: true}, 2, sizes{wait: time.Millisecond})
	r.swarm.patience = 200 * time.Millisecond
	if _, err := measureWaiting(t.Context(), r); !errors.Is(err, errStalled) {
		t.Errorf("measureWaiting = %v", err)
	}
}

func TestSpinningHandlersAreTimed(t *testing.T) {
	const late = 30 * time.Millisecond
	server := &contract{late: late}
	r := crowdOn(t, server, 10, sizes{wait: 100 * time.Millisecond, spins: 5000})
	start := time.Now()
	figures, err := measureSpinning(t.Context(), r)
	if err != nil || len(figures) != 1 || figures[0] < milliseconds(late) {
		t.Errorf("measureSpinning = %v, %v", figures, err)
	}
	if n := server.spins.Load(); n != 500 {
		t.Errorf("%d events were sent, want 500", n)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("they were sent within %v", took)
	}
}
