package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// halfUpgraded opens a polling client that has begun to upgrade and not finished.
func halfUpgraded(t *testing.T, s *testServer) *client {
	t.Helper()
	c := s.join(t, "polling")
	poll, ok := c.link.(*pollLink)
	if !ok {
		t.Fatal("not polling")
	}
	d := websocket.Dialer{NetDialContext: s.dial, HandshakeTimeout: patience}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(strings.Replace(poll.url, "transport=polling", "transport=websocket", 1), "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { conn.Close() })
	if err := conn.WriteMessage(websocket.TextMessage, []byte("2probe")); err != nil {
		t.Fatal(err)
	}
	if _, m, err := conn.ReadMessage(); err != nil || string(m) != "3probe" {
		t.Fatalf("the probe is answered with %q (%v)", m, err)
	}
	return c
}

// An accountant is an adapter that is counted as long as it is open.
type accountant struct {
	adapter.Adapter

	open *atomic.Int32
}

func (a accountant) Close(ctx context.Context) error {
	a.open.Add(-1)
	return a.Adapter.Close(ctx)
}

// A namespace that is made after Shutdown, or by a handler that Shutdown waits for, leaves no adapter open.
func TestNamespacesAfterShutdown(t *testing.T) {
	synctest.Test(t, namespacesAfterShutdown) // with a clock that does not run on while the machine stalls
}

func namespacesAfterShutdown(t *testing.T) {
	t.Helper()
	var open atomic.Int32
	s := serveInMemory(t, &socketio.Options{Adapter: func(h adapter.Host) adapter.Adapter {
		open.Add(1)
		return accountant{adapter.NewMemory(h), &open}
	}})
	running := make(chan struct{})
	s.Handle("x", socketio.HandlerFunc(func(ctx context.Context, e *socketio.Event) error {
		close(running)
		<-ctx.Done() // Shutdown has its list of sockets by then
		e.Socket.Server().Of("/meanwhile")
		return nil
	}))
	c := s.join(t, "websocket")
	c.send(`2["x"]`)
	await(t, "the handler", running)
	ctx, cancel := context.WithTimeout(deadline(t), time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if late := s.Of("/late"); late.Name() != "/late" || s.Of("/late") != late {
		t.Error("there is no such namespace")
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d adapters are open", n)
	}
}

// Shutdown tells all clients, delivers what was emitted before, and lets nobody in any more.
func TestShutdown(t *testing.T) {
	s := serve(t, &socketio.Options{Engine: engine.Options{WriteTimeout: time.Hour, UpgradeTimeout: time.Hour}}).echo() // so as not to wait for these
	bye := new(goodbyes).watch(s.Namespace)
	clients := append(s.crowd(t, "websocket", 50), s.crowd(t, "polling", 50)...)
	for range 20 {
		clients = append(clients, halfUpgraded(t, s))
	}
	for range 3 {
		slowReader(t, s)
	}
	eventually(t, "all are connected", func() bool { return s.Len() == 123 })
	if err := s.Emit("last", []byte("x")); err != nil {
		t.Fatal(err)
	}
	shutdown(t, s)
	for _, c := range clients {
		c.expect(`51-["last",{"_placeholder":true,"num":0}]`, bin("x"))
		c.expectClosed()
	}
	if got := bye.list(); len(got) != 123 || got[0] != "/: server shutting down" || got[122] != got[0] {
		t.Errorf("%d sockets ended as in %.200q", len(got), got)
	}
	for _, transport := range transports {
		if c, err := s.dialClient(transport); err == nil {
			c.start()
			c.close()
			t.Errorf("a %s client was accepted", transport)
		}
	}
	resp, err := http.Get(s.url + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a handshake has status %d, want 503", resp.StatusCode)
	}
	shutdown(t, s) // once more does no harm
}

// Shutdown waits for the handlers that run, and these may still answer and ask; events that come meanwhile are not handled any more.
func TestShutdownWaitsForHandlers(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		running, release := make(chan struct{}), make(chan struct{})
		socketio.OnWithAck(s, "work", func(ctx context.Context, s *socketio.Socket, _ socketio.None) (string, error) {
			close(running)
			<-release
			return socketio.As[string](s.EmitWithAck(ctx, "q"))
		})
		s.Handle("late", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
			t.Error("an event was handled that came after Shutdown had begun")
			return nil
		}))
		c := s.join(t, transport)
		c.send(`21["work"]`)
		await(t, "the handler", running)
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(deadline(t)) }()
		eventually(t, "the server refuses clients", s.Engine().Draining)
		c.send(`2["late"]`)
		close(release)
		c.answer("q", `["yes"]`)
		c.expect(`31["yes"]`)
		c.expectClosed()
		if err := await(t, "the end of Shutdown", done); err != nil {
			t.Error(err)
		}
	})
}

// A handler that runs on is cancelled after half of the time, and Shutdown ends without an error.
func TestShutdownCancelsHandlers(t *testing.T) {
	synctest.Test(t, shutdownCancelsHandlers)
}

func shutdownCancelsHandlers(t *testing.T) {
	s := serveInMemory(t, nil)
	running := make(chan struct{})
	var ended time.Time
	s.Handle("wait", socketio.HandlerFunc(func(ctx context.Context, _ *socketio.Event) error {
		close(running)
		<-ctx.Done()
		ended = time.Now()
		return ctx.Err()
	}))
	c := s.join(t, "websocket")
	c.send(`2["wait"]`)
	await(t, "the handler", running)
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if after := ended.Sub(start); after != time.Second {
		t.Errorf("the handler was cancelled after %v of 2s", after)
	}
	c.expectClosed()
}

// A handler that does not end makes Shutdown give up in time.
func TestShutdownGivesUp(t *testing.T) {
	s := serve(t, nil)
	running, release := make(chan struct{}), make(chan struct{})
	s.Handle("stuck", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		close(running)
		<-release
		return nil
	}))
	c := s.join(t, "websocket")
	c.send(`2["stuck"]`)
	await(t, "the handler", running)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("it took %v", took)
	}
	c.expectClosed()
	close(release)
	shutdown(t, s)
}

// Clients that come and go while the server shuts down do not keep it up.
func TestShutdownUnderLoad(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		stop := make(chan struct{})
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_ = s.visit(transport, func(c *client) error { return c.link.send(fmt.Sprintf(`42%d["echo"]`, i), "41") })
				}
			}
		}()
		eventually(t, "somebody has come", func() bool { return s.Stats().Connections > 0 })
		shutdown(t, s)
		close(stop)
		await(t, "the clients end", finished)
		if st := s.Stats(); st.Connections != 0 || st.Sockets != 0 {
			t.Errorf("stats are %+v", st)
		}
	})
}
