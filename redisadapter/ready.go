package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// restTime is how long a connection may rest before it is looked at again.
	restTime = 100 * time.Millisecond
	// holdTime is how long what is to be published is held back, from when Redis answers
	// again, until all nodes that were there before are there again.
	holdTime = 2 * time.Second
	// holdStep is how often that is looked at.
	holdStep = 20 * time.Millisecond
	// deafTime is how long a publisher waits for the connection that listens before it
	// tries whether it gets through to Redis itself.
	deafTime = 5 * time.Second
	// blindTime is how long a publisher does not ask the other masters of a Redis cluster
	// after they have not answered.
	blindTime = 10 * time.Second
)

// unreadyError says why nothing is published just now.
type unreadyError struct {
	trouble error         // nil if nothing has gone wrong so far
	again   time.Duration // when to look again at the latest
}

func (e *unreadyError) Error() string {
	if e.trouble == nil {
		return "this node does not listen yet"
	}
	return e.trouble.Error()
}

func (e *unreadyError) Unwrap() error { return e.trouble }

// ready makes sure that what is published gets where it should: through a connection
// that works, to a server that counts this node among those that listen, and, after
// trouble, the other nodes as well. It is certain of a connection that has been used a
// moment ago, unless the subscriber's has broken since or force is set.
func (p *publisher) ready(force bool) error {
	st := p.listening.standing()
	if !force && p.sure && p.epoch == st.losses && time.Since(p.used) < restTime && time.Since(p.looked) < p.opts.PingInterval {
		return nil
	}
	if p.deaf(st) {
		return &unreadyError{trouble: st.trouble, again: min(deafTime, p.opts.PingInterval)}
	}
	if err := p.connect(st); err != nil {
		return err
	}
	c, err := p.look(st)
	if err != nil {
		return p.broken(err)
	}
	p.looked = time.Now()
	if c.known {
		p.used, p.fresh = p.looked, false
	}
	if wrong := p.judge(c); wrong != nil {
		return p.hold(st, c, wrong)
	}
	p.good(st)
	return nil
}

// deaf tells that nothing is to be published because this node does not listen, and may
// soon. If it does not for long it is tried all the same, and goes on if that works:
// perhaps it may not listen, and may publish.
func (p *publisher) deaf(st standing) bool {
	if p.seen != st.losses {
		p.seen, p.tried = st.losses, time.Now()
	}
	if st.own.name != "" || st.idle || p.closing() || p.through == st.losses || st.trouble != nil && redis.HasErrorPrefix(st.trouble, noPermission) {
		return false
	}
	if time.Since(p.tried) < deafTime {
		return true
	}
	p.tried = time.Now()
	return false
}

// connect takes a connection of its own if there is none. It is made when it is used.
func (p *publisher) connect(st standing) (err error) {
	if p.conn != nil {
		return nil
	}
	if p.at = st.at; p.at == nil {
		if p.at, err = p.places.choose(p.ctx); err != nil {
			return err
		}
	}
	p.conn, p.fresh, p.accepted = p.at.publish.EphemeralConn(), true, nil
	return nil
}

// broken gives the connection up after an error that is not an answer of Redis. If it is
// the first thing that came of it, another master of a Redis cluster may do better.
func (p *publisher) broken(err error) error {
	p.hangUp()
	if !p.at.cluster || isReply(err) {
		return err
	}
	if p.fresh {
		p.listening.move(p.listening.standing(), err)
	}
	return fmt.Errorf("publishing at %s: %v", p.at.addr, err) //nolint:errorlint // that this client is closed says nothing of the others
}

// hangUp gives the connection up.
func (p *publisher) hangUp() {
	p.sure = false
	if p.conn != nil {
		p.conn.Close() //nolint:errcheck // nobody uses it any more
		p.conn = nil
	}
}

// noPermission begins the error of a command that a user may not give.
const noPermission = "NOPERM"

// census is what Redis says of who is there.
type census struct {
	known   bool // whether the user may ask
	replica bool
	self    int            // how many connections listen to the channel of this node alone
	nodes   map[string]int // how many listen to each request channel
}

// look asks Redis who is there.
func (p *publisher) look(st standing) (c census, err error) {
	if st.own.name == "" {
		return c, nil // it is not there itself
	}
	pipe := p.conn.Pipeline()
	counts := pipe.PubSubNumSub(p.ctx, append([]string{st.own.name}, st.requests...)...)
	var role *redis.Cmd
	if !st.at.cluster && !p.noRole {
		role = pipe.Do(p.ctx, "role")
	}
	_, err = pipe.Exec(p.ctx)
	if own := counts.Err(); own != nil {
		err = own
	}
	switch {
	case err != nil && redis.HasErrorPrefix(err, noPermission) && counts.Err() != nil:
		p.log.report(troublePublisher, 1, fmt.Errorf("counting the nodes: %w", err))
		return c, nil //nolint:nilerr // it has been reported, and what is published need not suffer
	case counts.Val() == nil: // it has no error of its own if the connection could not be made
		return c, cmp.Or(err, errNoReply)
	}
	c.known, c.self, c.nodes = true, int(counts.Val()[st.own.name]), make(map[string]int)
	for _, name := range st.requests {
		c.nodes[name] = int(counts.Val()[name])
	}
	if role != nil {
		c.replica, p.noRole = isReplica(role)
	}
	if st.at.cluster {
		err = p.lookAround(st, &c)
		return c, err
	}
	return c, nil
}

// isReplica reads the answer to ROLE, which users are often not allowed to ask.
func isReplica(role *redis.Cmd) (replica, refused bool) {
	if err := role.Err(); err != nil {
		return false, redis.HasErrorPrefix(err, noPermission)
	}
	parts, err := role.Slice()
	return err == nil && len(parts) > 0 && parts[0] == "slave", false
}

// lookAround counts the nodes at all masters of a Redis cluster. A server that was a master
// keeps its connections when it becomes a replica, and still passes messages on to
// them, but nobody counts them.
//
// One of the other masters may be silent, which need not concern this node: it does not
// ask again for a while, as nothing is published meanwhile.
func (p *publisher) lookAround(st standing, c *census) error {
	if time.Since(p.blinded) < blindTime {
		c.nodes = nil
		return nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, slowTime)
	defer cancel()
	counts, err := p.nodes.counts(ctx, append([]string{st.own.name}, st.requests...)...)
	if err != nil {
		p.blinded, c.nodes = time.Now(), nil
		return p.ctx.Err()
	}
	c.self = min(c.self, counts[0])
	for i, name := range st.requests {
		c.nodes[name] = counts[i+1]
	}
	return nil
}

var (
	errNotCounted = errors.New("this node listens at another server than the one that counts and publishes")
	errReplica    = errors.New("the redis server is a replica: what is published there reaches nobody at its master")
	errMissing    = errors.New("nodes that were there before the trouble are not listening yet")
	errNoAnswer   = errors.New("redis has not answered for a second")
)

// judge says what is wrong with where this node would publish: nil, or one of the three.
func (p *publisher) judge(c census) error {
	switch {
	case !c.known:
		return nil
	case c.replica:
		return errReplica
	case c.self == 0:
		return errNotCounted
	}
	for name, n := range p.expected {
		if now, ok := c.nodes[name]; ok && now < n {
			return errMissing
		}
	}
	p.note(c)
	return nil
}

// note keeps how many nodes there are.
func (p *publisher) note(c census) {
	if c.nodes != nil {
		p.expected = c.nodes
		p.listening.counted(c.nodes)
	}
}

// hold decides what to do about something that is wrong and may pass. It is accepted when
// it has lasted for too long since Redis answers, and that a node is missing at once
// unless there was trouble.
func (p *publisher) hold(st standing, c census, wrong error) error {
	known := p.epoch == st.losses && p.answered.IsZero() && (wrong == errMissing || wrong == p.accepted) //nolint:errorlint // see judge
	if p.answered.IsZero() {
		p.answered = time.Now()
	}
	if known || time.Since(p.answered) >= holdTime || p.closing() {
		p.accepted = wrong
		p.outages.missing(p.absent(c))
		p.note(c)
		p.good(st)
		return nil
	}
	p.sure = false
	p.outages.began(wrong)
	p.log.report(troublePublisher, 1, wrong)
	if wrong != errMissing { //nolint:errorlint // see judge
		p.elsewhere(st, wrong)
	}
	return &unreadyError{trouble: wrong, again: holdStep}
}

// absent returns how many of the nodes are missing that were there before, in the namespace
// that misses most.
func (p *publisher) absent(c census) (most int) {
	for name, n := range p.expected {
		if now, ok := c.nodes[name]; ok {
			most = max(most, n-now)
		}
	}
	return most
}

// elsewhere gives up the connection that publishes, and has the one that listens replaced,
// since one of the two is where it should not be. The client's pool may hold more of those
// that lead to the wrong server: what listens, which is dialled anew, is not replaced
// again for each of them.
func (p *publisher) elsewhere(st standing, wrong error) {
	p.hangUp()
	if p.strikes%p.at.publish.Options().PoolSize == 0 {
		p.listening.move(st, wrong)
	}
	p.strikes++
}

// good notes that what is published gets where it should, as far as that can be had.
func (p *publisher) good(st standing) {
	p.outages.setDown(nil)
	p.sure, p.strikes = true, 0
	if st.own.name != "" || st.idle {
		p.epoch = st.losses
	}
	p.answered, p.again = time.Time{}, 0
	p.failures.worked()
	if st.all {
		p.outages.ended()
	}
}
