package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/adapter"
)

// serverTests test what nodes say to each other.
var serverTests = []test{
	{"count", func(t *testing.T, c *cluster) {
		for _, h := range c.hosts {
			if n, err := h.Adapter().ServerCount(deadline(t)); err != nil || n != len(c.hosts) {
				t.Errorf("%d nodes, %v", n, err)
			}
		}
	}},
	{"ServerEmit", serverEmit},
	{"ServerEmit in a namespace", serverEmitNamespace},
	{"ServerCollect", func(t *testing.T, c *cluster) {
		for i, h := range c.hosts {
			h.OnServerEvent(func(e ServerEvent) { respond(t, e, i) })
		}
		replies, err := collected(c.askServers(deadline(t)))
		c.checkServers(t, replies, err, nil, c.last())
	}},
	{"ServerCollect, answered later", func(t *testing.T, c *cluster) {
		events := make(chan ServerEvent, len(c.hosts))
		for _, h := range c.hosts {
			h.OnServerEvent(func(e ServerEvent) { events <- e })
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range c.last() {
				respond(t, <-events, i+1)
			}
		}()
		replies, err := collected(c.askServers(deadline(t)))
		c.checkServers(t, replies, err, nil, c.last())
		<-done
	}},
	{"ServerCollect without arguments", func(t *testing.T, c *cluster) {
		for _, h := range c.hosts {
			h.OnServerEvent(func(e ServerEvent) { e.Respond(adapter.Reply{Data: []byte(`[]`)}) })
		}
		replies, err := collected(c.first().ServerCollect(deadline(t), []byte(`["ask"]`), nil))
		if err != nil || len(replies) != c.last() || slices.ContainsFunc(replies, func(r adapter.Reply) bool { return !empty(r) }) {
			t.Errorf("%d answers, %v", len(replies), err)
		}
	}},
	{"ServerCollect, partial when the time is over", func(t *testing.T, c *cluster) {
		if c.last() == 0 {
			t.Skip("there are no other nodes")
		}
		for i, h := range c.hosts[:c.last()] { // the last node does not answer
			h.OnServerEvent(func(e ServerEvent) { respond(t, e, i) })
		}
		replies, err := shortly(t, c.last()-1, c.askServers)
		c.checkServers(t, replies, err, context.DeadlineExceeded, c.last()-1)
	}},
}

// respond answers with the number of the node.
func respond(t *testing.T, e ServerEvent, node int) {
	t.Helper()
	if e.Respond == nil {
		t.Error("no answer is wanted")
		return
	}
	e.Respond(adapter.Reply{Data: fmt.Appendf(nil, `["node %d","second"]`, node)})
}

// askServers asks the other nodes.
func (c *cluster) askServers(ctx context.Context) iter.Seq2[adapter.Reply, error] {
	return c.first().ServerCollect(ctx, []byte(`["ask",1]`), nil)
}

// checkServers checks that count of the other nodes have answered, each of them
// once.
func (c *cluster) checkServers(t *testing.T, replies []adapter.Reply, err, want error, count int) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	var from []string
	for _, r := range replies {
		from = append(from, firstString(t, r))
	}
	slices.Sort(from)
	if unique := slices.Compact(slices.Clone(from)); len(from) != count || len(unique) != count || slices.Contains(from, "node 0") {
		t.Errorf("answers from %q, want %d", from, count)
	}
}

func serverEmit(t *testing.T, c *cluster) {
	events := listen(c.hosts)
	const data = `["hello",{"a":[1,"two",null,{"_placeholder":true,"num":0}]}]`
	attachments := [][]byte{[]byte("\x00binary\xff")}
	if err := c.first().ServerEmit(deadline(t), []byte(data), attachments); err != nil {
		t.Fatal(err)
	}
	for i := range c.hosts[1:] {
		e := receiveEvent(t, events[i+1])
		if !sameJSON(e.Data, []byte(data)) || e.Respond != nil {
			t.Errorf("node %d got %s, answer wanted: %t", i+1, e.Data, e.Respond != nil)
		}
		checkAttachments(t, e.Attachments, attachments)
	}
	c.quiet(t)
	if len(events[0]) > 0 {
		t.Error("the event came back")
	}
}

func serverEmitNamespace(t *testing.T, c *cluster) {
	main := listen(c.hosts)
	others := c.open(t, "/other")
	events := listen(others)
	if err := others[c.last()].Adapter().ServerEmit(deadline(t), []byte(`["x"]`), nil); err != nil {
		t.Fatal(err)
	}
	for _, ch := range events[:c.last()] {
		receiveEvent(t, ch)
	}
	c.quiet(t)
	for i, ch := range main {
		if len(ch) > 0 {
			t.Errorf("the event came to another namespace on node %d", i)
		}
	}
}

// listen collects the events that come to each of the nodes.
func listen(hosts []*Host) []chan ServerEvent {
	events := make([]chan ServerEvent, len(hosts))
	for i, h := range hosts {
		events[i] = make(chan ServerEvent, 10)
		h.OnServerEvent(func(e ServerEvent) { events[i] <- e })
	}
	return events
}

func receiveEvent(t *testing.T, events <-chan ServerEvent) ServerEvent {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-deadline(t).Done():
		t.Fatal("no event has come")
		return ServerEvent{}
	}
}
