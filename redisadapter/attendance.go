package redisadapter

import (
	"context"
	"errors"
	"sync"
	"time"
)

// recount is how often the nodes are counted again while some owe an answer.
const recount = time.Second

// errLeft is why answers may be missing.
var errLeft = errors.New("a node has left that may have owed answers")

// An attendance finds out which nodes leave while an operation waits for their
// answers: nodes that have gone need not answer.
//
// Redis tells only how many nodes there are, so the rule is this. As many have gone
// as are missing in two counts in a row: a node that has only lost its connection is
// back by then, and what those that live had to say has come. The answers of a Go node
// say who it is, and Redis says whether anybody listens to that node's own channel: so it
// is known which of them had answered before they left. Any other that has gone is taken
// for one that had not. That is wrong if a Node.js server, which does not say who it
// is, has answered and then left, while another one takes longer than that to answer: that
// it may be so is counted and logged.
//
// A node that comes while another one leaves hides it: then the operation waits until
// its time is over. So it does once this node itself has trouble with Redis, as what it
// counts then says nothing of the others. The nodes that are silent cannot be named:
// who has not said anything is not known, and to list all channels would take one more right.
type attendance struct {
	c     *classic
	nodes int // how many there were when they were asked

	mu    sync.Mutex
	heard []string // the uids of those that have answered
}

// departures is what an attendance has found out.
type departures struct {
	nodes int                 // how many have gone
	known map[string]struct{} // the uids of those among them that had answered
}

// hear notes that a node has answered for the first time. One that does not say who it is
// has no uid.
func (s *attendance) hear(uid string) {
	if uid == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, uid)
}

// channels returns those whose listeners are to be counted: all nodes, this one, and
// each that has answered.
func (s *attendance) channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := append(make([]string, 0, 2+len(s.heard)), s.c.request, s.c.answers(s.c.uid))
	for _, uid := range s.heard {
		names = append(names, s.c.answers(uid))
	}
	return names
}

// uid returns the nth node that has answered.
func (s *attendance) uid(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[n]
}

// run calls tell with all the departures each time that there are some. It ends
// with ctx, or when it cannot find out any more.
func (s *attendance) run(ctx context.Context, tell func(departures)) {
	tick := time.NewTicker(recount)
	defer tick.Stop()
	start := s.c.link.subscriber.standing()
	var d departures
	absent := make(map[string]struct{}) // at the last count
	for last := s.nodes; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n, err := s.c.link.counter.counts(ctx, s.channels()...)
		if err != nil || n[0] < 1 || n[1] < 1 || s.c.link.subscriber.standing().losses != start.losses {
			return
		}
		d.nodes = max(d.nodes, s.nodes-max(n[0], last))
		last = n[0]
		before := absent
		absent, d.known = make(map[string]struct{}), make(map[string]struct{})
		for i, listening := range n[2:] {
			if listening > 0 {
				continue
			}
			uid := s.uid(i)
			absent[uid] = struct{}{}
			if _, twice := before[uid]; twice {
				d.known[uid] = struct{}{}
			}
		}
		if d.nodes > 0 || len(d.known) > 0 { // who answers and leaves may not have been counted at all
			tell(d)
		}
	}
}

// unsure reports that an operation has ended without an answer that may not have
// been that of a node that has left.
func (c *classic) unsure(op string) {
	c.link.log.report(troubleUnsure, 1, errLeft, "operation", op, "namespace", c.host.Namespace())
}
