package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// avoidTime is how long a master of a Redis cluster that has failed is avoided.
const avoidTime = 10 * time.Second

// errNoMaster is what a node of a Redis cluster that has left it leads to.
var errNoMaster = errors.New("the redis cluster has no master")

// place is the Redis server at which a node listens and through which it publishes.
// It is the same for both: so what is published keeps its order, and Redis counts
// this node among those that get it.
type place struct {
	addr    string
	listen  func(ctx context.Context, channels ...string) *redis.PubSub
	publish *redis.Client
	cluster bool // whether it is one of several
}

// places chooses the place of a node. It is safe for concurrent use.
type places struct {
	rdb     redis.UniversalClient
	seed    string        // makes the nodes of a cluster choose different masters
	silence time.Duration // see Options.Silence

	mu      sync.Mutex
	avoided map[string]time.Time // when a master, by its address, has failed
}

// single is the client of one server, or of Sentinel.
type single interface {
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
	WithTimeout(timeout time.Duration) *redis.Client
	EphemeralConn() *redis.Conn
}

// cluster is the client of a Redis cluster. It finds out anew which the masters are.
type cluster interface {
	ForEachMaster(ctx context.Context, fn func(ctx context.Context, node *redis.Client) error) error
}

// newPlaces panics if the client is of a kind that cannot be used.
func newPlaces(rdb redis.UniversalClient, seed string, silence time.Duration) *places {
	switch rdb.(type) {
	case cluster, single:
	default:
		panic(fmt.Sprintf("redisadapter: a %T cannot be used: it is not the client of a server, of Sentinel or of a Redis cluster", rdb)) //nolint:forbidigo // a programming error, documented at New
	}
	return &places{rdb: rdb, seed: seed, silence: silence, avoided: make(map[string]time.Time)}
}

// choose returns where to be. In a Redis cluster it is a master that has not failed
// a short while ago, always the same one as long as that is so.
func (p *places) choose(ctx context.Context) (*place, error) {
	if one, ok := p.rdb.(single); ok {
		return &place{listen: one.Subscribe, publish: one.WithTimeout(p.silence)}, nil
	}
	masters, err := p.masters(ctx)
	if err != nil {
		return nil, err
	}
	node := slices.MinFunc(masters, func(a, b *redis.Client) int {
		return cmp.Or(p.failed(a).Compare(p.failed(b)), cmp.Compare(p.rank(a), p.rank(b)))
	})
	return &place{addr: node.Options().Addr, listen: node.Subscribe, publish: node.WithTimeout(p.silence), cluster: true}, nil
}

// masters returns at least one.
func (p *places) masters(ctx context.Context) ([]*redis.Client, error) {
	all, ok := p.rdb.(cluster)
	if !ok {
		return nil, errNoMaster
	}
	var mu sync.Mutex
	var masters []*redis.Client
	err := all.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, node)
		return nil
	})
	if err == nil && len(masters) == 0 {
		err = errNoMaster
	}
	return masters, err
}

// failed returns when a master has failed, or the zero time if that is long ago.
func (p *places) failed(node *redis.Client) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.avoided[node.Options().Addr]
	if time.Since(at) > avoidTime {
		return time.Time{}
	}
	return at
}

// rank orders the masters, in another way for each node.
func (p *places) rank(node *redis.Client) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, p.seed, node.Options().Addr) //nolint:errcheck // a hash takes everything
	return h.Sum64()
}

// avoid notes that a place has failed.
func (p *places) avoid(at *place) {
	if at == nil || !at.cluster {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.avoided[at.addr] = time.Now()
}
