package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/socketio"
)

// contract is a minimal server of the measuring contract, which can be made to
// misbehave.
type contract struct {
	deaf       bool          // does not answer CONNECT
	repeating  bool          // delivers each broadcast twice
	fragmented bool          // writes each message in pieces
	late       time.Duration // how long the first echo, and each start of a handler that waits, takes
	shuffled   bool          // the first two events of a burst are exchanged
	brief      bool          // the last event of a burst is missing
	mute       bool          // tells of no start of a handler
	echoes     atomic.Int64
	waits      atomic.Int64
	spins      atomic.Int64
	mu         sync.Mutex
	members    map[string][]*websocket.Conn
}

// ServeHTTP serves one connection.
func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := (&websocket.Upgrader{WriteBufferSize: 16}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c.write(ws, websocket.TextMessage, `0{"sid":"x"}`)
	c.write(ws, websocket.TextMessage, "2")
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
			c.write(ws, websocket.TextMessage, `40{"sid":"y"}`)
		}
	case strings.HasPrefix(args, `"echo",`):
		if c.echoes.Add(1) == 1 {
			time.Sleep(c.late)
		}
		c.write(ws, websocket.TextMessage, "43"+id+"["+strings.TrimPrefix(args, `"echo",`))
	case strings.HasPrefix(args, `"join",`):
		c.mu.Lock()
		if c.members == nil {
			c.members = map[string][]*websocket.Conn{}
		}
		room := strings.Trim(strings.TrimPrefix(args, `"join",`), `]"`)
		c.members[room] = append(c.members[room], ws)
		c.mu.Unlock()
		c.write(ws, websocket.TextMessage, "43"+id+"[]")
	case strings.HasPrefix(args, `"pub",`):
		c.publish(ws, strings.HasPrefix(msg, binaryMessage), strings.TrimPrefix(args, `"pub",`))
	case strings.HasPrefix(args, `"wait",`):
		c.waits.Add(1)
		time.Sleep(c.late)
		if !c.mute {
			c.write(ws, websocket.TextMessage, startedMessage)
		}
	case strings.HasPrefix(args, `"spin",`):
		c.spins.Add(1)
	case strings.HasPrefix(args, `"burst",`):
		var count, size int
		if _, err := fmt.Sscanf(args, `"burst",%d,%d]`, &count, &size); err == nil {
			c.burst(ws, count, size)
		}
	}
}

// burst emits events.
func (c *contract) burst(ws *websocket.Conn, count, size int) {
	if c.brief {
		count--
	}
	for i := range count {
		if c.shuffled && i < 2 {
			i = 1 - i
		}
		payload := fmt.Sprintf("%0*d", sequenceSize, i+1) + strings.Repeat("b", size-sequenceSize)
		c.write(ws, websocket.TextMessage, eventOpening+payload+eventClosing)
	}
}

// publish delivers a broadcast, whose payload is the next message if it is binary.
func (c *contract) publish(ws *websocket.Conn, binary bool, args string) {
	room, payload, _ := strings.Cut(args, ",")
	head, attachment := eventMessage+`["msg",`+payload, ""
	if binary {
		_, msg, err := ws.ReadMessage()
		if err != nil {
			return
		}
		head, attachment = binaryMessage+`["msg",`+payload, string(msg)
	}
	times := 1
	if c.repeating {
		times = 2
	}
	for _, member := range c.members[strings.Trim(room, `"`)] {
		for range times {
			c.write(member, websocket.TextMessage, head)
			if binary {
				c.write(member, websocket.BinaryMessage, attachment)
			}
		}
	}
}

// write writes a message, one at a time.
func (c *contract) write(ws *websocket.Conn, kind int, msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fragmented {
		_ = ws.WriteMessage(kind, []byte(msg))
		return
	}
	// A writer that is written to in pieces sends each that fills its buffer.
	w, err := ws.NextWriter(kind)
	if err != nil {
		return
	}
	for piece := range slices.Chunk([]byte(msg), 10) {
		_, _ = w.Write(piece)
	}
	_ = w.Close()
}

// swarmOn returns a swarm, and the address of a server that is run by c.
func swarmOn(t *testing.T, c *contract) (*swarm, netip.AddrPort) {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	s, err := newSwarm(&lab{patience: 15 * time.Second})
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
			s, addr := swarmOn(t, &contract{})
			s.eager = eager
			if err := s.connect(t.Context(), addr, 100); err != nil {
				t.Fatal(err)
			}
			if s.ready != 100 || len(s.clients) != 100 {
				t.Fatalf("%d of %d clients connected", s.ready, len(s.clients))
			}
			for _, inFlight := range []int{1, 16} {
				done, err := s.echo(t.Context(), inFlight, 1000, 20*time.Millisecond)
				if err != nil || done < 100*inFlight {
					t.Errorf("%d in flight: %d done, %v", inFlight, done, err)
				}
			}
		})
	}
}

func TestAudienceReceivesEverything(t *testing.T) {
	tests := []struct {
		name   string
		server *contract
		rooms  int
		size   int
		binary bool
	}{
		{"one room", &contract{}, 1, usualSize, false},
		{"many rooms", &contract{}, 5, usualSize, false},
		{"binary", &contract{}, 1, usualSize, true},
		{"long messages", &contract{}, 1, 5000, false},
		{"fragments", &contract{fragmented: true}, 1, 100, false},
		{"binary fragments", &contract{fragmented: true}, 2, 100, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, addr := swarmOn(t, tt.server)
			a, err := newAudiences(t.Context(), s, tt.rooms, 20, addr)
			if err != nil {
				t.Fatal(err)
			}
			a.size, a.binary = tt.size, tt.binary
			observed := 0
			a.observe = func(time.Duration) { observed++ }
			total := 0
			for _, window := range []int{1, 4, 32} {
				n, err := a.broadcast(t.Context(), window, 40, 0)
				if err != nil {
					t.Fatalf("%d in flight: %v", window, err)
				}
				total += n
			}
			if total != 3*40*20 || observed != total {
				t.Errorf("%d deliveries, of which %d were observed", total, observed)
			}
			for i, member := range a.members {
				if member.received != total/20/tt.rooms {
					t.Errorf("member %d has received %d", i, member.received)
				}
			}
			if a.publisher.received != 0 {
				t.Errorf("the publisher has received %d", a.publisher.received)
			}
		})
	}
}

// library serves the contract with this library, which offers polling.
func library(t *testing.T) netip.AddrPort {
	t.Helper()
	io := socketio.NewServer(nil)
	socketio.OnWithAck(io, "echo", func(_ context.Context, _ *socketio.Socket, data json.RawMessage) (json.RawMessage, error) {
		return data, nil
	})
	socketio.On(io, "join", func(_ context.Context, s *socketio.Socket, room string) error {
		s.Join(room)
		return nil
	})
	socketio.On(io, "pub", func(_ context.Context, _ *socketio.Socket, p socketio.Args2[string, json.RawMessage]) error {
		return io.To(p.A).Emit("msg", p.B)
	})
	srv := httptest.NewServer(io)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := io.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		srv.Close()
	})
	return netip.MustParseAddrPort(srv.Listener.Addr().String())
}

func TestPollingClients(t *testing.T) {
	addr := library(t)
	s, err := newSwarm(&lab{patience: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	s.polling = true
	a, err := newAudience(t.Context(), s, 30, addr)
	if err != nil {
		t.Fatal(err)
	}
	if a.publisher.polling || !a.members[0].polling || a.members[0].posts == nil {
		t.Error("the members do not poll on two connections, or the publisher does")
	}
	if n, err := a.broadcast(t.Context(), 4, 20, 0); n != 20*30 || err != nil {
		t.Errorf("%d deliveries, %v", n, err)
	}
	if err := s.idle(t.Context(), 50*time.Millisecond); err != nil {
		t.Error(err)
	}
	if done, err := s.echo(t.Context(), 2, 100, 20*time.Millisecond); err != nil || done < 2*31 {
		t.Errorf("%d round trips, %v", done, err)
	}
}

func TestStuckMembersDoNotRead(t *testing.T) {
	addr := library(t)
	r := &rig{lab: &lab{patience: 10 * time.Second, sizes: sizes{span: 10 * time.Millisecond}}, instances: []*instance{{addr: addr}}}
	var err error
	if r.swarm, err = newSwarm(r.lab); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.swarm.close(); err != nil {
			t.Error(err)
		}
	})
	if r.audience, err = newAudience(t.Context(), r.swarm, 10, addr); err != nil {
		t.Fatal(err)
	}
	figures, err := measureStuck(t.Context(), r)
	if err != nil || len(figures) != 1 || figures[0] <= 0 {
		t.Errorf("measureStuck = %v, %v", figures, err)
	}
	if len(r.swarm.clients) != 12 {
		t.Errorf("%d clients", len(r.swarm.clients))
	}
}

func TestRepeatedDeliveryFails(t *testing.T) {
	s, addr := swarmOn(t, &contract{repeating: true})
	a, err := newAudience(t.Context(), s, 2, addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.broadcast(t.Context(), 1, 3, 0); !errors.Is(err, errWrongDelivery) {
		t.Errorf("broadcast = %v", err)
	}
}

func TestSilentServerFails(t *testing.T) {
	s, addr := swarmOn(t, &contract{deaf: true})
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

func TestProcessFigures(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Not for a span of the clock: on a busy machine this program may get nothing of it.
	after := before
	for end := time.Now().Add(10 * time.Second); after <= before && err == nil; after, err = cpuTime(os.Getpid()) {
		if time.Now().After(end) {
			t.Fatalf("the CPU time stays %v", before)
		}
	}
	if err != nil {
		t.Error(err)
	}
	size, err := residentSize(os.Getpid())
	if err != nil || size < 1<<20 {
		t.Errorf("residentSize = %d, %v", size, err)
	}
}

func TestPeakSize(t *testing.T) {
	grow := func(size int) {
		b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < size; i += 4096 {
			b[i] = 1
		}
		if err := unix.Munmap(b); err != nil {
			t.Fatal(err)
		}
	}
	const large, small = 256 << 20, 64 << 20
	grow(large)
	if err := resetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	before, err := residentSize(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	grow(small)
	peak, err := peakSize(os.Getpid())
	if added := peak - before; err != nil || added < small/2 || added > large/2 {
		t.Errorf("the peak has grown by %d bytes, %v", added, err)
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
