package main

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-go/tandem/examples/peers"
)

// A scenario is one kind of trouble.
type scenario struct {
	name, what string

	mode    string   // how Redis is reached
	args    []string // of the Redis servers
	proxied bool

	begin, end func(tb testing.TB, r *rig)
	// each is called once a second while the trouble lasts.
	each  func(tb testing.TB, r *rig)
	lasts time.Duration
	// lead is for how long messages are sent before the begin, 2 s if it is 0.
	lead time.Duration
	// tail is for how long messages are sent after the end.
	tail time.Duration
}

// victim is the process that is frozen or killed: in a mixed cluster the second Go node.
const victim = 1

// scenarios are all of them.
func scenarios() []scenario {
	return []scenario{
		restart("restart-2s", 2*time.Second),
		restart("restart-8s", 8*time.Second),
		{
			name: "failover", what: "a planned failover by Sentinel, with two replicas", mode: sentinel, tail: 20 * time.Second,
			begin: func(testing.TB, *rig) {},
			end:   func(tb testing.TB, r *rig) { tb.Helper(); r.group.Failover(tb) },
		},
		{
			name: "password", what: "the password is changed for 5 s, and clients are disconnected", lasts: 5 * time.Second, tail: 10 * time.Second,
			begin: func(tb testing.TB, r *rig) { tb.Helper(); rotate(tb, r.servers[0]) },
			end:   func(tb testing.TB, r *rig) { tb.Helper(); grant(tb, r.servers[0], nodePassword) },
		},
		{
			name: "black-hole", what: "no packet passes for 15 s", proxied: true, lasts: 15 * time.Second, tail: 10 * time.Second,
			begin: func(_ testing.TB, r *rig) { r.proxy.BlackHole() },
			end:   func(_ testing.TB, r *rig) { r.proxy.Heal() },
		},
		{
			name: "stall", what: "Redis is stopped for 12 s and goes on", lasts: 12 * time.Second, tail: 10 * time.Second,
			begin: func(tb testing.TB, r *rig) { tb.Helper(); r.servers[0].Pause(tb) },
			end:   func(tb testing.TB, r *rig) { tb.Helper(); r.servers[0].Resume(tb) },
		},
		{
			name: "output-buffer", what: "subscribers may be 64 KB behind, and bursts of 20 messages of 40 KB at each node for 5 s",
			args:  []string{"--client-output-buffer-limit", "pubsub", "64kb", "64kb", "0"},
			lasts: 5 * time.Second, tail: 10 * time.Second, each: bursts,
			begin: func(testing.TB, *rig) {}, end: func(testing.TB, *rig) {},
		},
		{
			name: "frozen-peer", what: "one process is stopped for 10 s and goes on", lasts: 10 * time.Second, tail: 10 * time.Second,
			begin: func(tb testing.TB, r *rig) { tb.Helper(); r.nodes[victim].pause(tb) },
			end:   func(tb testing.TB, r *rig) { tb.Helper(); r.nodes[victim].resume(tb) },
		},
		{
			name: "killed-peer", what: "one process is killed", tail: 10 * time.Second,
			begin: func(_ testing.TB, r *rig) { r.killed[r.nodes[victim]] = true; r.nodes[victim].kill() },
			end:   func(testing.TB, *rig) {},
		},
		{
			name: "killed-master", what: "in a Redis Cluster of three masters the one dies that most is published through, without a replica",
			mode: cluster, tail: 15 * time.Second,
			begin: func(tb testing.TB, r *rig) { tb.Helper(); r.busiest(tb).Kill(tb) },
			end:   func(testing.TB, *rig) {},
		},
	}
}

// restart kills Redis and starts it again after a while.
func restart(name string, lasts time.Duration) scenario {
	return scenario{
		name: name, what: fmt.Sprintf("Redis is killed and started again after %v", lasts), lasts: lasts, tail: 10 * time.Second,
		begin: func(tb testing.TB, r *rig) { tb.Helper(); r.servers[0].Kill(tb) },
		end:   func(tb testing.TB, r *rig) { tb.Helper(); r.servers[0].Restart(tb) },
	}
}

// rotate gives the processes' user another password and ends its connections.
func rotate(tb testing.TB, s *peers.RedisServer) {
	tb.Helper()
	grant(tb, s, "another")
	s.Do(tb, "CLIENT", "KILL", "USER", nodeUser)
}

// bursts has all nodes send 800 KB each at once.
func bursts(tb testing.TB, r *rig) {
	tb.Helper()
	r.all(tb, func(n node) error { return n.burst(20, 40<<10) })
}

var publishCalls = regexp.MustCompile(`cmdstat_publish:calls=(\d+)`)

// busiest returns the server that most has been published through.
func (r *rig) busiest(tb testing.TB) *peers.RedisServer {
	tb.Helper()
	most, busiest := -1, r.servers[0]
	for _, s := range r.servers {
		calls := 0
		if m := publishCalls.FindStringSubmatch(fmt.Sprint(s.Do(tb, "INFO", "commandstats"))); m != nil {
			calls, _ = strconv.Atoi(m[1]) // digits
		}
		if calls > most {
			most, busiest = calls, s
		}
	}
	return busiest
}
