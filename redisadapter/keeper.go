package redisadapter

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// keep is the keeper.
func (s *subscriber) keep() {
	defer close(s.done)
	var deaths backoff
	for s.awaitTopics() {
		k := keeper{subscriber: s, ps: s.rdb.Subscribe(s.ctx), told: make(map[topic]bool), untold: make(map[topic]bool)}
		k.run()
		pause(s.ctx, deaths.next())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneAll()
}

// awaitTopics waits until there is something to listen to, and tells whether the
// subscriber is to go on. Without a channel to go by, the client of a Redis
// cluster connects to any node, even to a replica, where nobody counts this one.
func (s *subscriber) awaitTopics() bool {
	for s.ctx.Err() == nil {
		s.mu.Lock()
		some := len(s.desired) > 0
		if !some {
			s.goneAll() // there is no connection
		}
		s.mu.Unlock()
		if some {
			return true
		}
		select {
		case <-s.wake:
		case <-s.ctx.Done():
		}
	}
	return false
}

// keeper is the keeper's work with one PubSub.
type keeper struct {
	*subscriber
	ps     *redis.PubSub
	told   map[topic]bool // what ps has been told to listen to
	untold map[topic]bool // what ps has been told not to listen to any more, as long as someone waits for that
	stale  map[topic]bool // what was unconfirmed at the last ping
	spent  bool           // whether ps is to be given up
}

// run tells Redis what is desired, and keeps the connection until it is dead or
// the subscriber stops.
func (k *keeper) run() {
	k.reconcile() // the first subscription makes the connection
	ctx, cancel := context.WithCancel(k.ctx)
	dead, uncounted := make(chan struct{}), make(chan struct{})
	var others sync.WaitGroup
	if !k.spent {
		others.Go(func() {
			defer close(dead)
			k.read(k.ps)
		})
	}
	if _, ok := k.rdb.(cluster); ok && !k.spent {
		others.Go(func() { k.watch(ctx, uncounted) })
	}
	k.serve(dead, uncounted)
	cancel()
	k.ps.Close() //nolint:errcheck // what is left is dead already, or ends with the connection
	others.Wait()
	k.lost()
	if k.spent {
		reload(k.ctx, k.rdb)
	}
}

// serve is run's loop.
func (k *keeper) serve(dead, uncounted <-chan struct{}) {
	ticker := time.NewTicker(k.ping)
	defer ticker.Stop()
	for !k.spent {
		select {
		case <-k.wake:
			k.reconcile()
		case <-ticker.C:
			k.repeat()
			if k.spent {
				return
			}
			if err := k.ps.Ping(k.ctx); err != nil {
				k.giveUp(err)
			}
		case <-uncounted:
			k.giveUp(errNotCounted)
		case <-dead:
			return
		case <-k.ctx.Done():
			return
		}
	}
}

// giveUp notes the trouble and has the PubSub replaced. After a failed write the
// Redis client has replaced the connection already, but the reader, if it was not
// reading just then, would never find out that what was confirmed has to be
// confirmed again.
func (k *keeper) giveUp(err error) {
	k.spent = true
	k.failed(err)
}

// watch tells, by closing uncounted, that no master of the Redis cluster counts
// this node. A master that becomes a replica keeps its connections, and still
// passes messages on to them, but only masters are asked who listens.
func (k *keeper) watch(ctx context.Context, uncounted chan<- struct{}) {
	ticker := time.NewTicker(k.ping)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		own, ok := k.own()
		if !ok {
			continue
		}
		n, err := k.nodes.count(ctx, own.name)
		k.mu.Lock()
		still := k.confirmed[own]
		k.mu.Unlock()
		if err == nil && n == 0 && still {
			close(uncounted)
			return
		}
	}
}

// own returns a channel that this node alone listens to, if Redis has confirmed
// one.
func (k *keeper) own() (topic, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for t, sub := range k.desired {
		if t == sub.topics[len(sub.topics)-1] && k.confirmed[t] {
			return t, true
		}
	}
	return topic{}, false
}

// reconcile tells Redis the difference between what is desired and what it has
// been told.
func (k *keeper) reconcile() {
	k.mu.Lock()
	var add, drop []topic
	for t := range k.desired {
		if !k.told[t] {
			add = append(add, t)
			k.told[t] = true
		}
	}
	for t := range k.leaving {
		if k.desired[t] != nil || !k.told[t] && !k.untold[t] {
			k.gone(t) // it has come back, or has never been there
		}
	}
	maps.DeleteFunc(k.untold, func(t topic, _ bool) bool { return k.leaving[t] == nil })
	for t := range k.told {
		if k.desired[t] == nil {
			drop = append(drop, t)
			delete(k.told, t)
			delete(k.confirmed, t)
			k.untold[t] = true
		}
	}
	k.mu.Unlock()
	k.tell(add, k.ps.Subscribe, k.ps.PSubscribe)
	k.tell(drop, k.ps.Unsubscribe, k.ps.PUnsubscribe)
}

// tell sends one command for the channels and one for the patterns.
func (k *keeper) tell(topics []topic, channels, patterns func(context.Context, ...string) error) {
	var names [2][]string
	for _, t := range topics {
		i := 0
		if t.pattern {
			i = 1
		}
		names[i] = append(names[i], t.name)
	}
	for i, command := range []func(context.Context, ...string) error{channels, patterns} {
		if len(names[i]) == 0 || k.spent {
			continue
		}
		if err := command(k.ctx, names[i]...); err != nil {
			k.giveUp(err)
		}
	}
}

// repeat asks once more for what has not been confirmed since the last ping: it
// may have been refused for lack of a permission that has been granted since.
func (k *keeper) repeat() {
	stale := make(map[topic]bool)
	var again []topic
	k.mu.Lock()
	for t := range k.told {
		if !k.confirmed[t] {
			stale[t] = true
			if k.stale[t] {
				again = append(again, t)
			}
		}
	}
	k.mu.Unlock()
	k.stale = stale
	k.tell(again, k.ps.Subscribe, k.ps.PSubscribe)
}
