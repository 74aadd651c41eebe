package redisadapter

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
)

// New returns the adapters of a server whose namespaces share their rooms with
// those of other servers through Redis. A nil opts stands for the defaults.
//
// The client may be one of a single server, of Sentinel, or of a Redis cluster. New panics
// if it is another: a [redis.Ring] does not pass messages on to all of its shards. Nor can
// a client be used that reads from replicas: nodes are counted where they listen, at the
// masters.
//
// The client stays the caller's. The adapters open one connection of their own to
// listen, as soon as there is a namespace, and take one from the client's pool for as
// long as it works, to publish; its PoolSize must leave some for what else the client
// is used for, and for counting the nodes. With their last namespace they close what
// they have opened.
//
// No adapter waits for Redis when it is made: it connects in the background, and
// the operations that need answers wait until it has.
func New(rdb redis.UniversalClient, opts *Options) adapter.Factory {
	f := &factory{rdb: rdb, opts: opts.withDefaults(), links: make(map[string]*link)}
	newPlaces(rdb, "", 0) // panics now rather than in a request
	return f.open
}

// factory makes adapters that share a link.
type factory struct {
	rdb  redis.UniversalClient
	opts Options

	mu    sync.Mutex
	links map[string]*link // by the id of the server
}

// open is the adapter.Factory.
func (f *factory) open(h adapter.Host) adapter.Adapter {
	f.mu.Lock()
	l := f.links[h.ServerID()]
	if l == nil {
		l = newLink(f.rdb, f.opts, h)
		f.links[h.ServerID()] = l
	}
	l.users++
	f.mu.Unlock()
	return newClassic(h, l, func() bool { return f.release(h.ServerID(), l) })
}

// release gives up one namespace, and tells whether it was the last of the link.
func (f *factory) release(server string, l *link) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.users--
	if l.users > 0 {
		return false
	}
	delete(f.links, server)
	return true
}

// link is what the namespaces of one server share: the goroutines and
// connections through which they reach Redis.
type link struct {
	opts       Options
	lines      *logonce.Log
	log        *reporter
	outages    *outages
	subscriber *subscriber
	publisher  *publisher
	counter    *counter

	users int // guarded by the factory's mu
}

func newLink(rdb redis.UniversalClient, opts Options, h adapter.Host) *link {
	if opts.Logger == nil {
		opts.Logger = h.Logger()
	}
	l := joinUp(rdb, &opts)
	go l.subscriber.keep()
	go l.publisher.run()
	return l
}

// joinUp makes a link whose goroutines do not run.
func joinUp(rdb redis.UniversalClient, opts *Options) *link {
	lines := logonce.New(opts.Logger)
	log := &reporter{log: lines}
	outages := newOutages(lines, opts.Observers)
	places := newPlaces(rdb, randomID(), opts.Silence)
	nodes := newCounter(rdb, opts.RequestTimeout)
	subscriber := newSubscriber(places, opts, log, outages)
	return &link{
		opts:       *opts,
		lines:      lines,
		log:        log,
		outages:    outages,
		subscriber: subscriber,
		publisher:  newPublisher(places, subscriber, nodes, opts, log),
		counter:    nodes,
	}
}

// close publishes what is queued, as long as ctx allows, and stops everything. It
// may be called again.
func (l *link) close(ctx context.Context) error {
	err := cmp.Or(l.publisher.close(ctx), l.subscriber.close(ctx), l.counter.close(ctx), l.outages.told.wait(ctx))
	l.lines.Close()
	return err
}

// randomID returns 8 characters of the alphabet in which Node.js writes the ids
// of nodes and requests.
func randomID() string {
	var b [6]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
