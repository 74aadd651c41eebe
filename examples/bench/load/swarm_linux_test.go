package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// contract is a minimal server of the measuring contract, which can be made to
// misbehave.
type contract struct {
	deaf      bool // does not answer CONNECT
	repeating bool // delivers each broadcast twice
	mu        sync.Mutex
	members   []*websocket.Conn
}

// ServeHTTP serves one connection.
func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c.write(ws, `0{"sid":"x"}`)
	c.write(ws, "2")
	for {
		_, msg, err := ws.ReadMessage()
		if err != nil {
			return
		}
		c.message(ws, string(msg))
	}
}

// message handles one message of a client.
func (c *contract) message(ws *websocket.Conn, msg string) {
	body, _ := strings.CutPrefix(msg, eventMessage)
	id, args, _ := strings.Cut(body, "[")
	switch {
	case msg == "40":
		if !c.deaf {
			c.write(ws, `40{"sid":"y"}`)
		}
	case strings.HasPrefix(args, `"echo",`):
		c.write(ws, "43"+id+"["+strings.TrimPrefix(args, `"echo",`))
	case strings.HasPrefix(args, `"join",`):
		c.mu.Lock()
		c.members = append(c.members, ws)
		c.mu.Unlock()
		c.write(ws, "43"+id+"[]")
	case strings.HasPrefix(args, `"pub","bench",`):
		for _, member := range c.members {
			c.write(member, `42["msg",`+strings.TrimPrefix(args, `"pub","bench",`))
			if c.repeating {
				c.write(member, `42["msg",`+strings.TrimPrefix(args, `"pub","bench",`))
			}
		}
	}
}

// write writes a text message, one at a time.
func (c *contract) write(ws *websocket.Conn, msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = ws.WriteMessage(websocket.TextMessage, []byte(msg))
}

// swarmOn returns a swarm, and the address of a server that is run by c.
func swarmOn(t *testing.T, c *contract, tolerated *flaws) (*swarm, netip.AddrPort) {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	s, err := newSwarm(&lab{patience: 5 * time.Second}, &server{flaws: tolerated})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, netip.MustParseAddrPort(srv.Listener.Addr().String())
}

func TestSwarmEchoes(t *testing.T) {
	for _, eager := range []bool{false, true} {
		t.Run(fmt.Sprintf("eager=%v", eager), func(t *testing.T) {
			s, addr := swarmOn(t, &contract{}, nil)
			s.eager = eager
			if err := s.connect(t.Context(), addr, 100); err != nil {
				t.Fatal(err)
			}
			if s.ready != 100 || len(s.clients) != 100 {
				t.Fatalf("%d of %d clients connected", s.ready, len(s.clients))
			}
			for _, inFlight := range []int{1, 16} {
				if err := s.echo(t.Context(), inFlight, 3210); err != nil {
					t.Errorf("%d in flight: %v", inFlight, err)
				}
			}
		})
	}
}

func TestAudienceReceivesEverything(t *testing.T) {
	s, addr := swarmOn(t, &contract{}, nil)
	a, err := newAudience(t.Context(), s, 20, addr)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, window := range []int{1, 4, 32} {
		if err := a.broadcast(t.Context(), window, 50); err != nil {
			t.Fatalf("%d in flight: %v", window, err)
		}
		total += 50
	}
	for i, member := range a.members {
		if member.received != total {
			t.Errorf("member %d has received %d of %d", i, member.received, total)
		}
	}
	if a.publisher.received != 0 {
		t.Errorf("the publisher has received %d", a.publisher.received)
	}
}

func TestRepeatedDeliveryFails(t *testing.T) {
	s, addr := swarmOn(t, &contract{repeating: true}, nil)
	a, err := newAudience(t.Context(), s, 2, addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.broadcast(t.Context(), 1, 3); !errors.Is(err, errWrongDelivery) {
		t.Errorf("broadcast = %v", err)
	}
}

func TestSilentServerFails(t *testing.T) {
	s, addr := swarmOn(t, &contract{deaf: true}, nil)
	s.patience = 200 * time.Millisecond
	if err := s.connect(t.Context(), addr, 2); !errors.Is(err, errStalled) {
		t.Errorf("connect = %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.idle(canceled, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("idle = %v", err)
	}
}

func TestHungClientsAreReplacedWhereTolerated(t *testing.T) {
	tolerated := &flaws{}
	s, addr := swarmOn(t, &contract{deaf: true}, tolerated)
	ctx, cancel := context.WithTimeout(t.Context(), 2*tolerance)
	defer cancel()
	if err := s.connect(ctx, addr, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connect = %v", err)
	}
	if tolerated.hung != 3 || len(s.clients) != 3 {
		t.Errorf("%d clients replaced, %d are left", tolerated.hung, len(s.clients))
	}
}

func TestProcessFigures(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
	}
	after, err := cpuTime(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v, %v", before, after, err)
	}
	size, err := residentSize(os.Getpid())
	if err != nil || size < 1<<20 {
		t.Errorf("residentSize = %d, %v", size, err)
	}
}

func TestInstance(t *testing.T) {
	addr, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if port := addr.Port(); port < lowestPort || port > highestPort {
		t.Errorf("free port %d", port)
	}
	_, err = startInstance(t.Context(), addr, []string{"sh", "-c", "echo broken; exit 3"})
	if !errors.Is(err, errExited) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("startInstance = %v", err)
	}
}
