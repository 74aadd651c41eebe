package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandem-go/tandem/adapter"
)

// publisher publishes in the order in which it is told to, from one goroutine,
// in batches of what has come together meanwhile.
//
// It does so through one connection, at the server where this node listens. Before it
// uses a connection that is new, that has rested for a while, or that may have broken
// together with the one that listens, it has Redis count who is there: see ready. So
// after trouble nothing is published before this node, and those that were there before,
// can hear it.
type publisher struct {
	queue

	places    *places
	listening *subscriber
	nodes     *counter
	opts      *Options
	ctx       context.Context // ends when the publisher is to give up
	cancel    context.CancelFunc
	done      chan struct{} // closed when the goroutine has ended

	// What follows is the goroutine's own.

	failures backoff
	at       *place
	conn     *redis.Conn   // nil if there is none
	fresh    bool          // whether Redis has answered nothing on it
	sure     bool          // whether it was found good when it was last looked at
	used     time.Time     // when Redis has answered on it last
	epoch    int           // the subscriber's losses when it was found good
	noRole   bool          // whether the user may not ask for the server's role
	looked   time.Time     // when it was last looked at
	seen     int           // the subscriber's losses when tried was set
	tried    time.Time     // when this node became deaf, or when it was tried all the same
	through  int           // the subscriber's losses when something was last published
	blinded  time.Time     // when other masters of a Redis cluster have not answered
	again    time.Duration // when to look again at the latest, 0 if nothing is wrong
	answered time.Time     // when Redis first answered in the present trouble
	strikes  int           // how often a connection was in another place than the one that listens
	accepted error         // what is wrong, and published all the same
	expected map[string]int
}

func newPublisher(places *places, listening *subscriber, nodes *counter, opts *Options, log *reporter) *publisher {
	ctx, cancel := context.WithCancel(context.Background())
	return &publisher{
		queue: queue{
			log: log, outages: listening.outages, wake: make(chan struct{}, 1),
			maxCount: opts.MaxQueued, maxBytes: opts.MaxQueuedBytes, patience: opts.RequestTimeout,
		},
		places: places, listening: listening, nodes: nodes, opts: opts,
		ctx: ctx, cancel: cancel,
		done:     make(chan struct{}),
		failures: backoff{min: opts.MinBackoff, max: opts.MaxBackoff},
		tried:    time.Now(),
		through:  -1,
	}
}

// close lets the publisher end once its queue is empty, and waits for that
// until ctx ends.
func (p *publisher) close(ctx context.Context) error {
	p.queue.close()
	select {
	case <-p.done:
		p.cancel()
		return nil
	case <-ctx.Done():
		p.cancel()
		return ctx.Err()
	}
}

// run is the publisher's goroutine.
func (p *publisher) run() {
	defer close(p.done)
	defer p.hangUp()
	var waiting []message
	for {
		var closed bool
		waiting, closed = p.take(waiting)
		for rest := waiting; len(rest) > 0; {
			n := batchSize(rest)
			p.deliver(rest[:n])
			rest = rest[n:]
		}
		if len(waiting) > 0 {
			continue
		}
		if closed {
			return
		}
		p.rest()
	}
}

// rest waits for something to publish. Meanwhile it looks now and then whether what will
// be published will get where it should, more often while it would not.
func (p *publisher) rest() {
	for {
		changed := p.listening.standing().changed
		timer := time.NewTimer(cmp.Or(p.again, p.opts.PingInterval))
		select {
		case <-p.wake:
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		if p.ctx.Err() != nil {
			return
		}
		if err := p.ready(true); err != nil {
			p.failed(err)
		}
	}
}

// deliver publishes a batch. What has certainly not been published is tried again until
// it expires; whatever becomes of it, nothing of the batch is left in the end.
func (p *publisher) deliver(batch []message) {
	var err error
	for {
		if batch = p.discard(p.giveUp(err), batch, err); len(batch) == 0 {
			return
		}
		if err = p.ready(false); err == nil {
			batch, err = p.exec(batch)
		}
		if err == nil {
			return
		}
		if p.failed(err); len(batch) > 0 {
			p.await(p.again)
		}
	}
}

// giveUp returns why nothing can ever be published any more, nil if it can.
func (p *publisher) giveUp(err error) error {
	if p.ctx.Err() != nil || p.late() {
		return adapter.ErrClosed
	}
	if errors.Is(err, redis.ErrClosed) {
		return &UnavailableError{Err: err} // the application has closed the client
	}
	return nil
}

// await waits for d, or until the subscriber may have changed for the better.
func (p *publisher) await(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.listening.standing().changed:
	case <-p.ctx.Done():
	}
}

// failed notes that nothing can be published, and when to try again.
func (p *publisher) failed(err error) {
	if waits, ok := err.(*unreadyError); ok { //nolint:errorlint // ready returns it as it is
		if p.again = waits.again; waits.trouble != nil {
			p.outages.setDown(err)
		}
		return
	}
	p.outages.setDown(err)
	p.answered, p.again = time.Time{}, p.failures.next()
	p.outages.began(err)
	p.log.report(troublePublisher, 1, err)
}
