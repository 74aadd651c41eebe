package socketio_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/parser"
)

func TestMaxNamespaces(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, &socketio.Options{MaxNamespaces: 2}).echo()
		for _, n := range []string{"/a", "/b", "/c"} {
			s.Of(n)
		}
		c := s.join(t, transport, "/", "/a")
		c.run(
			`> 0/b,`, `< 4/b,{"message":"too many namespaces"}`, "sync",
			`> 1/a,`, `> 0/b,`, `< 0/b,{"sid":"*"}`,
			`> 0/c,`, `< 4/c,{"message":"too many namespaces"}`, "sync",
		)
	})
}

// Namespaces whose guards run count as well.
func TestMaxNamespacesPending(t *testing.T) {
	s := serve(t, &socketio.Options{MaxNamespaces: 2}).echo()
	s.Of("/pending").Use(func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		return ctx.Err()
	})
	s.Of("/b")
	s.join(t, "websocket").run(`> 0/pending,`, `> 0/b,`, `< 4/b,{"message":"too many namespaces"}`, "sync")
}

func TestDefaultMaxNamespaces(t *testing.T) {
	s := serve(t, nil).echo()
	var names []string
	for i := range 40 {
		names = append(names, "/"+itoa(i))
		s.Of(names[i])
	}
	c := s.join(t, "websocket")
	for _, n := range names[:31] {
		c.run("> 0"+n+",", "< 0"+n+`,{"sid":"*"}`)
	}
	c.run(`> 0/31,`, `< 4/31,{"message":"too many namespaces"}`, "sync")
}

// A client with more events than its handlers take is not read any more, and gets on when they have caught up. What counts is the memory of
// the events that have not been handled, the present one included. An event that is larger by itself waits alone.
func TestMaxPendingBytes(t *testing.T) {
	for _, tt := range []struct {
		name           string
		size, answered int32
		binary         bool
	}{{"three fit", 300, 3, false}, {"two fit", 600, 2, false}, {"larger than the limit", 5000, 1, false}, {"larger attachment", 5000, 1, true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveInMemory(t, &socketio.Options{MaxPendingBytes: 2000})
				entered, release := make(chan struct{}, 10), make(chan struct{})
				handled := 0
				s.Handle("x", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
					entered <- struct{}{}
					<-release
					handled++
					return nil
				}))
				c := s.join(t, "polling")
				var sent atomic.Int32
				go func() {
					for range 10 {
						if tt.binary {
							c.send(`51-["x",{"_placeholder":true,"num":0}]`, bin(strings.Repeat("y", int(tt.size))))
						} else {
							c.send(`2["x","` + strings.Repeat("y", int(tt.size)) + `"]`)
						}
						if sent.Add(1) == 1 {
							<-entered // or the queue may be full before the handler has the first one
						}
					}
				}()
				synctest.Wait()
				if n := sent.Load(); n != tt.answered {
					t.Errorf("%d requests were answered while the handler was stuck, want %d", n, tt.answered)
				}
				close(release)
				synctest.Wait()
				if handled != 10 || sent.Load() != 10 {
					t.Errorf("handled %d, answered %d", handled, sent.Load())
				}
			})
		})
	}
}

// Events that have been handled take no place, even if others have waited all the time.
func TestEventsThatWereHandledDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveInMemory(t, &socketio.Options{MaxPendingBytes: 2000})
		entered, release := make(chan struct{}), make(chan struct{})
		s.Handle("x", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
			entered <- struct{}{}
			<-release
			return nil
		}))
		socketio.OnWithAck(s.Of("/other"), "echo", func(_ context.Context, _ *socketio.Socket, a socketio.Args) (socketio.Args, error) {
			return a, nil
		})
		c := s.join(t, "websocket", "/", "/other")
		c.send(`2["x"]`)
		<-entered
		for range 20 {
			c.run(`> 2["x"]`, `> 2/other,1["echo","read"]`, `< 3/other,1["read"]`) // the reader does not wait for room
			release <- struct{}{}
			<-entered
		}
		close(release)
	})
}

func TestMaxPendingAcks(t *testing.T) {
	s := serve(t, &socketio.Options{MaxPendingAcks: 2}).echo()
	c, socket := s.joinSocket(t, "websocket", "/")
	first, second := ask(t, socket, "q"), ask(t, socket, "q")
	ids := []string{c.question("q"), c.question("q")}
	if _, err := socket.EmitWithAck(deadline(t), "q"); !errors.Is(err, socketio.ErrTooManyAcks) {
		t.Errorf("the third question gives %v", err)
	}
	all, err := s.EmitWithAck(deadline(t), "q")
	if len(all) != 0 || err != nil {
		t.Errorf("a broadcast gives %d answers (%v)", len(all), err)
	}
	c.sync() // none of them has been sent
	c.send("3"+ids[0]+"[]", "3"+ids[1]+"[]")
	for _, answer := range []<-chan asked{first, second} {
		if got := await(t, "the answer", answer); got.err != nil {
			t.Error(got.err)
		}
	}
	third := ask(t, socket, "q")
	c.answer("q", "[]")
	if got := await(t, "the answer", third); got.err != nil {
		t.Error(got.err)
	}
}

// binaryEvent returns the messages of an event with n attachments.
func binaryEvent(header string, n int) string {
	var list, attachments strings.Builder
	for i := range n {
		list.WriteString(`,{"_placeholder":true,"num":` + itoa(i) + `}`)
		attachments.WriteString(" | " + bin("x"))
	}
	return "5" + itoa(n) + "-" + header + `["echo"` + list.String() + "]" + attachments.String()
}

func TestMaxAttachments(t *testing.T) {
	blobs := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = []byte("x")
		}
		return list
	}
	for _, limit := range []int{0, 2, 20} {
		allowed := limit
		if limit == 0 {
			allowed = 10
		}
		t.Run("limit "+itoa(limit), func(t *testing.T) {
			eachTransport(t, func(t *testing.T, transport string) {
				s := serve(t, &socketio.Options{MaxAttachments: limit}).echo()
				c, socket := s.joinSocket(t, transport, "/")
				if err := socket.Emit("x", blobs(allowed+1)...); !errors.Is(err, parser.ErrTooManyAttachments) {
					t.Errorf("emitting too many to a socket gives %v", err)
				}
				if err := s.Emit("x", blobs(allowed+1)); !errors.Is(err, parser.ErrTooManyAttachments) {
					t.Errorf("emitting too many to all gives %v", err)
				}
				c.sync()
				c.run("> " + binaryEvent("7", allowed))
				if m := c.next(); !strings.HasPrefix(m, "6"+itoa(allowed)+"-7[") {
					t.Errorf("the answer is %q", m)
				}
				for range allowed {
					c.expect(bin("x"))
				}
				c.run("> "+strings.Split(binaryEvent("7", allowed+1), " | ")[0], "closed")
			})
		})
	}
}

func TestMaxAttachmentBytes(t *testing.T) {
	s := serve(t, &socketio.Options{MaxAttachmentBytes: 100}).echo()
	const header = `52-1["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	const answer = `62-1[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	half, rest := strings.Repeat("a", 50), strings.Repeat("b", 51)
	runRows(t, s, []row{
		{"as many as allowed", []string{"> " + header + " | " + bin(half) + " | " + bin(half), "< " + answer, "< " + bin(half), "< " + bin(half)}},
		{"one more", []string{"> " + header + " | " + bin(half) + " | " + bin(rest), "closed"}},
		{"one more in the first", []string{"> " + header + " | " + bin(half+rest), "closed"}},
	})
}

// A packet whose attachments do not come ends the connection, whatever else comes.
func TestAttachmentTimeout(t *testing.T) {
	const header = `52-1["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	for _, tt := range []struct {
		name   string
		later  []string // what the client sends 20 seconds after the header
		closed bool
	}{
		{"nothing", nil, true},
		{"one of two", []string{"> " + bin("a")}, true},
		{"a pong", []string{"! 3"}, true},
		{"all", []string{"> " + bin("a") + " | " + bin("b")}, false},
	} {
		for _, transport := range transports {
			t.Run(tt.name+"/"+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := serveTimeouts(t, nil)
					bye := new(goodbyes).watch(s.Namespace)
					c := s.join(t, transport)
					time.Sleep(time.Minute)
					c.send(header)
					time.Sleep(20 * time.Second)
					c.run(tt.later...)
					time.Sleep(9 * time.Second)
					synctest.Wait()
					if len(bye.list()) > 0 {
						t.Fatalf("closed too early: %q", bye.list())
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
					if got := bye.list(); len(got) == 1 != tt.closed || tt.closed && got[0] != "/: forced close" {
						t.Errorf("sockets ended as in %q", got)
					}
				})
			})
		}
	}
}

// The time ends when the attachments have come, however long the packet has to wait for handlers then.
func TestAttachmentTimeoutEndsWithTheAttachments(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveTimeouts(t, &socketio.Options{MaxPendingBytes: 1, AttachmentTimeout: 10 * time.Second})
				release := make(chan struct{})
				s.Handle("slow", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
					<-release
					return nil
				}))
				c := s.join(t, transport)
				go func() {
					c.send(`2["slow"]`)
					for _, id := range []string{"1", "2"} {
						c.send(`51-`+id+`["echo",{"_placeholder":true,"num":0}]`, bin("a"))
					}
				}()
				time.Sleep(30 * time.Second)
				close(release)
				c.expect(`61-1[{"_placeholder":true,"num":0}]`, bin("a"), `61-2[{"_placeholder":true,"num":0}]`, bin("a"))
				c.sync()
			})
		})
	}
}

// The next binary packet has all the time again.
func TestAttachmentTimeoutOfTheNextPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveTimeouts(t, nil)
		c := s.join(t, "websocket")
		for range 5 {
			c.send(`51-1["echo",{"_placeholder":true,"num":0}]`)
			time.Sleep(20 * time.Second)
			c.run("> "+bin("a"), `< 61-1[{"_placeholder":true,"num":0}]`, "< "+bin("a"))
		}
		time.Sleep(time.Minute)
		c.sync()
	})
}

// hostOf is an adapter factory that lets a test play the part of the other servers.
type hostOf struct{ hosts sync.Map }

func (h *hostOf) factory(host adapter.Host) adapter.Adapter {
	h.hosts.Store(host.Namespace(), host)
	return adapter.NewMemory(host)
}

func (h *hostOf) host(t *testing.T, namespace string) adapter.Host {
	t.Helper()
	v, _ := h.hosts.Load(namespace)
	host, ok := v.(adapter.Host)
	if !ok {
		t.Fatalf("no host for %s", namespace)
	}
	return host
}

func TestMaxServerEvents(t *testing.T) {
	var hosts hostOf
	s := serve(t, &socketio.Options{Adapter: hosts.factory, MaxServerEvents: 2})
	running, release := make(chan struct{}, 4), make(chan struct{})
	socketio.OnServer(s, "x", func(context.Context, socketio.None) error {
		running <- struct{}{}
		<-release
		return nil
	})
	host := hosts.host(t, "/")
	for range 4 {
		host.ServeServerEvent(context.Background(), []byte(`["x"]`), nil, nil)
	}
	for range 2 {
		await(t, "the handler", running)
	}
	if n := strings.Count(s.log.String(), "too many"); n != 1 { // the others are counted
		t.Errorf("%d lines about dropped events, want 1", n)
	}
	close(release)
	eventually(t, "events are handled again", func() bool {
		host.ServeServerEvent(context.Background(), []byte(`["x"]`), nil, nil)
		select {
		case <-running:
			return true
		default:
			return false
		}
	})
}

// Events from other servers: handlers, answers, and everything that can be wrong with them.
func TestServerEvents(t *testing.T) {
	var hosts hostOf
	s := serve(t, &socketio.Options{Adapter: hosts.factory})
	n := s.Of("/custom")
	socketio.OnServerWithAck(n, "double", func(_ context.Context, v int) (int, error) { return 2 * v, nil })
	socketio.OnServerWithAck(n, "blob", func(_ context.Context, b []byte) (any, error) {
		return map[string]any{"b": append(b, '!')}, nil
	})
	socketio.OnServerWithAck(n, "fails", func(context.Context, socketio.None) (int, error) { return 0, errors.New("it failed") })
	socketio.OnServerWithAck(n, "panics", func(context.Context, socketio.None) (int, error) { panic("it panicked") })
	socketio.OnServer(n, "noted", func(context.Context, string) error { return nil })
	host := hosts.host(t, "/custom")
	answer := func(data string, attachments ...[]byte) (string, [][]byte) {
		t.Helper()
		replies := make(chan adapter.Reply, 1)
		host.ServeServerEvent(t.Context(), []byte(data), attachments, func(r adapter.Reply) { replies <- r })
		r := await(t, "the answer to "+data, replies)
		return string(r.Data), r.Attachments
	}
	if got, _ := answer(`["double",21]`); got != "[42]" {
		t.Errorf("the answer is %s", got)
	}
	if got, _ := answer(`["noted","x"]`); got != "[]" {
		t.Errorf("the answer of a handler without result is %s", got)
	}
	got, attachments := answer(`["blob",{"_placeholder":true,"num":0}]`, []byte("b"))
	if got != `[{"b":{"_placeholder":true,"num":0}}]` || len(attachments) != 1 || string(attachments[0]) != "b!" {
		t.Errorf("the answer is %s with %q", got, attachments)
	}
	for _, data := range []string{`["fails"]`, `["panics"]`, `["double","x"]`, `["double"]`, `["unknown"]`, `[]`, `{}`, `[`, ``} {
		host.ServeServerEvent(t.Context(), []byte(data), nil, func(r adapter.Reply) { t.Errorf("%s is answered with %s", data, r.Data) })
	}
	shutdown(t, s)
	for _, text := range []string{"it failed", "it panicked"} {
		if !strings.Contains(s.log.String(), text) {
			t.Errorf("%q is not logged", text)
		}
	}
}

// Handlers that make progress do not lose their client because many events have come: it is only a long queue.
func TestLongQueueIsNotStuck(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { longQueue(t, transport) })
		})
	}
}

func longQueue(t *testing.T, transport string) {
	t.Helper()
	s := serveInMemory(t, &socketio.Options{
		Engine: engine.Options{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second},
	}).echo()
	bye := new(goodbyes).watch(s.Namespace)
	var handled atomic.Int64
	socketio.On(s, "n", func(context.Context, *socketio.Socket, int64) error {
		time.Sleep(15 * time.Millisecond)
		handled.Add(1)
		return nil
	})
	c, socket := s.joinSocket(t, transport, "/")
	asked := make(chan error, 1)
	go func() {
		_, err := socket.EmitWithAck(t.Context(), "q")
		asked <- err
	}()
	id := c.question("q")
	const n, before = 6000, 2500 // before the answer, which must fit into MaxPendingBytes
	go func() {
		for i := range n {
			if i == before {
				c.send("3" + id + "[]")
			}
			c.send(`2["n",` + itoa(i) + `]`)
		}
	}()
	if err := await(t, "the answer", asked); err != nil {
		t.Error(err)
	}
	time.Sleep(n * 20 * time.Millisecond)
	if got := handled.Load(); got != n || len(bye.list()) > 0 {
		t.Errorf("%d of %d events were handled, the socket has ended as in %q", got, n, bye.list())
	}
}
