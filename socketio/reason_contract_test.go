package socketio_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// partings records the reasons with their details, as an observer is told them.
type partings struct {
	mu  sync.Mutex
	all []parting
}

type parting struct {
	reason socketio.Reason
	err    error
}

func (p *partings) observer() socketio.Observer {
	return socketio.Observer{Disconnected: func(i socketio.DisconnectedInfo) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all = append(p.all, parting{i.Reason, i.Err})
	}}
}

func (p *partings) list() []parting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]parting(nil), p.all...)
}

// The exact reasons of node-behaviour.md 1.10.
func TestReasons(t *testing.T) {
	const one = `{"_placeholder":true,"num":0}`
	for _, tt := range []struct {
		name      string
		transport string // both if empty
		end       func(t *testing.T, s *testServer, c *client)
		reason    socketio.Reason
		detail    error
	}{
		{"client leaves the namespace", "", func(_ *testing.T, _ *testServer, c *client) { c.send("1") }, "client namespace disconnect", nil},
		{"server disconnects the socket", "", func(_ *testing.T, s *testServer, _ *client) {
			for socket := range s.Sockets() {
				socket.Disconnect(false)
			}
		}, "server namespace disconnect", nil},
		{"server closes the connection", "", func(_ *testing.T, s *testServer, _ *client) {
			for socket := range s.Sockets() {
				socket.Disconnect(true)
			}
		}, "server namespace disconnect", nil},
		{"server closes the session", "", func(_ *testing.T, s *testServer, _ *client) {
			for socket := range s.Sockets() {
				socket.Conn().Close(engine.ForcedClose)
			}
		}, "forced close", nil},
		{"shutdown", "", func(t *testing.T, s *testServer, _ *client) { shutdown(t, s) }, "server shutting down", nil},
		{"client closes", "polling", func(_ *testing.T, _ *testServer, c *client) { c.sendRaw("1") }, "transport close", nil},
		{"client closes its engine", "websocket", func(_ *testing.T, _ *testServer, c *client) { c.sendRaw("1") }, "transport close", nil},
		{"connection is closed", "websocket", func(_ *testing.T, _ *testServer, c *client) { c.close() }, "transport close", nil},
		{"poll is aborted", "polling", func(t *testing.T, s *testServer, c *client) {
			c.sync()
			for socket := range s.Sockets() {
				eventually(t, "a poll is pending", socket.Conn().Writable)
			}
			c.link.close()
		}, "transport error", engine.ErrPollAborted},
		{"unknown engine packet", "", func(_ *testing.T, _ *testServer, c *client) { c.sendRaw("9") }, "parse error", nil},
		{"ping from the client", "", func(_ *testing.T, _ *testServer, c *client) { c.sendRaw("2") }, "transport error", engine.ErrHeartbeatDirection},
		{"malformed packet", "", func(_ *testing.T, _ *testServer, c *client) { c.send("2[") }, "forced close", nil},
		{"invalid state", "", func(_ *testing.T, _ *testServer, c *client) { c.send("0") }, "forced close", nil},
		{"text for binary", "", func(_ *testing.T, _ *testServer, c *client) { c.send(`51-["a",`+one+`]`, "1") }, "forced close", nil},
		{"message too large", "", func(_ *testing.T, _ *testServer, c *client) {
			c.send(`2["` + strings.Repeat("a", 1_000_000) + `"]`)
		}, "transport error", engine.ErrPayloadTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				if tt.transport != "" && tt.transport != transport {
					return
				}
				var p partings
				s := serve(t, &socketio.Options{Observers: []socketio.Observer{p.observer()}}).echo()
				bye := new(goodbyes).watch(s.Namespace)
				c := s.join(t, transport)
				tt.end(t, s, c)
				bye.expect(t, "/: "+string(tt.reason))
				got := p.list()
				if len(got) != 1 || got[0].reason != tt.reason || tt.detail != nil && !errors.Is(got[0].err, tt.detail) {
					t.Errorf("the observer was told %v", got)
				}
			})
		})
	}
}

// The reasons are the strings of the reference.
func TestReasonTexts(t *testing.T) {
	for reason, text := range map[socketio.Reason]string{
		socketio.TransportClose: "transport close", socketio.TransportError: "transport error", socketio.PingTimeout: "ping timeout",
		socketio.ParseError: "parse error", socketio.ForcedClose: "forced close", socketio.ServerShutdown: "server shutting down",
		socketio.ServerNamespaceDisconnect: "server namespace disconnect", socketio.ClientNamespaceDisconnect: "client namespace disconnect",
		socketio.SlowConsumer: "slow consumer",
	} {
		if string(reason) != text {
			t.Errorf("%q should be %q", reason, text)
		}
	}
}

// A client that does not answer pings is given up after the interval and the timeout.
func TestReasonPingTimeout(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveInMemory(t, nil)
				bye := new(goodbyes).watch(s.Namespace)
				c, err := s.dialClient(transport)
				if err != nil {
					t.Fatal(err)
				}
				c.noPong = true
				c.start()
				defer c.close()
				c.connect("/", "")
				time.Sleep(44 * time.Second)
				synctest.Wait()
				if len(bye.list()) > 0 {
					t.Fatalf("it ended early: %q", bye.list())
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := bye.list(); len(got) != 1 || got[0] != "/: ping timeout" {
					t.Errorf("it ended with %q", got)
				}
			})
		})
	}
}

// slowReader opens a WebSocket that sends a CONNECT and then never reads.
func slowReader(t *testing.T, s *testServer) net.Conn {
	t.Helper()
	conn, err := s.dial(context.Background(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
	_, err = conn.Write([]byte(earlyConnect))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A client that does not read is disconnected once its queue is full. The others get everything.
func TestSlowConsumer(t *testing.T) {
	s := serve(t, &socketio.Options{Engine: engine.Options{MaxQueueBytes: 200_000, PingTimeout: time.Hour}}).echo()
	bye := new(goodbyes).watch(s.Namespace)
	slowReader(t, s)
	fast, poller := s.join(t, "websocket"), s.join(t, "polling")
	eventually(t, "three sockets", func() bool { return s.Len() == 3 })
	text := strings.Repeat("x", 10_000)
	for i := 0; len(bye.list()) == 0; i++ {
		if i == 5000 {
			t.Fatal("50 MB were queued for a client that does not read")
		}
		if err := s.Emit("flood", text); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*client{fast, poller} {
			c.expect(`2["flood","` + text + `"]`)
		}
	}
	fast.sync()
	poller.sync()
	if got := bye.list(); len(got) != 1 || got[0] != "/: slow consumer" {
		t.Errorf("sockets ended with %q", got)
	}
}

// Volatile events are dropped for a client that does not read, and it is not disconnected for them; others are not dropped.
func TestVolatile(t *testing.T) {
	s := serve(t, &socketio.Options{Engine: engine.Options{MaxQueueBytes: 200_000, WriteTimeout: time.Hour, PingTimeout: time.Hour}}).echo()
	bye := new(goodbyes).watch(s.Namespace)
	slowReader(t, s)
	fast, other := s.joinSocket(t, "websocket", "/")
	eventually(t, "two sockets", func() bool { return s.Len() == 2 })
	var slow *socketio.Socket
	for socket := range s.Sockets() {
		if socket != other {
			slow = socket
		}
	}
	text, blob := strings.Repeat("x", 10_000), make([]byte, 10_000)
	for i := range 2000 {
		if err := slow.Volatile().Emit("flood", text, blob); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 { // which is more than may wait, too
			if err := s.Volatile().Emit("news", i, blob); err != nil {
				t.Fatal(err)
			}
			fast.expect(`51-["news",`+itoa(i)+`,{"_placeholder":true,"num":0}]`, bin(string(blob)))
		}
	}
	if got := bye.list(); len(got) > 0 {
		t.Errorf("sockets ended with %q", got)
	}
	if !slow.Connected() || slow.Conn().Writable() {
		t.Errorf("connected %t, writable %t", slow.Connected(), slow.Conn().Writable())
	}
}

// A volatile event is dropped as a whole while no poll is pending.
func TestVolatileWhilePolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t, nil).echo()
		var bye goodbyes
		bye.watch(s.Namespace)
		c, err := s.dialClient("polling")
		if err != nil {
			t.Fatal(err)
		}
		c.send("0") // and no poll
		synctest.Wait()
		for socket := range s.Sockets() {
			if err := socket.Volatile().Emit("dropped", []byte("x"), 1); err != nil {
				t.Error(err)
			}
			if err := socket.Emit("kept"); err != nil {
				t.Error(err)
			}
		}
		c.start()
		defer c.close()
		c.expect(`0{"sid":"*"}`, `2["kept"]`)
		c.sync()
		synctest.Wait() // a poll is pending
		for socket := range s.Sockets() {
			if err := socket.Volatile().Emit("sent", []byte("x")); err != nil {
				t.Error(err)
			}
		}
		c.expect(`51-["sent",{"_placeholder":true,"num":0}]`, bin("x"))
	})
}
