package redisadapter

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
)

// Observer is a set of functions that are called when something has happened, for
// metrics and for programs that repair what was lost. Those that are nil cost nothing.
// See [Options].Observers.
//
// They are called one after the other, in the order in which things happen, on a
// goroutine of their own: one that blocks holds up the other observers, and Close.
type Observer struct {
	// OutageBegan is called when a connection to Redis has failed.
	OutageBegan func(OutageBeganInfo)
	// OutageEnded is called when this node listens again and is counted among the nodes.
	OutageEnded func(OutageEndedInfo)
}

// OutageBeganInfo describes the beginning of trouble with Redis.
type OutageBeganInfo struct {
	// At is when it was noticed.
	At time.Time
	// Err is the error by which it was noticed.
	Err error
}

// OutageEndedInfo describes trouble with Redis that is over.
type OutageEndedInfo struct {
	// Began is when it was noticed.
	Began time.Time
	// Err is the error by which it was noticed.
	Err error
	// Lasted is how long it took until this node listened and was counted again.
	Lasted time.Duration
	// Deaf is for how much of it this node did not listen. What other nodes published
	// meanwhile has not reached its sockets; how much that was cannot be known here.
	Deaf time.Duration
	// Losses are the messages of this node that were lost meanwhile.
	Losses adapter.Losses
	// Missing is how many of the nodes that were there before had not come back two seconds
	// after Redis had, and are not waited for any more. What is published from then on does
	// not reach them, wherever they are.
	Missing int
}

// outages keeps the book of what is lost: in all, and in the present outage.
type outages struct {
	log       *logonce.Log
	observers []Observer
	told      teller

	mu      sync.Mutex
	total   adapter.Losses
	current *OutageEndedInfo // nil without an outage
	down    error            // why what is published gets nowhere just now, nil if it does
	deaf    time.Time        // since when the node does not listen, zero if it does
	since   time.Time        // when current became nil, or not
	left    OutageEndedInfo  // the sum of those that are over and have not been logged
}

func newOutages(log *logonce.Log, observers []Observer) *outages {
	return &outages{log: log, observers: observers, since: time.Now()}
}

// began notes trouble, which may have begun already.
func (o *outages) began(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != nil {
		return
	}
	now := time.Now()
	o.current, o.since = &OutageEndedInfo{Began: now, Err: err}, now
	for _, ob := range o.observers {
		if ob.OutageBegan != nil {
			o.told.tell(func() { ob.OutageBegan(OutageBeganInfo{At: now, Err: err}) })
		}
	}
}

// deafened notes that the node does not listen any more.
func (o *outages) deafened(err error) {
	o.began(err)
	o.setDown(err)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf.IsZero() {
		o.deaf = time.Now()
	}
}

// setDown notes whether what is published is known not to get anywhere.
func (o *outages) setDown(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = err
}

// blocked returns why what is published gets nowhere just now, nil if it does.
func (o *outages) blocked() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.down
}

// heard notes that the node listens.
func (o *outages) heard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != nil && !o.deaf.IsZero() {
		o.current.Deaf += time.Since(o.deaf)
	}
	o.deaf = time.Time{}
}

// missing notes how many nodes are not waited for any more.
func (o *outages) missing(nodes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != nil {
		o.current.Missing = nodes
	}
}

// lost counts messages that other nodes did not get. The function chooses the number.
func (o *outages) lost(kind func(*adapter.Losses) *uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*kind(&o.total)++
	if o.current != nil {
		*kind(&o.current.Losses)++
	}
}

func refused(l *adapter.Losses) *uint64 { return &l.Refused }
func expired(l *adapter.Losses) *uint64 { return &l.Expired }
func unknown(l *adapter.Losses) *uint64 { return &l.Unknown }
func unheard(l *adapter.Losses) *uint64 { return &l.Unheard }
func failed(l *adapter.Losses) *uint64  { return &l.Failed }

// ended notes that all is well, and tells what the outage has cost if there was one.
func (o *outages) ended() {
	o.mu.Lock()
	info := o.current
	if info == nil {
		o.mu.Unlock()
		return
	}
	o.current, o.since = nil, time.Now()
	info.Lasted = time.Since(info.Began)
	for _, ob := range o.observers {
		if ob.OutageEnded != nil {
			o.told.tell(func() { ob.OutageEnded(*info) })
		}
	}
	sum := OutageEndedInfo{
		Err: info.Err, Lasted: o.left.Lasted + info.Lasted, Deaf: o.left.Deaf + info.Deaf, Losses: o.left.Losses.Add(info.Losses), Missing: info.Missing,
	}
	o.mu.Unlock()
	logged := o.log.Warn("redisadapter: an outage of redis is over", sum.attrs()...)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left = sum; logged {
		o.left = OutageEndedInfo{}
	}
}

// attrs are what is logged of an outage.
func (info *OutageEndedInfo) attrs() []any {
	l := info.Losses
	return []any{
		"lasted", info.Lasted.Round(time.Millisecond), "deaf", info.Deaf.Round(time.Millisecond),
		"lost", l.Expired + l.Unheard + l.Failed, "unknown", l.Unknown, "refused", l.Refused, "missing", info.Missing, "err", info.Err,
		slog.Group("losses", "expired", l.Expired, "unheard", l.Unheard, "failed", l.Failed),
	}
}

// report fills in what is known of losses.
func (o *outages) report(h *adapter.Health) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h.Reached, h.Since, h.PublishErr, h.Losses = o.current == nil, o.since, o.down, o.total
}

// teller runs functions one after the other, on a goroutine that there is as long as
// there are some.
type teller struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	idle    chan struct{} // closed when the goroutine has ended; nil if there has been none
}

// tell has f run, after those before it. It does not wait for it.
func (t *teller) tell(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, f)
	if !t.running {
		t.running, t.idle = true, make(chan struct{})
		go t.run(t.idle)
	}
}

// wait waits until everything has run, or ctx ends.
func (t *teller) wait(ctx context.Context) error {
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *teller) run(done chan<- struct{}) {
	defer close(done)
	for {
		t.mu.Lock()
		queue := t.queue
		t.queue = nil
		t.running = len(queue) > 0
		t.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}
