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

// A census finds out which nodes leave while an operation waits for their
// answers: nodes that have gone need not answer.
//
// All that Redis tells is how many nodes there are, so the rule is this. As many
// have gone as are missing in two counts in a row: a node that has only lost its
// connection is back by then, and what those that live had to say has come.
// The answers of a Go node say who it is, and Redis says whether anybody listens to
// that node's own channel: so it is known which of them had answered before they
// left. Any other that has gone is taken for one that had not. That is
// wrong if a Node.js server, which does not say who it is, has answered and then left,
// while another one takes more than a second to answer; it is counted and logged that it
// may be so.
//
// A node that comes while another one leaves hides it, and then the operation
// waits until its time is over. So it does when this node itself has
// trouble with Redis: what it counts then says nothing about the others.
type census struct {
	c     *classic
	nodes int // how many there were when they were asked

	mu    sync.Mutex
	heard map[string]struct{} // the uids of those that have answered
}

// departures is what a census has found out.
type departures struct {
	nodes int                 // how many have gone
	known map[string]struct{} // the uids of those among them that had answered
}

// hear notes that a node has answered. One that does not say who it is has no
// uid.
func (s *census) hear(uid string) {
	if uid == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard == nil {
		s.heard = make(map[string]struct{})
	}
	s.heard[uid] = struct{}{}
}

func (s *census) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	uids := make([]string, 0, len(s.heard))
	for uid := range s.heard {
		uids = append(uids, uid)
	}
	return uids
}

// run calls tell with all the departures each time that there are some. It ends
// with ctx, or when it cannot find out any more.
func (s *census) run(ctx context.Context, tell func(departures)) {
	tick := time.NewTicker(recount)
	defer tick.Stop()
	var d departures
	for last := s.nodes; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n, err := s.c.link.counter.count(ctx, s.c.request)
		if err != nil || n < 1 || !s.c.link.subscriber.ready(&s.c.subscription) {
			return
		}
		d.nodes = max(d.nodes, s.nodes-max(n, last))
		last = n
		if d.nodes == 0 {
			continue
		}
		// Only now: one that leaves in between is not counted among those that had
		// not answered.
		if d.known, err = s.absent(ctx); err != nil {
			return
		}
		tell(d)
	}
}

// absent returns the uids of the nodes that have answered and listen no more.
func (s *census) absent(ctx context.Context) (map[string]struct{}, error) {
	gone := make(map[string]struct{})
	for _, uid := range s.all() {
		n, err := s.c.link.counter.count(ctx, s.c.answers(uid))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			gone[uid] = struct{}{}
		}
	}
	return gone, nil
}

// unsure reports that an operation has ended without an answer that may not have
// been that of a node that has left.
func (c *classic) unsure(op string) {
	c.link.log.report(troubleUnsure, 1, errLeft, "operation", op, "namespace", c.host.Namespace())
}
