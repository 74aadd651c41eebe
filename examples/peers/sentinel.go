package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// SentinelMaster is the name under which Sentinel knows the master of a [SentinelGroup].
const SentinelMaster = "mymaster"

// sentinelConfig is filled with the port, the folder, and the host and the port of the first master.
const sentinelConfig = `
port %[1]d
bind 127.0.0.1
dir %[2]s
daemonize no
sentinel monitor mymaster %[3]s %[4]s 1
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 5000
sentinel parallel-syncs mymaster 8
`

// A SentinelGroup is a Redis master with replicas and a Sentinel that watches them. A master that is silent for a second is replaced. Its
// methods are for one goroutine at a time.
type SentinelGroup struct {
	// Addr is the address of the Sentinel.
	Addr string
	// Servers are the first master and then its replicas.
	Servers []*RedisServer

	sentinel *RedisServer
}

// Sentinel starts a Redis master, that many replicas, and a Sentinel that knows them all by the name [SentinelMaster], and ends them when
// the test does. Further arguments are given to the servers. It returns once the replicas have caught up.
func Sentinel(tb testing.TB, replicas int, args ...string) *SentinelGroup {
	tb.Helper()
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	g := &SentinelGroup{Servers: []*RedisServer{Redis(tb, args...)}}
	host, port, err := net.SplitHostPort(g.Servers[0].Addr)
	if err != nil {
		tb.Fatalf("peers: %v", err)
	}
	for range replicas {
		g.Servers = append(g.Servers, Redis(tb, append(args, "--replicaof", host+" "+port)...))
	}
	for _, r := range g.Servers[1:] {
		awaitServer(tb, "a replica to catch up", func() error { return r.says("replication", "master_link_status:up") })
	}
	g.sentinel = startSentinel(tb, host, port)
	g.Addr = g.sentinel.Addr
	awaitServer(tb, "Sentinel to know the replicas", func() error { return g.knows(replicas) })
	return g
}

// startSentinel starts a Sentinel that watches the master at the host and the port.
func startSentinel(tb testing.TB, host, port string) *RedisServer {
	tb.Helper()
	path, dir := program(tb, "redis-server"), tb.TempDir()
	r := &RedisServer{log: &tail{}}
	tb.Cleanup(func() { r.cleanup(tb) })
	var err error
	for range 5 { // another process may take the port first
		own := FreePort(tb)
		r.Addr = hostPort(own)
		config := filepath.Join(dir, strconv.Itoa(own)+".conf")
		if err = os.WriteFile(config, fmt.Appendf(nil, sentinelConfig, own, dir, host, port), 0o600); err != nil {
			break
		}
		r.args = []string{path, config, "--sentinel"}
		if err = r.start(); err == nil {
			return r
		}
	}
	tb.Fatalf("peers: Sentinel: %v\n%s", err, r.log)
	return nil
}

// Addrs returns the addresses of the Sentinels, as Redis clients want them.
func (g *SentinelGroup) Addrs() []string { return []string{g.Addr} }

// Master returns the server that Sentinel names as the master.
func (g *SentinelGroup) Master(tb testing.TB) *RedisServer {
	tb.Helper()
	addr, err := g.masterAddr()
	if err != nil {
		tb.Fatalf("peers: Sentinel: %v", err)
	}
	for _, r := range g.Servers {
		if r.Addr == addr {
			return r
		}
	}
	tb.Fatalf("peers: Sentinel names %s, which is none of its servers", addr)
	return nil
}

// Failover has Sentinel make a replica the master, as an operator does before maintenance. It returns once Sentinel names another
// master. The former one goes on as if it were one for up to ten seconds: Sentinel makes it a replica, and ends its clients' connections,
// only then.
func (g *SentinelGroup) Failover(tb testing.TB) {
	tb.Helper()
	former, err := g.masterAddr()
	if err != nil {
		tb.Fatalf("peers: Sentinel: %v", err)
	}
	awaitServer(tb, "the end of an earlier failover", func() error {
		_, err := g.sentinel.Try("SENTINEL", "FAILOVER", SentinelMaster)
		return err
	})
	awaitServer(tb, "a failover", func() error {
		addr, err := g.masterAddr()
		if err == nil && addr == former {
			err = errors.New("Sentinel still names " + addr)
		}
		return err
	})
}

func (g *SentinelGroup) masterAddr() (string, error) {
	answer, err := g.sentinel.Try("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SentinelMaster)
	if err != nil {
		return "", err
	}
	pair, ok := answer.([]any)
	if !ok || len(pair) != 2 {
		return "", fmt.Errorf("the address of the master is %v", answer)
	}
	return net.JoinHostPort(fmt.Sprint(pair[0]), fmt.Sprint(pair[1])), nil
}

// knows returns an error unless Sentinel could make any of that many replicas the master.
func (g *SentinelGroup) knows(replicas int) error {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: g.Addr, PoolSize: 1})
	defer sentinel.Close() //nolint:errcheck // nobody uses it any more
	all, err := sentinel.Replicas(ctx, SentinelMaster).Result()
	if err != nil {
		return err
	}
	usable := 0
	for _, r := range all {
		if r["flags"] == "slave" && r["master-link-status"] == "ok" {
			usable++
		}
	}
	if usable != replicas {
		return fmt.Errorf("%d replicas of %d are usable: %v", usable, replicas, all)
	}
	return nil
}

// says returns an error unless that section of INFO has a line.
func (r *RedisServer) says(section, line string) error {
	info, err := r.Try("INFO", section)
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(info), line+"\r\n") {
		return fmt.Errorf("redis-server %s lacks %s in %v", r.Addr, line, info)
	}
	return nil
}
