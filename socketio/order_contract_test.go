package socketio_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// A client's packets are handled in order, however many of them may wait.
func TestEventOrder(t *testing.T) {
	for _, pending := range []int{0, 1, 1300} { // bytes
		t.Run(itoa(pending)+" pending", func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) { eventOrder(t, transport, pending) })
		})
	}
}

func eventOrder(t *testing.T, transport string, pending int) {
	t.Helper()
	const n = 2000
	s := serve(t, &socketio.Options{MaxPendingBytes: pending})
	next, done := 0, make(chan struct{})
	socketio.On(s, "n", func(_ context.Context, _ *socketio.Socket, i int) error {
		if i != next {
			t.Errorf("event %d came in place of %d", i, next)
		}
		if next++; next == n {
			close(done)
		}
		return nil
	})
	c := s.join(t, transport)
	for start := 0; start < n; start += 100 {
		var batch []string
		for i := start; i < start+100; i++ {
			batch = append(batch, `2["n",`+itoa(i)+`]`)
		}
		c.send(batch...)
	}
	await(t, "all events", done)
}

// A handler that waits holds up neither the client's sockets in other namespaces nor its acknowledgements.
func TestHandlersOfOneClient(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		release := make(chan struct{})
		for _, name := range []string{"/a", "/b"} {
			socketio.OnWithAck(s.Of(name), "wait", func(context.Context, *socketio.Socket, socketio.None) (string, error) {
				<-release
				return name, nil
			})
		}
		socketio.OnWithAck(s, "ask", func(ctx context.Context, s *socketio.Socket, _ socketio.None) (int, error) {
			return socketio.As[int](s.EmitWithAck(ctx, "q"))
		})
		c := s.join(t, transport, "/", "/a", "/b")
		c.send(`2/a,1["wait"]`, `2/b,1["wait"]`, `21["ask"]`, `22["echo","behind"]`)
		c.answer("q", "[7]")
		c.expect(`31[7]`, `32["behind"]`)
		c.sync()
		close(release)
		got := []string{c.next(), c.next()}
		if slices.Sort(got); !slices.Equal(got, []string{`3/a,1["/a"]`, `3/b,1["/b"]`}) {
			t.Errorf("the answers are %q", got)
		}
	})
}

// Events reach a client in the order in which they were emitted, whether to its socket or to a room, and acknowledgements among them.
func TestEmitOrder(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		const n = 500
		socketio.OnWithAck(s, "go", func(_ context.Context, sock *socketio.Socket, _ socketio.None) (int, error) {
			sock.Join("room")
			for i := range n {
				to := []socketio.Emitter{sock, s.To("room"), s, s.To(sock.ID())}[i%4]
				if err := to.Emit("n", i, []byte{byte(i)}); err != nil {
					return 0, err
				}
			}
			return n, nil
		})
		c := s.join(t, transport)
		c.send(`21["go"]`)
		for i := range n {
			c.expect(`51-["n",`+itoa(i)+`,{"_placeholder":true,"num":0}]`, bin(string([]byte{byte(i)})))
		}
		c.expect(`31[` + itoa(n) + `]`)
	})
}

// What a client sent before it left is handled, and then its disconnect functions are called. What it sent before the server disconnected it
// is dropped.
func TestEventsBeforeTheEnd(t *testing.T) {
	const n = 50
	for _, tt := range []struct {
		name  string
		leave func(c *client, s *socketio.Socket)
		all   bool
	}{
		{"client leaves", func(c *client, _ *socketio.Socket) { c.send("1") }, true},
		{"client closes", func(c *client, _ *socketio.Socket) { c.close() }, true},
		{"server disconnects", func(_ *client, s *socketio.Socket) { s.Disconnect(false) }, false},
		{"server closes", func(_ *client, s *socketio.Socket) { s.Disconnect(true) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, nil)
				running, release, gone := make(chan struct{}, n), make(chan struct{}), make(chan int, 1)
				handled := 0
				socketio.On(s, "n", func(ctx context.Context, _ *socketio.Socket, i int) error {
					running <- struct{}{}
					<-release
					if i != handled || ctx.Err() == nil {
						t.Errorf("event %d came after %d others, its context has ended with %v", i, handled, ctx.Err())
					}
					handled++
					return nil
				})
				s.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { gone <- handled })
				c, socket := s.joinSocket(t, transport, "/")
				var events []string
				for i := range n {
					events = append(events, `2["n",`+itoa(i)+`]`)
				}
				c.send(append(events, `3999[]`)...)
				await(t, "the first event", running)
				tt.leave(c, socket)
				eventually(t, "the socket ends", func() bool { return !socket.Connected() })
				close(release)
				if got := await(t, "the disconnect functions", gone); got != n && tt.all || got != 1 && !tt.all {
					t.Errorf("%d of %d events were handled before them", got, n)
				}
				shutdown(t, s)
				if !tt.all && handled != 1 {
					t.Errorf("%d events were handled", handled)
				}
			})
		})
	}
}
