package redisadapter

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// keep is the keeper.
func (s *subscriber) keep() {
	defer close(s.done)
	deaths := backoff{min: s.opts.MinBackoff, max: s.opts.MaxBackoff}
	for s.awaitTopics() {
		if s.keepOne() {
			deaths.worked()
		}
		pause(s.ctx, deaths.next())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneAll()
}

// keepOne keeps one connection until it is dead, and tells whether it has ever worked.
func (s *subscriber) keepOne() (worked bool) {
	at, err := s.places.choose(s.ctx)
	if err != nil {
		s.failed(err)
		return false
	}
	s.mu.Lock()
	s.at = at
	s.mu.Unlock()
	k := keeper{subscriber: s, place: at, ps: at.listen(s.ctx), told: make(map[topic]bool), untold: make(map[topic]bool)}
	k.run()
	return k.worked
}

// awaitTopics waits until there is something to listen to, and tells whether the
// subscriber is to go on.
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
	place  *place
	ps     *redis.PubSub
	told   map[topic]bool // what ps has been told to listen to
	untold map[topic]bool // what ps has been told not to listen to any more, as long as someone waits for that
	stale  map[topic]bool // what was unconfirmed at the last ping
	spent  error          // why ps is to be given up, nil if it is not
	worked bool           // whether Redis has ever confirmed everything
}

// run tells Redis what is desired, and keeps the connection until it is dead or
// the subscriber stops.
func (k *keeper) run() {
	k.reconcile() // the first subscription makes the connection
	dead := make(chan struct{})
	var reader sync.WaitGroup
	if k.spent == nil {
		reader.Go(func() {
			defer close(dead)
			k.read(k.ps, k.place)
		})
	}
	k.serve(dead)
	k.worked = k.standing().all
	k.ps.Close() //nolint:errcheck // what is left is dead already, or ends with the connection
	reader.Wait()
	k.worked = k.worked || k.standing().all
	k.lost(cmp.Or(k.spent, k.lastTrouble()))
	if k.spent != nil {
		k.places.avoid(k.place)
	}
}

// serve is run's loop.
func (k *keeper) serve(dead <-chan struct{}) {
	ticker := time.NewTicker(k.opts.PingInterval)
	defer ticker.Stop()
	for k.spent == nil {
		select {
		case <-k.wake:
			k.reconcile()
		case <-ticker.C:
			k.repeat()
			if k.spent != nil {
				return
			}
			if err := k.ps.Ping(k.ctx); err != nil {
				k.giveUp(err)
			}
		case m := <-k.moves:
			if m.losses == k.standing().losses {
				k.giveUp(m.why)
			}
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
	k.spent = err
	k.failed(err)
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

// tell sends one command for the patterns, by which broadcasts come, and then one for the
// channels, by which this node is counted among those that get them.
func (k *keeper) tell(topics []topic, channels, patterns func(context.Context, ...string) error) {
	var names [2][]string
	for _, t := range topics {
		i := 1
		if t.pattern {
			i = 0
		}
		names[i] = append(names[i], t.name)
	}
	for i, command := range []func(context.Context, ...string) error{patterns, channels} {
		if len(names[i]) == 0 || k.spent != nil {
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
