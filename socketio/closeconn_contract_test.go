package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/socketio"
)

// turnAway is what the guards of these tests refuse with.
func turnAway(closeConn bool) *socketio.Error {
	return &socketio.Error{Message: "no entry", Data: map[string]any{"code": "NO_ENTRY"}, CloseConn: closeConn}
}

const noEntry = `{"message":"no entry","data":{"code":"NO_ENTRY"}}`

// A refusal with CloseConn is delivered, and then the connection is closed, which is what its detail says.
func TestCloseConnAfterTheRefusal(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		closed := make(chan socketio.ClosedInfo, 1)
		s := serve(t, &socketio.Options{Observers: []socketio.Observer{{Closed: func(i socketio.ClosedInfo) { closed <- i }}}})
		s.Use(func(context.Context, *socketio.Socket) error { return fmt.Errorf("wrapped: %w", turnAway(true)) })
		s.open(t, transport).run(`> 0`, `< 4`+noEntry, `closed`)
		if i := await(t, "the end", closed); i.Reason != socketio.ForcedClose || i.Err == nil || !strings.Contains(i.Err.Error(), "no entry") {
			t.Errorf("closed for %q, %v", i.Reason, i.Err)
		}
	})
}

// The connection stays as long as the client is in another namespace, or about to be.
func TestCloseConnSparesOtherNamespaces(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		s.Of("/closed").Use(func(context.Context, *socketio.Socket) error { return turnAway(true) })
		s.Of("/open").Use(func(context.Context, *socketio.Socket) error { return turnAway(false) })
		entered, leave := make(chan struct{}), make(chan struct{})
		s.Of("/slow").Use(func(context.Context, *socketio.Socket) error {
			entered <- struct{}{}
			<-leave
			return nil
		})

		joined := s.join(t, transport)
		joined.run(`> 0/closed,`, `< 4/closed,`+noEntry, `sync`, `> 0/open,`, `< 4/open,`+noEntry, `sync`)

		c := s.open(t, transport)
		c.run(`> 0/slow,`)
		await(t, "the guard", entered)
		c.run(`> 0/closed,`, `< 4/closed,`+noEntry)
		leave <- struct{}{}
		c.run(`< 0/slow,{"sid":"*"}`, `> 0`, `< 0{"sid":"*"}`, `sync`)
		c.run(`> 1/slow,`, `> 1`, `> 0/open,`, `< 4/open,`+noEntry, `> 0`, `< 0{"sid":"*"}`, `sync`) // nothing is left of it
	})
}

// Namespaces of one connection that refuse at the same time all say so before it is closed.
func TestCloseConnByManyNamespacesAtOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil)
		const n = 10
		leave := make(chan struct{})
		entered := make(chan struct{}, n)
		for i := range n {
			s.Of(fmt.Sprint("/", i)).Use(func(context.Context, *socketio.Socket) error {
				entered <- struct{}{}
				<-leave
				return turnAway(true)
			})
		}
		c := s.open(t, transport)
		for i := range n {
			c.send(fmt.Sprintf("0/%d,", i))
		}
		for range n {
			await(t, "a guard", entered)
		}
		close(leave)
		for range n {
			if m := c.next(); !strings.HasPrefix(m, "4/") || !strings.HasSuffix(m, noEntry) {
				t.Errorf("got %q", m)
			}
		}
		c.run(`closed`)
	})
}

// A namespace that the server disconnects the client from says so before a refusal of another one closes the connection: or the client
// would come back by itself.
func TestCloseConnWhileAnotherNamespaceIsDisconnected(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		told, leaving, leave := make(chan struct{}), make(chan struct{}), make(chan struct{})
		s := serve(t, &socketio.Options{Observers: []socketio.Observer{{Disconnected: func(socketio.DisconnectedInfo) {
			close(leaving)
			<-told
		}}}})
		s.Of("/closed").Use(func(context.Context, *socketio.Socket) error {
			<-leave
			return turnAway(true)
		})
		c := s.open(t, transport)
		joined := socket(t, s, c.connect("/", ""))
		c.run(`> 0/closed,`)
		var kick sync.WaitGroup
		kick.Go(func() { joined.Disconnect(false) })
		await(t, "the end of the main namespace", leaving)
		close(leave)
		c.run(`< 4/closed,` + noEntry)
		close(told)
		c.run(`< 1`, `closed`)
		kick.Wait()
	})
}

// The answer to an event does not close anything.
func TestCloseConnIsForGuards(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		s := serve(t, nil).echo()
		socketio.On(s, "x", func(context.Context, *socketio.Socket, socketio.None) error { return turnAway(true) })
		s.join(t, transport).run(`> 21["x"]`, `< 31[{"error":`+noEntry+`}]`, `sync`)
	})
}

func TestJSCloseConn(t *testing.T) {
	runJS(t, []jsCase{
		{"the client learns why, and then the connection ends", jsCloseConn},
		{"a client that keeps its connection loses it", jsCloseConnOfTheServer},
		{"a client that is in another namespace keeps it", jsCloseConnSpares},
	})
}

func jsCloseConn(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(context.Context, *socketio.Socket) error { return turnAway(true) })
	var got []any
	j.eval(&got, `
		const s = open(), e = await new Promise((resolve) => s.on("connect_error", resolve));
		await until(() => s.io.engine.readyState === "closed");
		return [e.message, e.data, s.connected]`)
	expectJSON(t, got, `["no entry",{"code":"NO_ENTRY"},false]`)
	eventually(t, "no connection", func() bool { return j.Stats().Connections == 0 })
}

// The client closes a connection that none of its sockets needs by itself: here it does not.
func jsCloseConnOfTheServer(t *testing.T, j *jsTest) {
	t.Helper()
	j.Use(func(context.Context, *socketio.Socket) error { return turnAway(true) })
	var got []any
	j.eval(&got, `
		const s = open("/", {autoConnect: false}), seen = [];
		s.io._destroy = () => {};
		s.on("connect_error", (e) => seen.push(e.message, e.data));
		s.io.on("close", (reason) => seen.push(reason));
		s.connect();
		await until(() => seen.length === 3);
		return seen`)
	forgiveLatePoll(got, j)
	expectJSON(t, got, `["no entry",{"code":"NO_ENTRY"},"transport close"]`)
	eventually(t, "no connection", func() bool { return j.Stats().Connections == 0 })
}

func jsCloseConnSpares(t *testing.T, j *jsTest) {
	t.Helper()
	j.Of("/closed").Use(func(context.Context, *socketio.Socket) error { return turnAway(true) })
	var got []any
	j.eval(&got, `
		const s = await dial(), other = s.io.socket("/closed"), seen = [];
		s.on("disconnect", (reason) => seen.push(reason));
		const e = await new Promise((resolve) => other.on("connect_error", resolve));
		seen.push(e.message, e.data, await s.emitWithAck("echo", 1));
		await sleep(50);
		return [...seen, s.connected, await s.emitWithAck("echo", 2)]`)
	expectJSON(t, got, `["no entry",{"code":"NO_ENTRY"},1,true,2]`)
}
