package socketio_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Clients whose handlers are slower than the time in which a silent client is given up lose nothing, and their clients are pinged in time.
func TestEventsBehindSlowHandlers(t *testing.T) {
	for _, limit := range []int{0, 3000} { // everything fits, or the connection is not read
		for _, transport := range transports {
			t.Run(transport+", limit "+itoa(limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { eventsBehindSlowHandlers(t, transport, limit) })
			})
		}
	}
}

func eventsBehindSlowHandlers(t *testing.T, transport string, limit int) {
	t.Helper()
	const n, slow = 400, 50 * time.Second
	s := serveInMemory(t, &socketio.Options{MaxPendingBytes: limit}).echo()
	bye := new(goodbyes).watch(s.Namespace)
	var handled atomic.Int64
	socketio.On(s, "n", func(_ context.Context, _ *socketio.Socket, n int64) error {
		time.Sleep(slow)
		if !handled.CompareAndSwap(n, n+1) {
			t.Errorf("event %d came after %d others", n, handled.Load())
		}
		return nil
	})
	c := s.join(t, transport)
	go func() {
		for i := range n {
			c.send(`2["n",` + itoa(i) + `]`)
		}
	}()
	for end := time.Now().Add(n * slow); time.Now().Before(end); {
		select {
		case <-c.pings:
		case <-time.After(45 * time.Second):
			t.Fatalf("no ping in 45 seconds: the client would close the connection; ended as in %q", bye.list())
		}
	}
	time.Sleep(time.Second)
	if got := handled.Load(); got != n || len(bye.list()) > 0 {
		t.Errorf("%d of %d events were handled, the socket has ended as in %q", got, n, bye.list())
	}
	c.sync()
}

// A function of OnConnect that does not return is named, too.
func TestStuckConnectFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan socketio.ClosedInfo, 1)
		s := serveInMemory(t, &socketio.Options{
			MaxPendingBytes: 1, HandlerPatience: time.Minute,
			Observers: []socketio.Observer{{Closed: func(i socketio.ClosedInfo) { ends <- i }}},
		})
		s.OnConnect(func(ctx context.Context, _ *socketio.Socket) error {
			<-ctx.Done()
			return nil
		})
		c := s.join(t, "websocket")
		go c.send(`2["x"]`, `2["x"]`)
		start := time.Now()
		i := <-ends
		if stuck, ok := errors.AsType[*socketio.StuckError](i.Err); !ok || stuck.Event != "connect" || i.Reason != socketio.ForcedClose {
			t.Errorf("it ended with %+v", i)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it ended after %v", took)
		}
	})
}

// A filler makes clients that fill their queues.
type filler struct {
	t       *testing.T
	s       *testServer
	clients map[string]*client // by the socket's id
	ended   []socketio.ClosedInfo
	over    []socketio.OverBudgetInfo
	gone    []string // the ids of sockets that have disconnected
	release chan struct{}
	steps   sync.Map // of chan struct{}, by the socket's id: one event of the client is to be handled
}

// newFiller starts a server whose handlers of "x" wait for release. It must be used in a bubble.
func newFiller(t *testing.T, budget int64) *filler {
	t.Helper()
	f := &filler{t: t, clients: make(map[string]*client), release: make(chan struct{})}
	var lock lock = make(chan struct{}, 1)
	note := func(add func()) { _ = lock.with(func() error { add(); return nil }) }
	f.s = serveInMemory(t, &socketio.Options{
		Engine: engine.Options{InputBudget: budget},
		Observers: []socketio.Observer{{
			Closed:       func(i socketio.ClosedInfo) { note(func() { f.ended = append(f.ended, i) }) },
			OverBudget:   func(i socketio.OverBudgetInfo) { note(func() { f.over = append(f.over, i) }) },
			Disconnected: func(i socketio.DisconnectedInfo) { note(func() { f.gone = append(f.gone, i.Socket.ID()) }) },
		}},
	})
	f.s.Handle("x", socketio.HandlerFunc(func(_ context.Context, e *socketio.Event) error {
		step, _ := f.steps.LoadOrStore(e.Socket.ID(), make(chan struct{}))
		select {
		case <-f.release:
		case <-step.(chan struct{}):
		}
		return nil
	}))
	return f
}

// fill connects a client that sends events of 64 KiB and returns the id of its socket.
func (f *filler) fill(transport string, events int) (id string) {
	f.t.Helper()
	c := f.s.open(f.t, transport)
	id = c.connect("/", "")
	f.clients[id] = c
	f.more(id, events)
	return id
}

func (f *filler) more(id string, events int) {
	f.t.Helper()
	go func() {
		for range events {
			f.clients[id].send(`2["x","` + strings.Repeat("y", 64<<10) + `"]`)
		}
	}()
	synctest.Wait()
}

// Above the budget of the input those clients go first whose events have stood still for longest. What they have sent is dropped, and the
// others are not touched.
func TestInputBudget(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { inputBudget(t, transport) })
		})
	}
}

func inputBudget(t *testing.T, transport string) {
	t.Helper()
	f := newFiller(t, 2<<20)
	var handled atomic.Int64
	f.s.Handle("step", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		handled.Add(1)
		return nil
	}))
	var ids []string
	for range 4 { // 600 KB each
		ids = append(ids, f.fill(transport, 8))
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
	if !slices.Equal(f.gone, ids[:1]) {
		t.Fatalf("%q have gone, want the first of %q", f.gone, ids)
	}
	step, _ := f.steps.Load(ids[1])
	step.(chan struct{}) <- struct{}{} // the next one makes progress
	time.Sleep(2 * time.Second)
	synctest.Wait()
	f.fill(transport, 8)
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if !slices.Equal(f.gone, []string{ids[0], ids[2]}) {
		t.Errorf("%q have gone, want the first and the third of %q", f.gone, ids)
	}
	for _, i := range f.ended {
		if i.Reason != socketio.Overload || !errors.Is(i.Err, engine.ErrInputBudget) {
			t.Errorf("a connection has ended with %q (%v)", i.Reason, i.Err)
		}
	}
	if len(f.over) != len(f.ended) || len(f.over) != 2 || !errors.Is(f.over[0].Err, engine.ErrInputBudget) {
		t.Errorf("the observer of budgets was told %v", f.over)
	}
	close(f.release)
	synctest.Wait()
	for id, c := range f.clients {
		if slices.Contains(f.gone, id) {
			c.expectClosed()
			continue
		}
		c.run(`> 21["step"]`)
		time.Sleep(time.Second)
	}
	if n := handled.Load(); n != 3 {
		t.Errorf("%d clients are served, want 3", n)
	}
}

// Events that wait for a handler though their client has gone are dropped above the budget, not those of clients that are there.
func TestInputBudgetAndClientsThatHaveGone(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"the connection": func(c *client) { c.close() },
		"the namespace":  func(c *client) { c.send("1") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFiller(t, 2<<20)
				for range 20 { // 10 MB in all
					id := f.fill("websocket", 8)
					leave(f.clients[id])
					time.Sleep(2 * time.Second)
					synctest.Wait()
				}
				live := f.fill("websocket", 8)
				time.Sleep(time.Second)
				synctest.Wait()
				if slices.Contains(f.gone, live) {
					t.Error("the client that is there had to go")
				}
				if len(f.over) < 10 {
					t.Errorf("the observer was told of %d clients", len(f.over))
				}
				close(f.release)
			})
		})
	}
}

// What counts towards the budget is given back, however it ends, to the last byte.
func TestInputBudgetIsGivenBack(t *testing.T) {
	for name, end := range map[string]func(f *filler, c *client, s *socketio.Socket){
		"handled":             func(*filler, *client, *socketio.Socket) {},
		"the client leaves":   func(_ *filler, c *client, _ *socketio.Socket) { c.send("1") },
		"the client closes":   func(_ *filler, c *client, _ *socketio.Socket) { c.close() },
		"disconnected":        func(_ *filler, _ *client, s *socketio.Socket) { s.Disconnect(false) },
		"disconnected at all": func(_ *filler, _ *client, s *socketio.Socket) { s.Disconnect(true) },
		"discarded":           func(_ *filler, _ *client, s *socketio.Socket) { s.Conn().Discard(socketio.ForcedClose) },
		"a bad packet":        func(_ *filler, c *client, _ *socketio.Socket) { c.send("2[") },
		"too many arguments":  func(_ *filler, c *client, _ *socketio.Socket) { c.send(`2["x"` + strings.Repeat(",0", 20_000) + `]`) },
		"half a packet":       func(_ *filler, c *client, _ *socketio.Socket) { c.send(`52-["x"]`, bin(strings.Repeat("z", 100_000))) },
		"a packet in between": func(_ *filler, c *client, _ *socketio.Socket) {
			c.send(`52-["x"]`, bin(strings.Repeat("z", 100_000)), "2")
		},
	} {
		for _, handler := range []string{"x", "panic", "goexit"} {
			t.Run(name+", "+handler, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { inputBudgetIsGivenBack(t, handler, end) })
			})
		}
	}
}

func inputBudgetIsGivenBack(t *testing.T, handler string, end func(f *filler, c *client, s *socketio.Socket)) {
	t.Helper()
	f := newFiller(t, 1<<20)
	f.s.Handle("panic", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		<-f.release
		panic("it panicked")
	}))
	f.s.Handle("goexit", socketio.HandlerFunc(func(context.Context, *socketio.Event) error {
		<-f.release
		runtime.Goexit()
		return nil
	}))
	for range 12 {
		f.release = make(chan struct{})
		c := f.s.open(t, "websocket")
		id := c.connect("/", "")
		go func() {
			for range 5 {
				c.send(`2["` + handler + `","` + strings.Repeat("y", 64<<10) + `"]`)
			}
		}()
		synctest.Wait()
		socket, _ := f.s.Socket(id)
		go end(f, c, socket)
		synctest.Wait()
		close(f.release)
		synctest.Wait()
		c.close()
	}
	// All of it is free: a client that takes nearly all stays.
	f.release = make(chan struct{})
	id := f.fill("websocket", 11)
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if slices.Contains(f.gone, id) || len(f.over) > 0 {
		t.Errorf("some of the budget is still taken: %v", f.over)
	}
	f.more(id, 20) // to see that it is nearly all
	if !slices.Contains(f.gone, id) {
		t.Error("the budget is larger than it was")
	}
	close(f.release)
}

// A packet whose attachments have come, and which has been handled, does not count any more.
func TestInputBudgetAfterAttachments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiller(t, 1<<20)
		close(f.release)
		for range 10 {
			c := f.s.join(t, "websocket")
			c.send(`52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, bin(strings.Repeat("z", 100_000)), bin("z"))
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		if len(f.gone) > 0 {
			t.Errorf("%q had to go", f.gone)
		}
	})
}

// Attachments whose packet is not complete count as well.
func TestInputBudgetOfAttachments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiller(t, 3_500_000)
		var first string
		for i := range 5 { // the last one is there twice for a moment
			c := f.s.open(t, "websocket")
			id := c.connect("/", "")
			f.clients[id] = c
			if i == 0 {
				first = id
			}
			c.send(`52-["x"]`, bin(strings.Repeat("z", 600_000)))
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		if !slices.Equal(f.gone, []string{first}) {
			t.Errorf("%q have gone, want %q", f.gone, first)
		}
	})
}
