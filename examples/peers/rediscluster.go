package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// clusterSlots is how many slots every Redis Cluster has.
const clusterSlots = 16384

// RedisCluster starts a Redis Cluster of that many masters without replicas, and ends it when the test does. It serves reads and writes
// of the other slots when a master is gone. Further arguments are given to the servers. It returns once a message that is published
// at any of them arrives at all.
func RedisCluster(tb testing.TB, masters int, args ...string) []*RedisServer {
	tb.Helper()
	args = append([]string{
		"--cluster-enabled", "yes", "--cluster-node-timeout", "3000", "--cluster-require-full-coverage", "no",
	}, args...)
	all := make([]*RedisServer, masters)
	for i := range all {
		all[i] = Redis(tb, args...)
		all[i].Do(tb, "CLUSTER", "ADDSLOTSRANGE", clusterSlots*i/masters, clusterSlots*(i+1)/masters-1)
	}
	for _, r := range all[1:] {
		host, port, err := net.SplitHostPort(r.Addr)
		if err != nil {
			tb.Fatalf("peers: %v", err)
		}
		all[0].Do(tb, "CLUSTER", "MEET", host, port, r.BusPort)
	}
	for _, r := range all {
		awaitServer(tb, "a Redis Cluster to form", func() error { return r.formed(masters) })
	}
	for _, r := range all {
		awaitServer(tb, "the bus of a Redis Cluster", func() error { return r.hears(all) })
	}
	return all
}

func (r *RedisServer) formed(masters int) error {
	info, err := r.Try("CLUSTER", "INFO")
	if err != nil {
		return err
	}
	text := fmt.Sprint(info)
	if !strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d\r\n", masters)) {
		return fmt.Errorf("redis-server %s: %s", r.Addr, text)
	}
	return nil
}

// hears returns an error unless what is published at any of the servers arrives at r. A server whose state is ok may still be replacing
// its link to another one, and drops what it is to pass on meanwhile.
func (r *RedisServer) hears(all []*RedisServer) error {
	const channel = "peers:bus"
	rdb := redis.NewClient(&redis.Options{Addr: r.Addr, Password: r.password(), PoolSize: 1})
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	ps := rdb.Subscribe(ctx, channel)
	defer ps.Close() //nolint:errcheck // it ends with rdb
	if _, err := ps.Receive(ctx); err != nil {
		return err
	}
	for _, from := range all {
		if _, err := from.Try("PUBLISH", channel, from.Addr); err != nil {
			return err
		}
	}
	for range all {
		if _, err := ps.ReceiveTimeout(ctx, 200*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("redis-server %s does not hear all", r.Addr), err)
		}
	}
	return nil
}
