package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
	"github.com/tandem-go/tandem/examples/peers"
)

// manyMasters stands in for the client of a Redis cluster.
type manyMasters struct {
	redis.UniversalClient

	masters []*redis.Client
	err     error
}

func (m *manyMasters) ForEachMaster(ctx context.Context, fn func(ctx context.Context, node *redis.Client) error) error {
	for _, node := range m.masters {
		if err := fn(ctx, node); err != nil {
			return err
		}
	}
	return m.err
}

// TestCountInCluster adds up what the masters say.
func TestCountInCluster(t *testing.T) {
	cluster := &manyMasters{}
	for i := range 3 {
		rdb := client(t, peers.Redis(t).Addr)
		cluster.masters = append(cluster.masters, rdb)
		for range i {
			ps := rdb.Subscribe(t.Context(), "a", "b")
			defer ps.Close()
			for range 2 {
				if _, err := ps.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	c := newCounter(cluster, time.Minute)
	for channel, want := range map[string]int{"a": 3, "b": 3, "c": 0} {
		if n, err := c.count(t.Context(), channel); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", channel, n, err, want)
		}
	}
	cluster.err = errors.New("one is down")
	_, err := c.count(t.Context(), "a")
	if _, ok := errors.AsType[*UnavailableError](err); !ok {
		t.Errorf("error: %v", err)
	}
	if err := c.close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.count(t.Context(), "a"); !errors.Is(err, adapter.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestCountLeavesInTime does not wait for a Redis client that does.
func TestCountLeavesInTime(t *testing.T) {
	release := make(chan struct{})
	c := newCounter(&stuckMaster{release: release}, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.count(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
	close(release)
	if err := c.close(patience(t)); err != nil {
		t.Error(err)
	}
}

type stuckMaster struct {
	redis.UniversalClient

	release chan struct{}
}

func (m *stuckMaster) ForEachMaster(context.Context, func(ctx context.Context, node *redis.Client) error) error {
	<-m.release
	return nil
}

// TestMovesToTheMasterAfterFailover has a planned failover, in which the
// connection that listens stays open and goes on receiving.
func TestMovesToTheMasterAfterFailover(t *testing.T) {
	first, second := peers.Redis(t), peers.Redis(t)
	var failedOver atomic.Bool
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{first.Addr},
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
			master, replica := first.Addr, second.Addr
			if failedOver.Load() {
				master, replica = replica, master
			}
			return []redis.ClusterSlot{{End: 16383, Nodes: []redis.ClusterNode{{Addr: master}, {Addr: replica}}}}, nil
		},
	})
	defer rdb.Close()
	l := testLink(rdb)
	s := l.subscriber
	s.run(t)
	go l.publisher.run()
	defer func() {
		if err := errors.Join(l.publisher.close(patience(t)), l.counter.close(patience(t))); err != nil {
			t.Error(err)
		}
	}()
	got := make(chan string, 1)
	sub := s.listen(t, func(_, payload string) { got <- payload }, "shared", "own")
	counted := func(node *redis.Client) int64 {
		t.Helper()
		counts, err := node.PubSubNumSub(t.Context(), "shared").Result()
		if err != nil {
			t.Fatal(err)
		}
		return counts["shared"]
	}
	one, two := client(t, first.Addr), client(t, second.Addr)
	if counted(one) != 1 || counted(two) != 0 {
		t.Errorf("%d listen at the master, %d at the replica", counted(one), counted(two))
	}
	host, port, err := net.SplitHostPort(second.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	failedOver.Store(true)
	eventually(t, "the node to be counted again", func() bool {
		n, err := l.counter.count(t.Context(), "shared")
		return err == nil && n == 1
	})
	if err := s.wait(patience(t), sub); err != nil {
		t.Error(err)
	}
	if n := counted(one); n != 0 {
		t.Errorf("%d listen at what is a replica now", n)
	}
	if err := two.Publish(t.Context(), "shared", "x").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case payload := <-got:
		if payload != "x" {
			t.Errorf("got %q", payload)
		}
	case <-patience(t).Done():
		t.Error("what is published at the master does not come")
	}
}

// TestSuiteOnRedisCluster runs everything on a Redis cluster.
func TestSuiteOnRedisCluster(t *testing.T) {
	var addrs []string
	for _, server := range peers.RedisCluster(t, 3) {
		addrs = append(addrs, server.Addr)
	}
	adaptertest.Run(t, adaptertest.Options{
		Nodes: 3,
		Start: func(t *testing.T, nodes int) []adapter.Factory {
			t.Helper()
			factories := make([]adapter.Factory, nodes)
			for i := range factories {
				rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
				t.Cleanup(func() {
					if err := rdb.Close(); err != nil {
						t.Errorf("closing the client: %v", err)
					}
				})
				factories[i] = New(rdb, &Options{Key: fmt.Sprint(t.Name())})
			}
			return factories
		},
	})
}
