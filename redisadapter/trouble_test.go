package redisadapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// diary takes what a node says of its troubles.
type diary struct {
	mu    sync.Mutex
	lines bytes.Buffer
	began []OutageBeganInfo
	ended []OutageEndedInfo
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines.Write(p)
}

// options returns opts of a node that writes into the diary.
func (d *diary) options(opts Options) *Options {
	opts.Logger = slog.New(slog.NewTextHandler(d, nil))
	opts.Observers = []Observer{{}, {
		OutageBegan: func(info OutageBeganInfo) { d.mu.Lock(); d.began = append(d.began, info); d.mu.Unlock() },
		OutageEnded: func(info OutageEndedInfo) { d.mu.Lock(); d.ended = append(d.ended, info); d.mu.Unlock() },
	}}
	return &opts
}

func (d *diary) outages() (began, ended int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.began), len(d.ended)
}

func (d *diary) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lines.String()
}

func health(h *adaptertest.Host) adapter.Health { return h.Adapter().(adapter.HealthReporter).Health() }

// together waits until each of the hosts counts all of them and can publish.
func together(t *testing.T, hosts ...*adaptertest.Host) {
	t.Helper()
	var state adapter.Health
	defer func() {
		if t.Failed() {
			t.Logf("the last state: %+v", state)
		}
	}()
	for _, h := range hosts {
		eventually(t, "all nodes to see each other", func() bool {
			n, err := h.Adapter().ServerCount(t.Context())
			state = health(h)
			return err == nil && n == len(hosts) && state.Reached && state.Subscribed && state.Nodes == len(hosts)
		})
	}
}

// shout broadcasts an event, and reports whether it was told that it may not arrive.
func shout(t *testing.T, h *adaptertest.Host, i int) (told bool) {
	t.Helper()
	err := h.Adapter().Broadcast(t.Context(), event("/", fmt.Sprintf(`["x",%d]`, i)), adapter.Target{})
	if _, unavailable := errors.AsType[*UnavailableError](err); err != nil && !unavailable {
		t.Fatalf("broadcast %d: %v", i, err)
	}
	return err != nil
}

// hear checks that a peer gets the events from one on up to another one in their order, each once.
func hear(t *testing.T, p *adaptertest.Peer, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if got := string(p.Next(t).Packet.Data); got != fmt.Sprintf(`["x",%d]`, i) {
			t.Fatalf("got %s in the place of %d", got, i)
		}
	}
}

// A node whose password is wrong, or whose database does not exist, is told so by every operation,
// and what it has published arrives when Redis lets it in.
func TestWrongPasswordIsAnError(t *testing.T) {
	for name, wrong := range map[string]struct{ refuse, admit []any }{
		"password": {[]any{"config", "set", "requirepass", "rotated"}, []any{"config", "set", "requirepass", ""}},
		"user":     {[]any{"acl", "setuser", "default", "off"}, []any{"acl", "setuser", "default", "on"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := peers.Redis(t)
			admin := client(t, server.Addr)
			quick := &Options{RequestTimeout: time.Second}
			a, b := openHost(t, "/", New(client(t, server.Addr), quick)), openHost(t, "/", New(client(t, server.Addr), quick))
			together(t, a, b)
			p := b.Connect()
			conn := admin.Conn()
			defer conn.Close() // it stays in
			if err := conn.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			for _, cmd := range [][]any{wrong.refuse, {"client", "kill", "type", "pubsub"}, {"client", "kill", "type", "normal", "skipme", "yes"}} {
				if err := conn.Do(t.Context(), cmd...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "the loss to be noticed", func() bool { return !health(a).Subscribed && !health(b).Subscribed })
			sent := 0
			eventually(t, "Emit to tell", func() bool { sent++; return shout(t, a, sent-1) })
			for what, op := range map[string]func() error{
				"JoinAll":    func() error { return a.Adapter().JoinAll(t.Context(), adapter.Target{}, "room") },
				"ServerEmit": func() error { return a.Adapter().ServerEmit(t.Context(), []byte(`["x"]`), nil) },
			} {
				if err := op(); err == nil {
					t.Errorf("%s has no error", what)
				}
			}
			if err := conn.Do(t.Context(), wrong.admit...).Err(); err != nil {
				t.Fatal(err)
			}
			hear(t, p, 0, sent)
			together(t, a, b)
		})
	}
}

// A database that does not exist is an error, not a message that is lost.
func TestDatabaseOutOfRangeIsAnError(t *testing.T) {
	server := peers.Redis(t)
	rdb := clientWith(t, &redis.Options{Addr: server.Addr, DB: 4711})
	h := openHost(t, "/", New(rdb, &Options{RequestTimeout: 300 * time.Millisecond}))
	if err := h.Adapter().ServerEmit(t.Context(), []byte(`["x"]`), nil); err == nil {
		t.Error("ServerEmit has no error")
	}
	eventually(t, "Emit to tell", func() bool { return shout(t, h, 0) })
	if state := health(h); state.Reached || state.SubscribeErr == nil {
		t.Errorf("it is said to be well: %+v", state)
	}
}

// In a planned failover of Sentinel, nothing that is published without an error is lost: the
// connection that listens follows the one that publishes, and those that publish wait for it.
func TestPlannedFailoverLosesNothing(t *testing.T) {
	group := peers.Sentinel(t, 2)
	var hosts [2]*adaptertest.Host
	for i := range hosts {
		rdb := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: peers.SentinelMaster, SentinelAddrs: group.Addrs()})
		t.Cleanup(func() { rdb.Close() })
		hosts[i] = openHost(t, "/", New(rdb, nil))
	}
	together(t, hosts[:]...)
	p := hosts[1].Connect()
	var failedOver atomic.Bool
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		group.Failover(t)
		failedOver.Store(true)
	}()
	sent := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for after := 0; after < 100; <-tick.C {
		shout(t, hosts[0], sent)
		if sent++; failedOver.Load() {
			after++
		}
	}
	together(t, hosts[:]...)
	losses := health(hosts[0]).Losses
	lost := missing(t, p, sent)
	if uint64(lost) > losses.Total() {
		t.Errorf("%d of %d were lost, and %+v are told", lost, sent, losses)
	}
	if lost > 5 {
		t.Errorf("%d of %d were lost", lost, sent)
	}
	t.Logf("%d of %d lost, %+v", lost, sent, losses)
}

// missing takes what has come of n events, in order and each at most once, and returns how many have
// not. An event of its own tells that it was the last.
func missing(t *testing.T, p *adaptertest.Peer, n int) (lost int) {
	t.Helper()
	next := 0
	for next < n {
		var i int
		data := string(p.Next(t).Packet.Data)
		if _, err := fmt.Sscanf(data, `["x",%d]`, &i); err != nil || i < next {
			t.Fatalf("got %s after %d", data, next-1)
		}
		lost += i - next
		next = i + 1
	}
	return lost
}

// A client whose connections lead to another server from now on, as after a change in DNS, is
// followed by what listens. What one node publishes meanwhile reaches the other one.
func TestFollowsTheClientToAnotherServer(t *testing.T) {
	first, second := peers.Redis(t), peers.Redis(t)
	proxy := peers.NewProxy(t, first.Addr)
	var hosts [2]*adaptertest.Host
	for i := range hosts {
		hosts[i] = openHost(t, "/", New(client(t, proxy.Addr), nil))
	}
	together(t, hosts[:]...)
	p := hosts[1].Connect()
	proxy.Retarget(second.Addr)
	if err := client(t, first.Addr).ClientKillByFilter(t.Context(), "type", "normal", "skipme", "yes").Err(); err != nil {
		t.Fatal(err) // and what listens stays where it is
	}
	sent := 0
	eventually(t, "the client to be followed", func() bool {
		shout(t, hosts[0], sent)
		sent++
		return health(hosts[0]).Reached && listenersAt(t, second) == len(hosts)
	})
	shout(t, hosts[0], sent)
	lost, losses := missing(t, p, sent+1), health(hosts[0]).Losses
	if uint64(lost) > losses.Total() || lost > 5 || losses.Unheard > 0 {
		t.Errorf("%d of %d were lost, and %+v are told", lost, sent, losses)
	}
	together(t, hosts[:]...)
}

// listenersAt returns how many nodes listen at a server.
func listenersAt(t *testing.T, server *peers.RedisServer) int {
	t.Helper()
	counts, err := client(t, server.Addr).PubSubNumSub(t.Context(), "socket.io-request#/#").Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(counts["socket.io-request#/#"])
}

// What is published at a server that has become a replica reaches nobody at its master. A node
// leaves it.
func TestLeavesAReplica(t *testing.T) {
	first, second := peers.Redis(t), peers.Redis(t)
	proxy := peers.NewProxy(t, first.Addr)
	a := openHost(t, "/", New(client(t, proxy.Addr), &Options{PingInterval: 100 * time.Millisecond}))
	b := openHost(t, "/", New(client(t, second.Addr), nil))
	p := b.Connect()
	together(t, a)
	proxy.Retarget(second.Addr)
	host, port, _ := strings.Cut(second.Addr, ":")
	if err := client(t, first.Addr).ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err) // all connections stay
	}
	together(t, a, b)
	shout(t, a, 0)
	hear(t, p, 0, 1)
}

// What an outage has cost is told when it is over: to observers, in a line, and in the counters.
func TestOutageIsToldWithItsNumbers(t *testing.T) {
	server := peers.Redis(t)
	var d diary
	a := openHost(t, "/", New(client(t, server.Addr), d.options(Options{MaxQueued: 5, QueueTimeout: 300 * time.Millisecond})))
	together(t, a)
	if began, ended := d.outages(); began != 0 || ended != 0 {
		t.Errorf("%d outages before one, %d over", began, ended)
	}
	server.Kill(t)
	eventually(t, "the outage to begin", func() bool { began, _ := d.outages(); return began == 1 })
	full := 0
	for range 8 {
		err := a.Adapter().Broadcast(t.Context(), event("/", `["x"]`), adapter.Target{})
		if errors.Is(err, ErrQueueFull) {
			full++
		} else if _, unavailable := errors.AsType[*UnavailableError](err); !unavailable {
			t.Errorf("Broadcast: %v", err)
		}
	}
	eventually(t, "the messages to be given up", func() bool { return health(a).Losses.Expired == 5 })
	state := health(a)
	if state.Reached || state.Subscribed || state.SubscribeErr == nil || state.Losses.Refused != 3 || full != 3 {
		t.Errorf("in the outage: %+v, %d refused", state, full)
	}
	server.Restart(t)
	eventually(t, "the outage to end", func() bool { _, ended := d.outages(); return ended == 1 })
	d.mu.Lock()
	info := d.ended[0]
	d.mu.Unlock()
	if info.Losses != (adapter.Losses{Expired: 5, Refused: 3}) || info.Lasted < info.Deaf || info.Deaf <= 0 || info.Err == nil {
		t.Errorf("the outage: %+v", info)
	}
	eventually(t, "the line", func() bool { return strings.Contains(d.logged(), "outage of redis is over") })
	for _, part := range []string{"lost=5", "refused=3", "unknown=0", "lasted=", "deaf="} {
		if !strings.Contains(d.logged(), part) {
			t.Errorf("%s is not in the log: %s", part, d.logged())
		}
	}
	together(t, a)
}

// After an outage nothing is published before the nodes that were there are listening again.
func TestHeldUntilTheOthersListen(t *testing.T) {
	server := peers.Redis(t)
	proxy := peers.NewProxy(t, server.Addr)
	a, b := openHost(t, "/", New(client(t, server.Addr), nil)), openHost(t, "/", New(client(t, proxy.Addr), nil))
	together(t, a, b)
	p := b.Connect()
	proxy.BlackHole() // b finds its way back later than a
	server.Kill(t)
	eventually(t, "the outage to be noticed", func() bool { return !health(a).Reached })
	for i := range 20 {
		if !shout(t, a, i) {
			t.Errorf("broadcast %d has no error", i)
		}
	}
	server.Restart(t)
	eventually(t, "the first node to listen", func() bool { return health(a).Subscribed })
	proxy.Heal()
	proxy.Cut()
	hear(t, p, 0, 20)
	together(t, a, b)
}

// A node that does not come back holds the others up for two seconds, not for ever.
func TestNodeThatStaysAwayIsNotWaitedFor(t *testing.T) {
	server := peers.Redis(t)
	proxy := peers.NewProxy(t, server.Addr)
	var d diary
	a, b := openHost(t, "/", New(client(t, server.Addr), d.options(Options{}))), openHost(t, "/", New(client(t, server.Addr), nil))
	gone := openHost(t, "/", New(client(t, proxy.Addr), &Options{RequestTimeout: time.Second}))
	together(t, a, b, gone)
	d.mu.Lock()
	d.ended = nil // of the start, if there was one
	d.mu.Unlock()
	p := b.Connect()
	proxy.BlackHole()
	server.Kill(t)
	eventually(t, "the outage to be noticed", func() bool { return !health(a).Reached })
	shout(t, a, 0)
	server.Restart(t)
	hear(t, p, 0, 1)
	together(t, a, b)
	eventually(t, "the outage to be told", func() bool { _, ended := d.outages(); return ended > 0 })
	d.mu.Lock()
	if info := d.ended[len(d.ended)-1]; info.Missing != 1 {
		t.Errorf("told %+v", info)
	}
	d.mu.Unlock()
	eventually(t, "the line", func() bool { return strings.Contains(d.logged(), "missing=1") })
	proxy.Cut()
	proxy.Heal()
	together(t, a, b, gone)
}

// The master of a Redis cluster through which nodes publish dies without a replica: they go through
// another one, and the nodes are counted without it.
func TestMasterDiesWithoutReplica(t *testing.T) {
	servers := peers.RedisCluster(t, 3)
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	var hosts [4]*adaptertest.Host
	for i := range hosts {
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
		t.Cleanup(func() { rdb.Close() })
		hosts[i] = openHost(t, "/", New(rdb, &Options{PingInterval: 200 * time.Millisecond}))
	}
	together(t, hosts[:]...)
	p := hosts[1].Connect()
	home := hosts[0].Adapter().(*classic).link.subscriber.standing().at.addr
	for _, s := range servers {
		if s.Addr == home {
			s.Kill(t)
		}
	}
	eventually(t, "the death to be noticed", func() bool { return !health(hosts[0]).Reached })
	for i := range 20 {
		shout(t, hosts[0], i)
	}
	hear(t, p, 0, 20)
	together(t, hosts[:]...)
}

// Who publishes into a network that swallows everything is told so, and nothing is lost when it
// heals.
func TestBlackHoleIsToldAndLosesNothing(t *testing.T) {
	server := peers.Redis(t)
	proxy := peers.NewProxy(t, server.Addr)
	var d diary
	a, b := openHost(t, "/", New(client(t, proxy.Addr), d.options(Options{}))), openHost(t, "/", New(client(t, proxy.Addr), nil))
	together(t, a, b)
	p := b.Connect()
	proxy.BlackHole()
	sent := 0
	eventually(t, "Emit to tell", func() bool { sent++; return shout(t, a, sent-1) })
	for range 50 {
		if sent++; !shout(t, a, sent-1) {
			t.Error("a broadcast has no error")
		}
	}
	if state := health(a); state.QueueAge < slowTime || state.Reached {
		t.Errorf("in the black hole: %+v", state)
	}
	proxy.Heal()
	hear(t, p, 0, sent)
	if total := health(a).Losses.Total(); total > 0 {
		t.Errorf("%d are said to be lost", total)
	}
	together(t, a, b)
	eventually(t, "the outage to be told", func() bool { began, ended := d.outages(); return began == 1 && ended == 1 })
	if !strings.Contains(d.logged(), "redis has not answered") {
		t.Errorf("logged %s", d.logged())
	}
}

// What was on its way when a connection broke may have arrived: it is counted as such.
func TestUnknownFateIsCounted(t *testing.T) {
	server := peers.Redis(t)
	proxy := peers.NewProxy(t, server.Addr)
	var d diary
	a := openHost(t, "/", New(client(t, proxy.Addr), d.options(Options{})))
	together(t, a)
	proxy.BlackHole()
	shout(t, a, 0)
	eventually(t, "it to be on its way", func() bool { return shout(t, a, 1) })
	proxy.Cut()
	proxy.Heal()
	eventually(t, "the outage to end", func() bool { _, ended := d.outages(); return ended > 0 })
	if l := health(a).Losses; l.Unknown == 0 || l.Expired+l.Refused+l.Unheard+l.Failed > 0 {
		t.Errorf("%+v", l)
	}
}

// A server that stalls for less than Silence loses nothing of what it is given and of what it has.
func TestStallLosesNothing(t *testing.T) {
	server := peers.Redis(t)
	opts := &Options{PingInterval: 50 * time.Millisecond}
	hasty := func() *redis.Client { // gives up long before Emit tells
		return clientWith(t, &redis.Options{Addr: server.Addr, ReadTimeout: 200 * time.Millisecond})
	}
	a, b := openHost(t, "/", New(hasty(), opts)), openHost(t, "/", New(hasty(), opts))
	together(t, a, b)
	p := b.Connect()
	server.Pause(t)
	sent := 0
	eventually(t, "Emit to tell", func() bool { sent++; return shout(t, a, sent-1) })
	server.Resume(t)
	hear(t, p, 0, sent)
	if state := health(b); state.Losses.Total() > 0 || state.SubscribeErr != nil {
		t.Errorf("%+v", state)
	}
}

// A user who may not UNSUBSCRIBE closes a namespace at once.
func TestCloseWithoutTheRightToUnsubscribe(t *testing.T) {
	server := peers.Redis(t)
	admin := client(t, server.Addr)
	if err := admin.ACLSetUser(t.Context(), "node", "on", ">secret", "+@all", "-unsubscribe", "-punsubscribe", "allchannels").Err(); err != nil {
		t.Fatal(err)
	}
	factory := New(clientWith(t, &redis.Options{Addr: server.Addr, Username: "node", Password: "secret"}), nil)
	one, two := openHost(t, "/", factory), openHost(t, "/two", factory)
	together(t, one)
	together(t, two)
	closeHost(t, two)
	eventually(t, "Redis to forget it", func() bool {
		counts, err := admin.PubSubNumSub(t.Context(), "socket.io-request#/two#").Result()
		return err == nil && counts["socket.io-request#/two#"] == 0
	})
	together(t, one)
}

// A subscriber that Redis cuts off again and again is back at once each time.
func TestPausesDoNotGrowWhileConnectionsWork(t *testing.T) {
	server := peers.Redis(t)
	admin := client(t, server.Addr)
	var d diary
	h := openHost(t, "/", New(client(t, server.Addr), d.options(Options{MinBackoff: time.Millisecond, MaxBackoff: time.Hour})))
	for round := range 15 { // with pauses that double it would be half a minute away
		together(t, h)
		if err := admin.ClientKillByFilter(t.Context(), "type", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the cut to be noticed", func() bool { began, _ := d.outages(); return began > round })
	}
	together(t, h)
}

// A client that cannot work is refused when the program starts.
func TestRingIsRefused(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": "127.0.0.1:1"}})
	defer ring.Close()
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "*redis.Ring") {
			t.Errorf("recovered %s", r)
		}
	}()
	New(ring, nil)
}

// An observer is told of things in their order, and Close waits for it.
func TestObserversAreToldInOrder(t *testing.T) {
	var tell teller
	var got []int
	for i := range 100 {
		tell.tell(func() { got = append(got, i) })
	}
	if err := tell.wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, n := range got {
		if i != n {
			t.Fatalf("told %d in the place of %d", n, i)
		}
	}
}

// The rights that the documentation names are enough, on one server and in a Redis cluster.
func TestLeastRights(t *testing.T) {
	rights := []string{
		"on", ">secret", "resetchannels", "&socket.io#/#*", "&socket.io-request#*", "&socket.io-response#*", "-@all",
		"+publish", "+subscribe", "+psubscribe", "+unsubscribe", "+punsubscribe", "+ping", "+pubsub|numsub",
	}
	t.Run("one server", func(t *testing.T) {
		server := peers.Redis(t)
		if err := client(t, server.Addr).ACLSetUser(t.Context(), "node", rights...).Err(); err != nil {
			t.Fatal(err)
		}
		checkRights(t, func() redis.UniversalClient {
			return clientWith(t, &redis.Options{Addr: server.Addr, Username: "node", Password: "secret"})
		})
	})
	t.Run("cluster", func(t *testing.T) {
		var addrs []string
		for _, server := range peers.RedisCluster(t, 3) {
			addrs = append(addrs, server.Addr)
			if err := client(t, server.Addr).ACLSetUser(t.Context(), "node", append(rights, "+cluster|slots")...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		checkRights(t, func() redis.UniversalClient {
			rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Username: "node", Password: "secret"})
			t.Cleanup(func() { rdb.Close() })
			return rdb
		})
	})
}

func checkRights(t *testing.T, connect func() redis.UniversalClient) {
	t.Helper()
	var d diary
	a, b := openHost(t, "/", New(connect(), d.options(Options{}))), openHost(t, "/", New(connect(), nil))
	together(t, a, b)
	p := b.Connect()
	if shout(t, a, 0) {
		t.Error("a broadcast has an error")
	}
	hear(t, p, 0, 1)
	if sockets, err := a.Adapter().Fetch(patience(t), adapter.Target{}); err != nil || len(sockets) != 1 {
		t.Errorf("fetched %d, %v", len(sockets), err)
	}
	if err := a.Adapter().JoinAll(patience(t), adapter.Target{}, "room"); err != nil {
		t.Error(err)
	}
	closeHost(t, a)
	if text := d.logged(); text != "" {
		t.Errorf("logged %s", text)
	}
}
