package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
)

const (
	// pingInterval is how often the subscriber's connection is tried.
	pingInterval = 3 * time.Second
	// silence is how long nothing, not even the answer to a ping, may come before
	// the connection is taken for dead.
	silence = 10 * time.Second
)

// topic is a channel or a pattern to listen to.
type topic struct {
	name    string
	pattern bool
}

// subscription is what one namespace listens to. The fields below closed are
// guarded by the subscriber's mu.
type subscription struct {
	topics []topic // the last one is a channel that no other node listens to
	handle func(channel, payload string)
	closed <-chan struct{} // closed when nobody is to wait for it any more

	missing int           // how many topics Redis has not confirmed
	ready   chan struct{} // closed while none is missing
}

// departure is the end of a subscription. Its missing is guarded by the
// subscriber's mu.
type departure struct {
	missing int           // how many topics Redis still may have
	done    chan struct{} // closed when none is missing
}

// subscriber owns the one connection that listens for all namespaces of a
// server. One connection, because the number of connections that listen to a
// request channel is how a cluster counts its nodes.
//
// Two goroutines serve it. The keeper makes the connection, changes what it
// listens to, and pings it; the reader, which the keeper starts and waits for,
// handles what comes. The Redis client reconnects by itself when the reader
// finds a connection broken; the keeper replaces one that has gone silent, that
// it could not write to, or, with the help of a third goroutine for a Redis
// cluster, that is where nobody counts it.
type subscriber struct {
	rdb    redis.UniversalClient
	nodes  *counter
	log    *reporter
	ping   time.Duration
	quiet  time.Duration
	ctx    context.Context // ends when the subscriber is to stop
	cancel context.CancelFunc
	done   chan struct{} // closed when the keeper has ended

	wake chan struct{} // tells the keeper that desired has changed

	mu        sync.Mutex
	desired   map[topic]*subscription
	confirmed map[topic]bool
	leaving   map[topic]*departure
	cut       bool  // whether Redis has confirmed nothing since the connection broke
	trouble   error // why what is missing may be missing
}

func newSubscriber(rdb redis.UniversalClient, nodes *counter, log *reporter) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	return &subscriber{
		rdb: rdb, nodes: nodes, log: log, ping: pingInterval, quiet: silence,
		ctx: ctx, cancel: cancel,
		done:      make(chan struct{}),
		wake:      make(chan struct{}, 1),
		desired:   make(map[topic]*subscription),
		confirmed: make(map[topic]bool),
		leaving:   make(map[topic]*departure),
	}
}

// add starts to listen for sub.
func (s *subscriber) add(sub *subscription) {
	s.mu.Lock()
	sub.ready = make(chan struct{})
	for _, t := range sub.topics {
		s.desired[t] = sub
		if !s.confirmed[t] { // as it may be from a namespace of the same name
			sub.missing++
		}
	}
	if sub.missing == 0 {
		close(sub.ready)
	}
	s.mu.Unlock()
	s.nudge()
}

// remove stops to listen for sub. The channel that it returns is closed when
// Redis has confirmed that, or at once if there is no connection on which it
// could.
func (s *subscriber) remove(sub *subscription) <-chan struct{} {
	d := &departure{missing: 1, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range sub.topics {
		if s.desired[t] == sub {
			delete(s.desired, t)
			s.gone(t) // an earlier departure need not wait any more
			s.leaving[t] = d
			d.missing++
		}
	}
	if d.missing--; d.missing == 0 || s.cut || s.ctx.Err() != nil {
		close(d.done)
		d.missing = -1
	}
	s.nudge()
	return d.done
}

// gone notes that Redis does not have the topic any more. The caller holds mu.
func (s *subscriber) gone(t topic) {
	d := s.leaving[t]
	if d == nil {
		return
	}
	delete(s.leaving, t)
	if d.missing--; d.missing == 0 {
		close(d.done)
	}
}

// goneAll notes that Redis has no topic at all. The caller holds mu.
func (s *subscriber) goneAll() {
	for t := range s.leaving {
		s.gone(t)
	}
}

func (s *subscriber) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wait returns when Redis has confirmed all that sub listens to.
func (s *subscriber) wait(ctx context.Context, sub *subscription) error {
	s.mu.Lock()
	ready := sub.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-s.ctx.Done():
		return adapter.ErrClosed
	case <-sub.closed:
		return adapter.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ready tells that wait would return at once.
func (s *subscriber) ready(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.missing == 0
}

// lastTrouble returns why a subscription may not be confirmed yet.
func (s *subscriber) lastTrouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// close stops the subscriber and waits for it until ctx ends.
func (s *subscriber) close(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read handles what comes until the connection is dead. The reader runs it.
func (s *subscriber) read(ps *redis.PubSub) {
	var failures backoff
	heard := false // whether the connection has worked since the last failure
	for {
		msg, err := ps.ReceiveTimeout(s.ctx, s.quiet)
		if s.ctx.Err() != nil || errors.Is(err, redis.ErrClosed) || errors.Is(err, net.ErrClosed) {
			return // the keeper has given ps up, for one
		}
		if err == nil {
			heard = true
			s.dispatch(msg)
			continue
		}
		s.failed(err)
		if isReply(err) && heard {
			// A command was refused; the connection is as good as before.
			heard = false
			continue
		}
		s.lost()
		reload(s.ctx, s.rdb)
		if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
			// Half of a message may have been read: this connection is of no use
			// any more.
			return
		}
		if heard = false; !pause(s.ctx, failures.next()) {
			return
		}
	}
}

// failed notes why the subscriptions may not be what they should be.
func (s *subscriber) failed(err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	s.trouble = err
	s.mu.Unlock()
	s.log.report(troubleSubscriber, 1, err)
}

// lost notes that the connection is broken: nothing is confirmed any more.
func (s *subscriber) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	clear(s.confirmed)
	s.goneAll()
	for t, sub := range s.desired {
		if t != sub.topics[0] { // once for each
			continue
		}
		if sub.missing == 0 {
			sub.ready = make(chan struct{})
		}
		sub.missing = len(sub.topics)
	}
}

// dispatch handles one message. Whatever it holds, the reader goes on.
func (s *subscriber) dispatch(msg any) {
	switch msg := msg.(type) {
	case *redis.Subscription:
		s.confirm(msg)
	case *redis.Message:
		t := topic{name: msg.Channel}
		if msg.Pattern != "" {
			t = topic{name: msg.Pattern, pattern: true}
		}
		s.mu.Lock()
		sub := s.desired[t]
		s.mu.Unlock()
		if sub != nil {
			s.protect(sub, msg)
		}
	}
}

func (s *subscriber) protect(sub *subscription, msg *redis.Message) {
	defer func() {
		if r := recover(); r != nil {
			s.log.report(troublePanic, 1, fmt.Errorf("panic: %v", r), "channel", msg.Channel, "stack", string(debug.Stack()))
		}
	}()
	sub.handle(msg.Channel, msg.Payload)
}

// confirm notes that Redis has changed what this connection listens to.
func (s *subscriber) confirm(msg *redis.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = false
	t := topic{name: msg.Channel, pattern: msg.Kind == "psubscribe" || msg.Kind == "punsubscribe"}
	if msg.Kind == "unsubscribe" || msg.Kind == "punsubscribe" {
		if sub := s.desired[t]; sub != nil && s.confirmed[t] {
			// What was confirmed is an earlier subscription of the same name.
			if sub.missing == 0 {
				sub.ready = make(chan struct{})
			}
			sub.missing++
		}
		delete(s.confirmed, t)
		s.gone(t)
		return
	}
	sub := s.desired[t]
	if sub == nil || s.confirmed[t] {
		return
	}
	s.confirmed[t] = true
	if sub.missing--; sub.missing == 0 {
		s.trouble = nil
		close(sub.ready)
	}
}
