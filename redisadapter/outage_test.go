package redisadapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// pair is a cluster of two Go nodes.
type pair struct {
	server *peers.RedisServer
	admin  *redis.Client
	nodes  [2]*adaptertest.Host
	peers  [2]*adaptertest.Peer
	events int
}

// tooLong is longer than the operations of a pair may take. What would have them
// wait for something else than their context is set to it.
const tooLong = 2 * adaptertest.Patience

func startPair(t *testing.T, opts *Options) *pair {
	t.Helper()
	p := &pair{server: peers.Redis(t)}
	p.admin = client(t, p.server.Addr)
	for i := range p.nodes {
		rdb := clientWith(t, &redis.Options{Addr: p.server.Addr, ReadTimeout: tooLong})
		p.nodes[i] = openHost(t, "/", New(rdb, opts))
		p.peers[i] = p.nodes[i].Connect("room")
	}
	p.settle(t)
	return p
}

// settle waits until both nodes see both nodes, and an event from either reaches
// both.
func (p *pair) settle(t *testing.T) {
	t.Helper()
	for _, h := range p.nodes {
		eventually(t, "both nodes to listen", func() bool {
			n, err := h.Adapter().ServerCount(t.Context())
			return err == nil && n == 2
		})
	}
	for _, h := range p.nodes {
		p.events++
		data := fmt.Sprintf(`["settle",%d]`, p.events)
		eventually(t, "an event to be published", func() bool {
			return h.Adapter().Broadcast(t.Context(), event("/", data), adapter.Target{}) == nil
		})
		for _, peer := range p.peers {
			for d := peer.Next(t); string(d.Packet.Data) != data; d = peer.Next(t) {
				if strings.HasPrefix(string(d.Packet.Data), `["settle"`) {
					continue // it was refused at first, but delivered here
				}
				if !strings.HasPrefix(string(d.Packet.Data), `["lost"`) {
					t.Fatalf("got %s", d.Packet.Data)
				}
			}
		}
	}
}

// listeners checks that each node listens with one connection.
func (p *pair) listeners(t *testing.T) {
	t.Helper()
	counts, err := p.admin.PubSubNumSub(t.Context(), "socket.io-request#/#").Result()
	if err != nil || counts["socket.io-request#/#"] != 2 {
		t.Errorf("listeners: %v, %v, want 2", counts, err)
	}
}

// TestRestart kills Redis and starts it again.
func TestRestart(t *testing.T) {
	p := startPair(t, &Options{RequestTimeout: tooLong})
	p.server.Kill(t)
	i := 0
	eventually(t, "a broadcast to tell that Redis is not there", func() bool {
		i++
		data := fmt.Sprintf(`["lost",%d]`, i)
		err := p.nodes[0].Adapter().Broadcast(t.Context(), event("/", data), adapter.Target{})
		_, failed := errors.AsType[*UnavailableError](err)
		if err != nil && !failed {
			t.Errorf("Broadcast: %v", err)
		}
		if d := p.peers[0].Next(t); string(d.Packet.Data) != data {
			t.Errorf("the local socket got %s, want %s", d.Packet.Data, data)
		}
		return failed
	})
	for what, err := range p.operations(t, 200*time.Millisecond) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p.server.Restart(t)
	p.settle(t)
	p.listeners(t)
	for what, err := range p.operations(t, adaptertest.Patience) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// operations runs what waits for Redis, each within the timeout.
func (p *pair) operations(t *testing.T, timeout time.Duration) map[string]error {
	t.Helper()
	a := p.nodes[0].Adapter()
	p.peers[0].AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(`[1]`)}) })
	p.peers[1].AnswerWith(func(d *adaptertest.Delivery) { d.Answer(adapter.Reply{Data: []byte(`[1]`)}) })
	p.nodes[1].OnServerEvent(func(e adaptertest.ServerEvent) {
		if e.Respond != nil {
			e.Respond(adapter.Reply{Data: []byte(`[1]`)})
		}
	})
	defer p.nodes[1].OnServerEvent(nil)
	errs := make(map[string]error)
	run := func(what string, f func(ctx context.Context) error) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		start := time.Now()
		errs[what] = f(ctx)
		if took := time.Since(start); took > timeout+adaptertest.Patience {
			t.Errorf("%s took %v, its timeout is %v", what, took, timeout)
		}
	}
	run("ServerCount", func(ctx context.Context) error { _, err := a.ServerCount(ctx); return err })
	run("Fetch", func(ctx context.Context) error {
		sockets, err := a.Fetch(ctx, adapter.Target{})
		if len(sockets) == 0 {
			t.Error("the local socket was not fetched")
		}
		return err
	})
	run("JoinAll", func(ctx context.Context) error { return a.JoinAll(ctx, adapter.Target{}, "joined") })
	run("ServerEmit", func(ctx context.Context) error { return a.ServerEmit(ctx, []byte(`["x"]`), nil) })
	run("ServerCollect", func(ctx context.Context) (err error) {
		for _, e := range a.ServerCollect(ctx, []byte(`["x"]`), nil) {
			err = e
		}
		return err
	})
	run("Collect", func(ctx context.Context) (err error) {
		got := 0
		for _, e := range a.Collect(ctx, event("/", `["lost"]`), adapter.Target{}) {
			if err = e; err == nil {
				got++
			}
		}
		if got == 0 {
			t.Error("the local socket's answer was not collected")
		}
		return err
	})
	for _, peer := range p.peers {
		peer.Inbox()
	}
	return errs
}

// TestKilledConnections has Redis close all connections of the nodes.
func TestKilledConnections(t *testing.T) {
	p := startPair(t, nil)
	for round := range 3 {
		for _, kind := range []string{"pubsub", "normal"} {
			if err := p.admin.ClientKillByFilter(t.Context(), "type", kind, "skipme", "yes").Err(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		p.settle(t)
		p.listeners(t)
	}
}

// TestFrozen stops the Redis process without closing its connections.
func TestFrozen(t *testing.T) {
	p := startPair(t, &Options{RequestTimeout: tooLong, MaxQueued: 50})
	p.server.Pause(t)
	for what, err := range p.operations(t, 200*time.Millisecond) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	full := false
	for i := range 100 {
		data := fmt.Sprintf(`["lost",%d]`, i)
		err := p.nodes[0].Adapter().Broadcast(t.Context(), event("/", data), adapter.Target{})
		full = full || errors.Is(err, ErrQueueFull)
		if d := p.peers[0].Next(t); string(d.Packet.Data) != data {
			t.Errorf("the local socket got %s, want %s", d.Packet.Data, data)
		}
	}
	if !full {
		t.Error("the queue has no bound")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	other := openHost(t, "/other", New(client(t, p.server.Addr), nil))
	if err := other.Adapter().Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	p.server.Resume(t)
	p.settle(t)
	p.listeners(t)
}

// forgetful is a connection that passes on all that is written. If it is to lose answers it
// breaks when a message has been published through it.
type forgetful struct {
	net.Conn

	lose *atomic.Bool
	lost atomic.Bool
}

func (f *forgetful) Write(b []byte) (int, error) {
	n, err := f.Conn.Write(b)
	if f.lose.Load() && bytes.Contains(b, []byte("publish")) {
		f.lost.Store(true)
	}
	return n, err
}

func (f *forgetful) Read(b []byte) (int, error) {
	if f.lost.Load() {
		return 0, io.EOF
	}
	n, err := f.Conn.Read(b)
	if f.lost.Load() {
		return 0, io.EOF
	}
	return n, err
}

// TestNothingIsSentTwice has Redis publish what it is given, and the answers lost.
func TestNothingIsSentTwice(t *testing.T) {
	server := peers.Redis(t)
	var lose atomic.Bool
	rdb := clientWith(t, &redis.Options{Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.Addr)
		return &forgetful{Conn: conn, lose: &lose}, err
	}})
	a, b := openHost(t, "/", New(rdb, nil)), openHost(t, "/", New(client(t, server.Addr), nil))
	p, events := b.Connect(), make(chan string, 10)
	b.OnServerEvent(func(e adaptertest.ServerEvent) { events <- string(e.Data) })
	ready := func() {
		t.Helper()
		eventually(t, "both nodes to listen", func() bool {
			n, err := a.Adapter().ServerCount(t.Context())
			m, otherErr := b.Adapter().ServerCount(t.Context())
			return err == nil && otherErr == nil && n == 2 && m == 2
		})
	}
	ready()
	lose.Store(true)
	if err := a.Adapter().Broadcast(t.Context(), event("/", `["once"]`), adapter.Target{}); err != nil {
		t.Fatal(err)
	}
	err := a.Adapter().ServerEmit(patience(t), []byte(`["after"]`), nil)
	if _, ok := errors.AsType[*UnavailableError](err); !ok {
		t.Errorf("ServerEmit: %v", err)
	}
	lose.Store(false)
	ready()
	err = a.Adapter().Broadcast(t.Context(), event("/", `["end"]`), adapter.Target{})
	if _, queued := errors.AsType[*UnavailableError](err); err != nil && !queued {
		t.Fatal(err)
	}
	got := ""
	for d := p.Next(t); string(d.Packet.Data) != `["end"]`; d = p.Next(t) {
		got += string(d.Packet.Data)
	}
	if got != `["once"]` {
		t.Errorf("got %s, want it once", got)
	}
	select {
	case e := <-events:
		if e != `["after"]` || len(events) > 0 {
			t.Errorf("got %s and %d events more, want one", e, len(events))
		}
	case <-patience(t).Done():
		t.Error("the event has not come")
	}
}

// TestNeverConnected opens and closes a namespace that no Redis was there for.
func TestNeverConnected(t *testing.T) {
	h := openHost(t, "/", New(unreachable(t), &Options{RequestTimeout: 300 * time.Millisecond}))
	p := h.Connect()
	if err := h.Adapter().Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{}); err != nil {
		t.Errorf("Broadcast: %v", err)
	}
	p.Next(t)
	eventually(t, "ServerCount to tell the reason", func() bool {
		n, err := h.Adapter().ServerCount(t.Context())
		timeout, ok := errors.AsType[*TimeoutError](err)
		if !ok {
			t.Fatalf("ServerCount: %d, %v", n, err)
		}
		return errors.Is(timeout.Err, syscall.ECONNREFUSED)
	})
	if err := h.Adapter().ServerEmit(t.Context(), []byte(`["x"]`), nil); err == nil {
		t.Error("ServerEmit has succeeded")
	}
}

// TestPermissions has a user that may not listen, and is allowed to later.
func TestPermissions(t *testing.T) {
	server := peers.Redis(t)
	admin := client(t, server.Addr)
	allow := func(channels ...string) {
		t.Helper()
		rules := append([]string{"on", ">secret", "+@all", "resetchannels"}, channels...)
		if err := admin.ACLSetUser(t.Context(), "node", rules...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	allow("&socket.io-request#*", "&socket.io-response#*")
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "node", Password: "secret"})
	defer rdb.Close()
	h := openHost(t, "/", New(rdb, &Options{RequestTimeout: 500 * time.Millisecond}))
	eventually(t, "ServerCount to tell the reason", func() bool {
		_, err := h.Adapter().ServerCount(t.Context())
		if err == nil {
			t.Error("ServerCount has succeeded")
		}
		return err == nil || strings.Contains(err.Error(), "NOPERM")
	})
	p := h.Connect()
	if err := h.Adapter().Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{}); err != nil {
		t.Errorf("Broadcast: %v", err)
	}
	p.Next(t)
	allow("&socket.io-request#*", "&socket.io-response#*", "&socket.io#/#*")
	eventually(t, "the node to listen", func() bool {
		n, err := h.Adapter().ServerCount(t.Context())
		return err == nil && n == 1
	})
	closeHost(t, h)
}

func closeHost(t *testing.T, h *adaptertest.Host) {
	t.Helper()
	if err := h.Adapter().Close(patience(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestOddNames has namespaces and keys with the special characters of patterns.
func TestOddNames(t *testing.T) {
	server := peers.Redis(t)
	for _, name := range []string{"/a[1]", "/q?", "/st*r", `/back\slash`, "/[^a]", "/ü#x", "/a b"} {
		t.Run(name, func(t *testing.T) {
			var hosts [2]*adaptertest.Host
			for i := range hosts {
				hosts[i] = openHost(t, name, New(client(t, server.Addr), &Options{Key: "k*[x]?"}))
			}
			p := hosts[1].Connect("ro*m")
			for _, h := range hosts {
				eventually(t, "both nodes to listen", func() bool {
					n, err := h.Adapter().ServerCount(t.Context())
					return err == nil && n == 2
				})
			}
			for _, rooms := range [][]string{nil, {"ro*m"}} {
				if err := hosts[0].Adapter().Broadcast(t.Context(), event(name, `["x"]`), adapter.Target{Rooms: rooms}); err != nil {
					t.Fatal(err)
				}
				p.Next(t)
			}
		})
	}
}

// TestNamespacesShareAConnection opens and closes namespaces of one server, and
// of two servers that share a factory.
func TestNamespacesShareAConnection(t *testing.T) {
	server := peers.Redis(t)
	admin := client(t, server.Addr)
	listening := func(want int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d connections to listen", want), func() bool {
			list, err := admin.ClientList(t.Context()).Result()
			return err == nil && strings.Count(list, " flags=P ") == want
		})
	}
	factory := New(client(t, server.Addr), nil)
	one, two := openHost(t, "/", factory), openHost(t, "/two", factory)
	for _, h := range []*adaptertest.Host{one, two} {
		if n, err := h.Adapter().ServerCount(patience(t)); err != nil || n != 1 {
			t.Errorf("%d nodes, %v", n, err)
		}
	}
	listening(1)
	other := adaptertest.NewHost("/", "other server", factory)
	if n, err := other.Adapter().ServerCount(patience(t)); err != nil || n != 2 {
		t.Errorf("%d nodes, %v", n, err)
	}
	listening(2)
	closeHost(t, other)
	listening(1)
	closeHost(t, one)
	counts, err := admin.PubSubNumSub(t.Context(), "socket.io-request#/#", "socket.io-request#/two#").Result()
	if err != nil || counts["socket.io-request#/#"] != 0 || counts["socket.io-request#/two#"] != 1 {
		t.Errorf("listeners: %v, %v", counts, err)
	}
	again := openHost(t, "/", factory)
	if n, err := again.Adapter().ServerCount(patience(t)); err != nil || n != 1 {
		t.Errorf("%d nodes, %v", n, err)
	}
	closeHost(t, again)
	closeHost(t, two)
	listening(0)
	last := openHost(t, "/", factory)
	if n, err := last.Adapter().ServerCount(patience(t)); err != nil || n != 1 {
		t.Errorf("%d nodes, %v", n, err)
	}
	listening(1)
}
