package main

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

const (
	// patience bounds what should take a moment.
	patience = 60 * time.Second
	// The user that the processes are, whose password a scenario may change.
	nodeUser, nodePassword = "node", "one"
)

// A rig is a cluster with a Redis of its own.
type rig struct {
	name  string
	nodes []node

	servers []*peers.RedisServer
	group   *peers.SentinelGroup
	proxy   *peers.Proxy

	killed       map[node]bool
	begun, ended int64 // when the trouble has, in milliseconds of the wall clock
}

// newRig starts Redis as the scenario wants it, and the processes of a mixed cluster or those of one that is Node.js only.
func newRig(tb testing.TB, sc *scenario, mixed bool) *rig {
	tb.Helper()
	r := &rig{name: "Node only", killed: make(map[node]bool)}
	l := r.startRedis(tb, sc)
	if mixed {
		r.name = "mixed"
		r.nodes = []node{startGo(tb, "go1"), startGo(tb, "go2")}
	} else {
		r.nodes = []node{startNode(tb, "redis2", "redis"), startNode(tb, "ioredis2", "ioredis")}
	}
	r.nodes = append(r.nodes, startNode(tb, "redis1", "redis"), startNode(tb, "ioredis1", "ioredis"))
	for _, n := range r.nodes {
		l.Name = n.name()
		if err := n.listen(l); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// startRedis starts what the processes talk to, and returns how they reach it.
func (r *rig) startRedis(tb testing.TB, sc *scenario) Link {
	tb.Helper()
	args := slices.Concat(sc.args, []string{"--user", nodeUser, "on", ">" + nodePassword}, rights)
	l := Link{Mode: sc.mode, User: nodeUser, Password: nodePassword, Master: peers.SentinelMaster}
	switch sc.mode {
	case sentinel:
		r.group = peers.Sentinel(tb, 2, args...)
		r.servers, l.Addrs = r.group.Servers, r.group.Addrs()
	case cluster:
		r.servers = peers.RedisCluster(tb, 3, args...)
		for _, s := range r.servers {
			l.Addrs = append(l.Addrs, s.Addr)
		}
	default:
		r.servers = []*peers.RedisServer{peers.Redis(tb, args...)}
		r.proxy = peers.NewProxy(tb, r.servers[0].Addr)
		l.Addrs = []string{r.servers[0].Addr}
		if sc.proxied {
			l.Addrs = []string{r.proxy.Addr}
		}
	}
	return l
}

// rights are those of the processes' user.
var rights = []string{"allchannels", "allkeys", "+@all"}

// grant gives the processes' user that password, and no other.
func grant(tb testing.TB, s *peers.RedisServer, password string) {
	tb.Helper()
	s.Do(tb, "ACL", "SETUSER", nodeUser, "resetpass", ">"+password)
}

// alive returns the nodes that have not been killed.
func (r *rig) alive() []node {
	var some []node
	for _, n := range r.nodes {
		if !r.killed[n] {
			some = append(some, n)
		}
	}
	return some
}

// all calls f for each node that lives, at the same time.
func (r *rig) all(tb testing.TB, f func(n node) error) {
	tb.Helper()
	nodes := r.alive()
	failures := make([]error, len(nodes))
	var calls sync.WaitGroup
	for i, n := range nodes {
		calls.Go(func() { failures[i] = f(n) })
	}
	calls.Wait()
	if err := errors.Join(failures...); err != nil {
		tb.Fatal(err)
	}
}

// await waits until all have heard all.
func (r *rig) await(tb testing.TB) {
	tb.Helper()
	poll(tb, "all to hear all in the cluster "+r.name, func() bool {
		complete := true
		var mu sync.Mutex
		r.all(tb, func(n node) error {
			_, names, err := n.heard()
			mu.Lock()
			defer mu.Unlock()
			complete = complete && len(names) == len(r.nodes)
			return err
		})
		return complete
	})
}

// messages returns how many have arrived in all.
func (r *rig) messages(tb testing.TB) int {
	tb.Helper()
	var mu sync.Mutex
	sum := 0
	r.all(tb, func(n node) error {
		count, _, err := n.heard()
		mu.Lock()
		defer mu.Unlock()
		sum += count
		return err
	})
	return sum
}

// poll waits until the condition holds.
func poll(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("trouble: waited in vain for %s", what)
		}
	}
}
