package redisadapter

import (
	"context"
	"maps"
	"time"

	"github.com/redis/go-redis/v9"
)

// keep is the keeper.
func (s *subscriber) keep() {
	defer close(s.done)
	var deaths backoff
	for alive := true; alive; alive = pause(s.ctx, deaths.next()) {
		k := keeper{subscriber: s, ps: s.rdb.Subscribe(s.ctx), told: make(map[topic]bool), untold: make(map[topic]bool)}
		k.run()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneAll()
}

// keeper is the keeper's work with one PubSub.
type keeper struct {
	*subscriber
	ps     *redis.PubSub
	told   map[topic]bool // what ps has been told to listen to
	untold map[topic]bool // what ps has been told not to listen to any more, as long as someone waits for that
	stale  map[topic]bool // what was unconfirmed at the last ping
}

// run tells Redis what is desired, and keeps the connection until it is dead or
// the subscriber stops.
func (k *keeper) run() {
	k.reconcile() // the first subscription makes the connection
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		k.read(k.ps)
	}()
	ticker := time.NewTicker(k.ping)
	defer ticker.Stop()
	for alive := true; alive; {
		select {
		case <-k.wake:
			k.reconcile()
		case <-ticker.C:
			k.repeat()
			if err := k.ps.Ping(k.ctx); err != nil {
				k.failed(err)
			}
		case <-dead:
			alive = false
		case <-k.ctx.Done():
			alive = false
		}
	}
	k.ps.Close() //nolint:errcheck // what is left is dead already, or ends with the connection
	<-dead
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

// tell sends one command for the channels and one for the patterns. When it
// fails the Redis client catches up on the next connection.
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
		if len(names[i]) == 0 {
			continue
		}
		if err := command(k.ctx, names[i]...); err != nil {
			k.failed(err)
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
