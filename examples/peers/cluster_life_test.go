package peers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
	"github.com/tandem-go/tandem/redisadapter"
	"github.com/tandem-go/tandem/socketio"
)

// door is a load balancer with one server behind it, which can be exchanged.
type door struct {
	url      string
	listener net.Listener
	conns    sync.WaitGroup

	mu      sync.Mutex
	backend string
	open    map[net.Conn]struct{}
}

func startDoor(t *testing.T, backend string) *door {
	t.Helper()
	l := peers.Listen(t)
	d := &door{url: "http://" + l.Addr().String(), listener: l, open: make(map[net.Conn]struct{})}
	d.lead(backend)
	d.conns.Go(d.serve)
	t.Cleanup(func() {
		l.Close()
		d.lead("")
		d.conns.Wait()
	})
	return d
}

// lead makes the door lead to another server, whose URL is given, and cuts off who is with the present one.
func (d *door) lead(backend string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.backend = strings.TrimPrefix(backend, "http://")
	for c := range d.open {
		c.Close()
	}
	clear(d.open)
}

func (d *door) serve() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() { d.pass(client) })
	}
}

func (d *door) pass(client net.Conn) {
	defer client.Close()
	d.mu.Lock()
	backend := d.backend
	d.mu.Unlock()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	if !d.keep(backend, client, server) {
		return
	}
	var copying sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		copying.Go(func() {
			_, _ = io.Copy(to, from)
			client.Close()
			server.Close()
		})
	}
	copying.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, client)
	delete(d.open, server)
}

// keep notes the connections, so that they can be cut off, unless the door leads elsewhere by now.
func (d *door) keep(backend string, conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		d.open[c] = struct{}{}
	}
	return backend == d.backend
}

// TestClusterMigration moves clients from one server to the next, as a load balancer does. Any server may have to wait for its heartbeat
// to notice that a polling client has gone: one that was cut off between two polls.
func TestClusterMigration(t *testing.T) {
	c := startCluster(t, startBase(t), "socket.io", clusterOptions{heartbeat: 2 * time.Second})
	d := startDoor(t, c.reference.url)
	movers := []string{"m.p", "m.w"}
	c.eval(t, nil, `await c.mover("m.p", args[0], { transports: ["polling"] }); await c.mover("m.w", args[0], { transports: ["websocket"] })`, d.url)
	t.Cleanup(func() {
		if err := c.try(nil, `c.drop(args[0])`, movers); err != nil {
			t.Error(err)
		}
	})
	for move, to := range []instance{c.reference, c.b, c.a, c.reference} {
		if move > 0 {
			d.lead(map[string]string{"node": c.reference.url, "a": c.a.url, "b": c.b.url}[to.name()])
		}
		c.eval(t, nil, `await until(() => args[0].every((name) => c.get(name).joined === args[1]))`, movers, move+1)
		t.Run(fmt.Sprint("move ", move, " to ", to.name()), func(t *testing.T) { c.checkMovers(t, movers, move, to) })
	}
}

// checkMovers checks that the clients are with that server, with no other, and that everything reaches them from everywhere.
func (c *cluster) checkMovers(t *testing.T, movers []string, move int, to instance) {
	for _, client := range movers {
		var id string
		c.eval(t, &id, `return c.get(args[0]).socket.id`, client)
		eventually(t, client+" at its new server alone", func() bool {
			local := to.fetch(t, selection{Nsp: "/", Rooms: []any{id}, Local: true})
			return len(local) == 1 && local[0].ID == id
		})
	}
	for _, by := range c.instances() {
		eventually(t, "the old sockets to be gone for "+by.name(), func() bool {
			return text(c.names(t, by, selection{Nsp: "/", Rooms: []any{"moving"}})) == text(movers)
		})
	}
	for _, by := range c.senders() {
		by.emit(t, selection{Nsp: "/", Rooms: []any{"moving"}}, "moved", move, by.name(), []byte{1})
		// The movers are not in the other namespace, so that the end comes to them in the main one.
		got := c.received(t, by)
		for _, client := range movers {
			same(t, client, got[client], []any{[]any{"moved", move, by.name(), []byte{1}}})
		}
		if by.name() == "node" {
			c.checkSaid(t, movers, move, got["b.w"])
		}
	}
}

// checkSaid checks that what the clients said while they were on the way has been heard once.
func (c *cluster) checkSaid(t *testing.T, movers []string, move int, got [][]any) {
	t.Helper()
	var said, want []any
	for _, event := range got {
		if event[0] == "said" {
			said = append(said, event)
		}
	}
	if move > 0 {
		for _, client := range movers {
			want = append(want, []any{"said", client, move})
		}
	}
	sameSet(t, "what was said on the way", said, want)
}

// TestClusterShutdown ends one of our servers while the clients of the others go on.
func TestClusterShutdown(t *testing.T) {
	c := startCluster(t, startBase(t), "socket.io", clusterOptions{})
	survivors := []string{"n.p", "n.w", "a.p", "a.w"}
	const n = 150
	c.b.joinAll(t, selection{Nsp: "/"}, "survivors")
	eventually(t, "all clients to be in the room at their servers", func() bool {
		return len(c.names(t, c.b, selection{Nsp: "/", Rooms: []any{"survivors"}})) == len(everyone)
	})
	talked := make(chan error, 1)
	go func() { talked <- c.try(nil, `await c.talk(...args)`, survivors, "survivors", n) }()
	c.eval(t, nil, `await until(() => args[0].every((name) => c.get(name).log.length > 20))`, everyone)

	c.b.emit(t, selection{Nsp: "/"}, "last words", []byte("bye"))
	began := time.Now()
	c.b.shutdown(t)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("Shutdown has taken %v", took)
	}
	if err := <-talked; err != nil {
		t.Fatal(err)
	}
	var left struct {
		Ended []string
		Last  int
	}
	c.eval(t, &left, `const gone = ["b.p", "b.w"].map((name) => c.get(name));
		await until(() => gone.every((client) => client.ended));
		return { Ended: gone.map((client) => client.ended), Last: gone.filter((client) => client.log.some(([event]) => event === "last words")).length }`)
	same(t, "why the clients of the server have left", left.Ended, []string{"transport close", "transport close"})
	if left.Last != 2 {
		t.Errorf("%d of 2 clients of the server have got its last words", left.Last)
	}
	c.eval(t, nil, `c.drop(["b.p", "b.w"])`)
	for _, i := range []instance{c.reference, c.a} {
		eventually(t, "two servers to be left", func() bool { return i.count(t, "/") == 2 && i.count(t, "/custom") == 2 })
	}
	// What either server has sent is complete when both ends have come.
	got := c.received(t, c.reference)
	for client, events := range c.received(t, c.a) {
		got[client] = append(got[client], events...)
	}
	for _, client := range survivors {
		checkTalk(t, client, got[client], survivors, n)
	}
	if all := c.names(t, c.a, selection{Nsp: "/"}); len(all) != len(survivors) {
		t.Errorf("the sockets are %s", all)
	}
}

// checkTalk checks that a client has heard all that the talkers have said, in order, and the last words once.
func checkTalk(t *testing.T, client string, events [][]any, talkers []string, n int) {
	t.Helper()
	next := make(map[string]float64)
	words := 0
	for _, event := range events {
		switch event[0] {
		case "last words":
			words++
		case "said":
			who := fmt.Sprint(event[1])
			i, _ := event[2].(float64)
			if i != next[who] {
				t.Errorf("%s has heard %v of %s in place of %v", client, i, who, next[who])
			}
			next[who] = i + 1
		}
	}
	if words != 1 {
		t.Errorf("%s has got the last words %d times", client, words)
	}
	for _, who := range talkers {
		if next[who] != float64(n) {
			t.Errorf("%s has heard %v of %d from %s", client, next[who], n, who)
		}
	}
}

// TestClusterOutage kills the Redis server. Clients of the same server go on to reach each other, and everything crosses again when
// it is back.
func TestClusterOutage(t *testing.T) {
	base := startBase(t)
	c := startCluster(t, base, "socket.io", clusterOptions{})
	for range 2 {
		base.redis.Kill(t)
		c.emitDuringOutage(t)
		c.askDuringOutage(t)
		base.redis.Restart(t)
		for _, i := range c.instances() {
			for _, nsp := range []string{"/", "/custom"} {
				eventually(t, "everything from "+i.name(), func() bool { return c.crosses(t, i, nsp) })
			}
		}
		for _, i := range c.instances() {
			eventually(t, "three servers", func() bool {
				n, err := c.tryCount(i)
				return err == nil && n == 3
			})
			c.received(t, i)
		}
		for _, i := range c.instances() {
			got, err := i.ask(selection{Nsp: "/"}, patience, "ask binary", []byte{1})
			if err != nil || got.Error != "" || len(got.Answers) != len(everyone) {
				t.Errorf("%s has got %d answers: %s, %v", i.name(), len(got.Answers), got.Error, err)
			}
			same(t, "the clients", c.names(t, i, selection{Nsp: "/"}), []string{"a.p", "a.w", "b.p", "b.w", "n.p", "n.w"})
			c.received(t, i)
		}
	}
}

// emitDuringOutage checks that each server's own clients get its events once, and in order.
func (c *cluster) emitDuringOutage(t *testing.T) {
	t.Helper()
	const n = 20
	for i := range n {
		c.reference.emit(t, selection{Nsp: "/"}, "outage", "n", i)
		for _, g := range []*goInstance{c.a, c.b} {
			err := g.choose(selection{Nsp: "/"}).Emit("outage", g.is, i)
			if _, ok := errors.AsType[*redisadapter.UnavailableError](err); err != nil && !ok {
				t.Errorf("%s: %v", g.is, err)
			}
		}
	}
	var got map[string][]any
	c.eval(t, &got, `
		const own = (name) => c.get(name).log.filter(([event, from]) => event === "outage" && from === name[0]).map(([, , i]) => i);
		await until(() => args[0].every((name) => own(name).length >= args[1]));
		return Object.fromEntries(args[0].map((name) => [name, own(name)]))`, everyone, n)
	for client, list := range got {
		same(t, "what "+client+" has got of its server", list, numbers(n))
	}
}

// askDuringOutage checks that our servers still ask their own clients, and tell that the others could not be asked.
func (c *cluster) askDuringOutage(t *testing.T) {
	t.Helper()
	var asking sync.WaitGroup
	for _, g := range []*goInstance{c.a, c.b} {
		own := []any{g.is + ".p", g.is + ".w"}
		asking.Go(func() {
			got, err := g.ask(selection{Nsp: "/", Local: true}, patience, "ask some")
			if err != nil || got.Error != "" {
				t.Errorf("%s: %v %s", g.is, err, got.Error)
			}
			sameSet(t, "the answers of its own clients", got.Answers, own)
		})
		asking.Go(func() {
			var answers []string
			// Again, with more time, as long as an answer is missing: the machine may stall.
			for limit := time.Second; limit < 2*patience && len(answers) < len(own); limit *= 3 {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				var err error
				answers, err = socketio.AllAs[string](g.io.EmitWithAck(ctx, "ask some"))
				cancel()
				if err == nil {
					t.Errorf("%s does not tell that others could not be asked", g.is)
				}
			}
			sameSet(t, "the answers in spite of the error", anyOf(answers), own)
		})
	}
	asking.Wait()
}

// crosses tells whether an event of the server has come to all clients in the namespace.
func (c *cluster) crosses(t *testing.T, i instance, nsp string) (all bool) {
	t.Helper()
	event := "crosses from " + i.name()
	if g, ok := i.(*goInstance); ok {
		_ = g.choose(selection{Nsp: nsp}).Emit(event) // an error means that it does not cross yet
	} else {
		i.emit(t, selection{Nsp: nsp}, event)
	}
	c.eval(t, &all, `await sleep(20); return args[0].every((name) => c.get(name, args[1]).log.some(([event]) => event === args[2]))`, everyone, nsp, event)
	return all
}

// tryCount counts the servers, with an error if that cannot be done right now.
func (c *cluster) tryCount(i instance) (n int, err error) {
	if g, ok := i.(*goInstance); ok {
		ctx, cancel := g.context()
		defer cancel()
		return g.io.ServerCount(ctx)
	}
	err = c.reference.try(&n, `c.server.io.of("/").adapter.serverCount()`)
	return n, err
}
