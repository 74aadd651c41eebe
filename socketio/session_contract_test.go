package socketio_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
)

// goodbyes records why sockets disconnected.
type goodbyes struct {
	mu  sync.Mutex
	all []string // "namespace: reason"
}

func (g *goodbyes) watch(ns ...*socketio.Namespace) *goodbyes {
	for _, n := range ns {
		n.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.all = append(g.all, s.Namespace().Name()+": "+string(r))
		})
	}
	return g
}

func (g *goodbyes) list() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(slices.Values(g.all))
}

// expect waits until as many sockets have disconnected as there are lines, and compares them without regard to their order.
func (g *goodbyes) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("sockets disconnect as in %q", want), func() bool { return len(g.list()) >= len(want) })
	slices.Sort(want)
	if got := g.list(); !slices.Equal(got, want) {
		t.Errorf("sockets disconnected as in %q, want %q", got, want)
	}
}

// Connecting and leaving: node-behaviour.md 2.11.
func TestSessionRules(t *testing.T) {
	s := serve(t, nil).echo()
	s.Of("/custom")
	guarded := s.Of("/guarded")
	guarded.Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "no"} })
	pending := s.Of("/pending")
	pending.Use(func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		return ctx.Err()
	})
	left := s.Of("/left")
	left.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		s.Disconnect(false)
		return nil
	})
	runRows(t, s, []row{
		{"unknown namespace", []string{`> 0/random,`, `< 4/random,{"message":"Invalid namespace"}`, "sync"}},
		{"unknown namespace again", []string{
			`> 0/random,`, `< 4/random,{"message":"Invalid namespace"}`, `> 0/random,`, `< 4/random,{"message":"Invalid namespace"}`, "sync",
		}},
		{"second namespace", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, "sync"}},
		{"CONNECT again to the main namespace", []string{`> 0`, "closed"}},
		{"CONNECT again to another namespace", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 0/custom,`, "closed"}},
		{"event for a namespace never joined", []string{`> 2/custom,["echo"]`, "closed"}},
		{"event for a namespace that does not exist", []string{`> 2/random,["echo"]`, "closed"}},
		{"acknowledgement for a namespace never joined", []string{`> 3/custom,1[]`, "closed"}},
		{"DISCONNECT from a namespace never joined", []string{`> 1/custom,`, "closed"}},
		{"event for a namespace that was left", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, `> 2/custom,["echo"]`, "closed"}},
		{"acknowledgement for a namespace that was left", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, `> 3/custom,1[]`, "closed"}},
		{"DISCONNECT twice", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, `> 1/custom,`, "closed"}},
		{"event while the guards run", []string{`> 0/pending,`, `> 2/pending,["echo"]`, "closed"}},
		{"acknowledgement while the guards run", []string{`> 0/pending,`, `> 3/pending,1[]`, "closed"}},
		{"DISCONNECT while the guards run", []string{`> 0/pending,`, `> 1/pending,`, "closed"}},
		{"guards do not hold up other namespaces", []string{`> 0/pending,`, "sync", `> 0/custom,`, `< 0/custom,{"sid":"*"}`, "sync"}},
		{"event after a refusal", []string{`> 0/guarded,`, `< 4/guarded,{"message":"no"}`, `> 2/guarded,["echo"]`, "closed"}},
		{"another try after a refusal", []string{
			`> 0/guarded,`, `< 4/guarded,{"message":"no"}`, `> 0/guarded,`, `< 4/guarded,{"message":"no"}`, "sync",
		}},
		{"leaving a namespace keeps the others", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, "sync"}},
		{"connecting again after leaving", []string{
			`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, `> 0/custom,`, `< 0/custom,{"sid":"*"}`, "sync",
		}},
		{"leaving the main namespace", []string{`> 1`, `> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 0`, `< 0{"sid":"*"}`, "sync"}},
		{"connecting again after the server's DISCONNECT", []string{
			`> 0/left,`, `< 0/left,{"sid":"*"}`, `< 1/left,`, `> 0/left,`, `< 0/left,{"sid":"*"}`, `< 1/left,`, "sync",
		}},
	})
}

// The server must close a connection that does not begin with a CONNECT.
func TestSessionBegins(t *testing.T) {
	s := serve(t, nil).echo()
	s.Of("/custom")
	for name, script := range map[string][]string{
		"event":                        {`> 2["echo"]`, "closed"},
		"acknowledgement":              {`> 31[]`, "closed"},
		"DISCONNECT":                   {`> 1`, "closed"},
		"binary":                       {"> " + bin("a"), "closed"},
		"event for another namespace":  {`> 0`, `< 0{"sid":"*"}`, `> 2/custom,["echo"]`, "closed"},
		"only another namespace":       {`> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 2["echo"]`, "closed"},
		"explicit main namespace":      {`> 0/,`, `< 0{"sid":"*"}`, "sync"},
		"main namespace with payload":  {`> 0{"a":1}`, `< 0{"sid":"*"}`, "sync"},
		"main namespace with no comma": {`> 0/`, `< 0{"sid":"*"}`, "sync"},
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) { s.open(t, transport).run(script...) })
		})
	}
}

// A client may send an event, an acknowledgement or a DISCONNECT before it knows that the server has disconnected it from the namespace. The
// reference closes the connection, so that the client loses its other namespaces as well.
func TestFaultPacketsThatCrossADisconnect(t *testing.T) {
	for _, late := range []string{`2/custom,["echo",1]`, `2/custom,3["echo",1]`, `3/custom,1[]`, `1/custom,`} {
		t.Run(late, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil).echo()
				got := &seen{}
				custom := s.Of("/custom")
				custom.OnAny(got)
				c := s.join(t, transport, "/", "/custom")
				for socket := range custom.Sockets() {
					socket.Disconnect(false)
				}
				c.run("> "+late, `< 1/custom,`, "> "+late, "sync", `> 0/custom,`, `< 0/custom,{"sid":"*"}`, "sync")
				got.mu.Lock()
				defer got.mu.Unlock()
				if len(got.names) > 0 {
					t.Errorf("the handlers got %q", got.names)
				}
			})
		})
	}
}

// That the server has disconnected a client once excuses no packet after the client has come back and left by itself.
func TestPacketsAfterComingBack(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		custom := s.Of("/custom")
		c := s.join(t, transport, "/", "/custom")
		for socket := range custom.Sockets() {
			socket.Disconnect(false)
		}
		c.run(`< 1/custom,`, `> 2/custom,["late"]`, "sync", `> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1/custom,`, "sync", `> 2/custom,["x"]`, "closed")
	})
}

// An error in a packet ends all the sockets of the connection with the same reason, whatever the transport: the reference says "forced server
// close" if the client polls.
func TestFaultForcedCloseOnBothTransports(t *testing.T) {
	for name, packet := range map[string]string{
		"malformed packet": `2[`, "unexpected packet": `2/random,["a"]`, "second CONNECT": `0`, "unexpected binary": bin("x"),
	} {
		t.Run(name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				bye := new(goodbyes).watch(s.Namespace, s.Of("/custom"))
				c := s.join(t, transport, "/", "/custom")
				c.send(packet)
				c.expectClosed()
				bye.expect(t, "/: forced close", "/custom: forced close")
				if n := s.Stats().BadPackets; n != 1 {
					t.Errorf("%d bad packets counted, want 1", n)
				}
			})
		})
	}
}

// The observer of bad input is told what was wrong.
func TestBadInputIsObserved(t *testing.T) {
	errs := make(chan error, 1)
	s := serve(t, &socketio.Options{Observers: []socketio.Observer{{BadInput: func(i socketio.BadInputInfo) { errs <- i.Err }}}})
	c := s.join(t, "websocket")
	c.send(`2["disconnect"]`)
	c.expectClosed()
	if err := await(t, "the error", errs); err == nil || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("the error is %v", err)
	}
}

// Timeouts of a connection without namespaces: node-behaviour.md 2.11 and the faults listed there.
func TestConnectTimeout(t *testing.T) {
	const limit = 45 * time.Second
	for _, tt := range []struct {
		name   string
		script []string
		closed bool
	}{
		{"nothing sent", nil, true},
		{"only a refused CONNECT", []string{`> 0/guarded,`, `< 4/guarded,{"message":"no"}`}, true},
		{"only an unknown namespace", []string{`> 0/random,`, `< 4/random,{"message":"Invalid namespace"}`}, true},
		{"guard that never answers", []string{`> 0/pending,`}, true},
		{"joined", []string{`> 0`, `< 0{"sid":"*"}`}, false},
		{"joined another", []string{`> 0/custom,`, `< 0/custom,{"sid":"*"}`}, false},
		{"joined two and left one", []string{`> 0`, `< 0{"sid":"*"}`, `> 0/custom,`, `< 0/custom,{"sid":"*"}`, `> 1`}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveTimeouts(t, nil)
				c := s.open(t, "websocket")
				c.run(tt.script...)
				time.Sleep(limit - time.Second)
				synctest.Wait()
				if s.Stats().Connections != 1 {
					t.Fatal("closed too early")
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if closed := s.Stats().Connections == 0; closed != tt.closed {
					t.Errorf("closed after %v: %t, want %t", limit, closed, tt.closed)
				}
			})
		})
	}
}

// serveTimeouts starts a server in the bubble of a synctest.
func serveTimeouts(t *testing.T, opts *socketio.Options) *testServer {
	t.Helper()
	s := serveInMemory(t, opts).echo()
	s.Of("/custom")
	s.Of("/guarded").Use(func(context.Context, *socketio.Socket) error { return &socketio.Error{Message: "no"} })
	s.Of("/pending").Use(func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		return ctx.Err()
	})
	return s
}

// Failed attempts do not prolong the time that a client has.
func TestConnectTimeoutIsNotProlonged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTimeouts(t, &socketio.Options{ConnectTimeout: 10 * time.Second})
		c := s.open(t, "websocket")
		for range 9 {
			time.Sleep(time.Second)
			c.run(`> 0/guarded,`, `< 4/guarded,{"message":"no"}`)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if n := s.Stats().Connections; n != 0 {
			t.Error("the connection is still open")
		}
	})
}

// The reference keeps a connection for ever that has left its last namespace.
func TestFaultIdleAfterTheLastDisconnect(t *testing.T) {
	for _, by := range []string{"client", "server"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveTimeouts(t, &socketio.Options{ConnectTimeout: 10 * time.Second})
				c := s.join(t, "websocket", "/", "/custom")
				time.Sleep(time.Minute)
				for _, name := range []string{"/", "/custom"} {
					if by == "client" {
						c.send("1" + name + ",")
						continue
					}
					for socket := range s.Of(name).Sockets() {
						socket.Disconnect(false)
					}
				}
				time.Sleep(9 * time.Second)
				synctest.Wait()
				if s.Stats().Connections != 1 {
					t.Fatal("closed too early")
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if s.Stats().Connections != 0 {
					t.Error("the connection is still open")
				}
			})
		})
	}
}

// Joining a namespace again stops the clock that started when the last one was left.
func TestConnectTimeoutAfterComingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTimeouts(t, &socketio.Options{ConnectTimeout: 10 * time.Second})
		c := s.join(t, "websocket")
		c.send("1")
		time.Sleep(9 * time.Second)
		c.connect("/", "")
		time.Sleep(time.Minute)
		c.sync()
	})
}
