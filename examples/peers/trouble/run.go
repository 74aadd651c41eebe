package main

import (
	"cmp"
	"sync"
	"testing"
	"time"
)

const (
	sendInterval = 20 * time.Millisecond
	defaultLead  = 2 * time.Second
	// calm is for how long nothing may arrive until everything has, and settleTimeout bounds the wait for it.
	calm, settleTimeout = 3 * time.Second, 20 * time.Second
)

// run lets clusters suffer a scenario, each step at the same moment, and returns what became of the messages in each.
func run(tb testing.TB, sc *scenario, rigs []*rig) []outcome {
	tb.Helper()
	each(rigs, func(r *rig) {
		r.await(tb)
		r.all(tb, node.halt)
	})
	each(rigs, func(r *rig) { r.send(tb) })
	time.Sleep(cmp.Or(sc.lead, defaultLead))
	for _, r := range rigs {
		r.begun = time.Now().UnixMilli()
		sc.begin(tb, r)
	}
	last(tb, sc, rigs)
	for _, r := range rigs {
		sc.end(tb, r)
		r.ended = time.Now().UnixMilli()
	}
	time.Sleep(sc.tail)
	each(rigs, func(r *rig) {
		r.all(tb, node.halt)
		settle(tb, r)
	})
	all := make([]outcome, len(rigs))
	for i, r := range rigs {
		all[i] = r.outcome(tb)
	}
	return all
}

// send has all nodes send, and a Go node ask for the others.
func (r *rig) send(tb testing.TB) {
	tb.Helper()
	r.all(tb, func(n node) error { return n.send(sendInterval) })
	if g, ok := r.nodes[0].(*goNode); ok {
		if err := g.probe(); err != nil {
			tb.Fatal(err)
		}
	}
}

// each does something with all clusters, one after another.
func each(rigs []*rig, f func(r *rig)) {
	for _, r := range rigs {
		f(r)
	}
}

// last lets the trouble last.
func last(tb testing.TB, sc *scenario, rigs []*rig) {
	tb.Helper()
	if sc.each == nil {
		time.Sleep(sc.lasts)
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.Now().Add(sc.lasts); time.Now().Before(end); <-tick.C {
		each(rigs, func(r *rig) { sc.each(tb, r) })
	}
}

// settle waits until no more arrives.
func settle(tb testing.TB, r *rig) {
	tb.Helper()
	deadline, since, before := time.Now().Add(settleTimeout), time.Now(), -1
	for time.Since(since) < calm && time.Now().Before(deadline) {
		if n := r.messages(tb); n != before {
			before, since = n, time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// reports returns what the nodes that live have to tell, by name.
func (r *rig) reports(tb testing.TB) map[string]report {
	tb.Helper()
	var mu sync.Mutex
	all := make(map[string]report)
	r.all(tb, func(n node) error {
		told, err := n.report()
		mu.Lock()
		defer mu.Unlock()
		all[n.name()] = told
		return err
	})
	return all
}
