package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
)

// topic is a channel or a pattern to listen to.
type topic struct {
	name    string
	pattern bool
}

// subscription is what one namespace listens to. The fields below closed are
// guarded by the subscriber's mu.
type subscription struct {
	topics  []topic // the last one is a channel that no other node listens to
	request string  // the topic by whose listeners the nodes are counted, "" if there is none
	handle  func(channel, payload string)
	closed  <-chan struct{} // closed when nobody is to wait for it any more

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
// Two goroutines serve it. The keeper chooses the place, makes the connection, changes
// what it listens to, and pings it; the reader, which the keeper starts and waits for,
// handles what comes. At the server of a client of one server the Redis client reconnects
// by itself when the reader finds a connection broken; the keeper replaces one that has
// gone silent, that it could not write to, or that the publisher has found to be where
// nobody counts it.
type subscriber struct {
	places  *places
	log     *reporter
	outages *outages
	opts    *Options
	ctx     context.Context // ends when the subscriber is to stop
	cancel  context.CancelFunc
	done    chan struct{} // closed when the keeper has ended

	wake  chan struct{} // tells the keeper that desired has changed
	moves chan move     // tells the keeper to replace the connection

	mu        sync.Mutex
	desired   map[topic]*subscription
	confirmed map[topic]bool
	leaving   map[topic]*departure
	cut       bool           // whether Redis has confirmed nothing since the connection broke
	trouble   error          // why what is missing may be missing
	at        *place         // of the connection
	losses    int            // how often a connection has broken
	changed   chan struct{}  // closed when the standing changes
	nodes     map[string]int // how many listened to each request channel when they were last counted
}

func newSubscriber(places *places, opts *Options, log *reporter, outages *outages) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	return &subscriber{
		places: places, log: log, outages: outages, opts: opts,
		ctx: ctx, cancel: cancel,
		done:      make(chan struct{}),
		wake:      make(chan struct{}, 1),
		moves:     make(chan move, 1),
		desired:   make(map[topic]*subscription),
		confirmed: make(map[topic]bool),
		leaving:   make(map[topic]*departure),
		changed:   make(chan struct{}),
	}
}

// standing is how the subscriber is doing.
type standing struct {
	idle     bool     // whether there is nothing to listen to
	all      bool     // whether Redis has confirmed everything
	own      topic    // one that this node alone listens to; the zero topic if Redis has confirmed none
	requests []string // by whose listeners the nodes are counted
	at       *place   // nil if there has been no connection yet
	losses   int      // how often a connection has broken
	trouble  error
	changed  <-chan struct{} // closed when any of this may have changed
}

func (s *subscriber) standing() standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := standing{
		idle: len(s.desired) == 0, all: s.complete(),
		at: s.at, losses: s.losses, trouble: s.trouble, changed: s.changed,
	}
	for t, sub := range s.desired {
		if t == sub.topics[len(sub.topics)-1] && s.confirmed[t] {
			st.own = t
		}
		if t.name == sub.request && s.confirmed[t] {
			st.requests = append(st.requests, t.name)
		}
	}
	return st
}

// complete tells that Redis has confirmed everything. The caller holds mu.
func (s *subscriber) complete() bool {
	for t := range s.desired {
		if !s.confirmed[t] {
			return false
		}
	}
	return true
}

// change tells those that wait for the standing to change. The caller holds mu.
func (s *subscriber) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// doubt has the publisher look whether the connection is where it should be.
func (s *subscriber) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change()
}

// move is the wish to replace the connection.
type move struct {
	why    error
	losses int // of the standing in which it is wished: afterwards it is another connection
}

// move replaces the connection, which in that standing is where it should not be.
func (s *subscriber) move(st standing, why error) {
	select {
	case s.moves <- move{why, st.losses}:
	default:
	}
}

// counted notes how many nodes there are.
func (s *subscriber) counted(nodes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = nodes
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
	s.change()
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
	s.change()
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

// hears tells that a message of that subscription comes back to this node, if it has one.
func (s *subscriber) hears(sub *subscription) bool {
	if sub == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return sub.missing == 0 && s.desired[sub.topics[0]] == sub
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
func (s *subscriber) read(ps *redis.PubSub, at *place) {
	failures := backoff{min: s.opts.MinBackoff, max: s.opts.MaxBackoff}
	heard := false // whether the connection has worked since the last failure
	for {
		msg, err := ps.ReceiveTimeout(s.ctx, s.opts.Silence)
		if s.ctx.Err() != nil || errors.Is(err, redis.ErrClosed) || errors.Is(err, net.ErrClosed) {
			return // the keeper has given ps up, for one
		}
		if err == nil {
			heard = true
			failures.worked()
			s.dispatch(msg)
			continue
		}
		s.failed(err)
		if isReply(err) && heard {
			if s.departing() {
				return // Redis forgets what it would not be told to forget
			}
			heard = false // a command was refused; the connection is as good as before
			continue
		}
		s.lost(err)
		if netErr, ok := errors.AsType[net.Error](err); at.cluster || ok && netErr.Timeout() {
			// Another master may be better; or half of a message may have been read, and
			// this connection is of no use any more.
			s.places.avoid(at)
			return
		}
		if heard = false; !pause(s.ctx, failures.next()) {
			return
		}
	}
}

// departing tells that a subscription is waiting to be ended.
func (s *subscriber) departing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.leaving) > 0
}

// failed notes why the subscriptions may not be what they should be.
func (s *subscriber) failed(err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	s.trouble = err
	s.change()
	s.mu.Unlock()
	s.log.report(troubleSubscriber, 1, err)
}

// lost notes that the connection is broken: nothing is confirmed any more.
func (s *subscriber) lost(err error) {
	s.mu.Lock()
	deaf := len(s.desired) > 0
	s.cut = true
	s.losses++
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
	s.change()
	s.mu.Unlock()
	if deaf && s.ctx.Err() == nil {
		s.outages.deafened(err)
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
		s.change()
	}
	if s.complete() {
		s.outages.heard()
	}
}
