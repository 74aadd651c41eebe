package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// eachTransportInBubble runs a test on both transports with a fake clock.
func eachTransportInBubble(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	eachTransport(t, func(t *testing.T, transport string) {
		synctest.Test(t, func(t *testing.T) { test(t, transport) })
	})
}

// joinDeaf connects a client that reads nothing before it is started.
func (s *testServer) joinDeaf(t *testing.T, transport string) (*client, *socketio.Socket) {
	t.Helper()
	known := map[*socketio.Socket]bool{}
	for socket := range s.Sockets() {
		known[socket] = true
	}
	c, err := s.dialClient(transport)
	if err != nil {
		t.Fatal(err)
	}
	c.tb = t
	t.Cleanup(c.close)
	c.send("0")
	synctest.Wait()
	for socket := range s.Sockets() {
		if !known[socket] {
			return c, socket
		}
	}
	t.Fatal("no socket")
	return nil, nil
}

// patient are options with which nobody is given up during a test.
var patient = socketio.Options{Engine: engine.Options{WriteTimeout: time.Hour, PingInterval: time.Hour}}

// flushing calls Flush on another goroutine.
func flushing(ctx context.Context, s *socketio.Socket) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Flush(ctx) }()
	synctest.Wait()
	return done
}

// Flush returns when the transport has taken what was emitted before, and not earlier.
func TestFlush(t *testing.T) {
	eachTransportInBubble(t, func(t *testing.T, transport string) {
		s := serveInMemory(t, &patient)
		c, socket := s.joinDeaf(t, transport)
		for i := range 10 {
			if err := socket.Emit("n", i, []byte("blob")); err != nil {
				t.Fatal(err)
			}
		}
		done := flushing(t.Context(), socket)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatalf("Flush does not wait: %v", <-done)
		}
		c.start()
		if err := <-done; err != nil {
			t.Errorf("Flush returns %v", err)
		}
		synctest.Wait()
		if err := socket.Flush(t.Context()); err != nil || socket.Backlog() != (socketio.Backlog{}) {
			t.Errorf("with nothing to wait for Flush returns %v, the backlog is %+v", err, socket.Backlog())
		}
		c.expect(`0{"sid":"*"}`)
		for i := range 10 {
			c.expect(`51-["n",`+itoa(i)+`,{"_placeholder":true,"num":0}]`, bin("blob"))
		}
	})
}

// Flush gives up with its context, or when what it waits for will not happen.
func TestFlushThatFails(t *testing.T) {
	stopped := errors.New("stopped")
	for name, tt := range map[string]struct {
		end  func(stop context.CancelCauseFunc, c *client, s *socketio.Socket)
		want error
	}{
		"context":    {func(stop context.CancelCauseFunc, _ *client, _ *socketio.Socket) { stop(stopped) }, stopped},
		"connection": {func(_ context.CancelCauseFunc, _ *client, s *socketio.Socket) { s.Conn().Discard(socketio.ForcedClose) }, socketio.ErrDisconnected},
		"client":     {func(_ context.CancelCauseFunc, c *client, _ *socketio.Socket) { c.sendRaw("1") }, socketio.ErrDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			eachTransportInBubble(t, func(t *testing.T, transport string) {
				s := serveInMemory(t, &patient)
				c, socket := s.joinDeaf(t, transport)
				if err := socket.Emit("x"); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				done := flushing(ctx, socket)
				tt.end(stop, c, socket)
				if err := <-done; !errors.Is(err, tt.want) {
					t.Errorf("Flush returns %v, want %v", err, tt.want)
				}
				c.start()
			})
		})
	}
}

// A socket that has disconnected has nothing to flush, though its connection lives on.
func TestFlushOfDisconnectedSockets(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		c, socket := s.joinSocket(t, transport, "/")
		socket.Disconnect(false)
		if err := socket.Flush(t.Context()); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("Flush returns %v", err)
		}
		c.expect("1")
	})
}

// A producer that flushes now and then never has more waiting than it has emitted since, whatever it emits in all.
func TestFlushSlowsProducersDown(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, &socketio.Options{Engine: engine.Options{MaxQueueBytes: 2 << 20}})
		text := strings.Repeat("x", 10_000)
		const n = 3000 // 30 MB, which is far more than may wait
		failed := make(chan error, 1)
		s.OnConnect(func(ctx context.Context, socket *socketio.Socket) error {
			for i := range n {
				err := socket.Emit("n", i, text)
				if err == nil && i%50 == 49 {
					err = socket.Flush(ctx)
				}
				if err != nil {
					failed <- err
					return err
				}
			}
			return nil
		})
		c := s.join(t, transport)
		for i := range n {
			c.expect(`2["n",` + itoa(i) + `,"` + text + `"]`)
		}
		if len(failed) > 0 {
			t.Error(<-failed)
		}
	})
}

// The backlog grows with what waits, tells since when nothing has been taken, and is gone when the client has everything. That of many is
// that of the worst.
func TestBacklog(t *testing.T) {
	for name, factory := range map[string]adapter.Factory{
		"memory":                  nil,
		"adapter of another kind": func(h adapter.Host) adapter.Adapter { return struct{ adapter.Adapter }{adapter.NewMemory(h)} },
	} {
		t.Run(name, func(t *testing.T) {
			eachTransportInBubble(t, func(t *testing.T, transport string) { backlog(t, transport, factory) })
		})
	}
}

func backlog(t *testing.T, transport string, factory adapter.Factory) {
	t.Helper()
	opts := patient
	opts.Adapter = factory
	s := serveInMemory(t, &opts)
	fast, _ := s.joinSocket(t, transport, "/")
	c, slow := s.joinDeaf(t, transport)
	slow.Join("room")
	other, slower := s.joinDeaf(t, transport)
	for _, socket := range []*socketio.Socket{slow, slower, slower} {
		if err := socket.Emit("x", strings.Repeat("x", 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Emit("all"); err != nil {
		t.Fatal(err)
	}
	fast.expect(`2["all"]`)
	began := time.Now()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	one, two := slow.Backlog(), slower.Backlog()
	if one.Packets < 2 || one.Bytes < 10_000 || two.Packets < 3 || two.Bytes < 20_000 || one.Bytes > 15_000 || one.Since.After(began) || one.Since.IsZero() {
		t.Errorf("the backlogs are %+v and %+v", one, two)
	}
	for what, b := range map[string]struct{ got, want socketio.Backlog }{
		"all":             {s.Local().Backlog(), two},
		"room":            {s.To("room").Backlog(), one},
		"except":          {s.Except(slower.ID()).Backlog(), one},
		"other":           {s.To("nowhere").Backlog(), socketio.Backlog{}},
		"all but the two": {s.Except("room", slower.ID()).Backlog(), socketio.Backlog{}},
	} {
		if b.got != b.want {
			t.Errorf("the backlog of %s is %+v, want %+v", what, b.got, b.want)
		}
	}
	c.start()
	other.start()
	synctest.Wait()
	if got := s.Local().Backlog(); got != (socketio.Backlog{}) {
		t.Errorf("with nothing to wait for the backlog is %+v", got)
	}
	slow.Disconnect(false)
	if got := slow.Backlog(); got != (socketio.Backlog{}) {
		t.Errorf("the backlog of a socket that has gone is %+v", got)
	}
}
