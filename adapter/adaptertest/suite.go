package adaptertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// Options tell the suite about the adapter under test.
type Options struct {
	// Nodes is the number of nodes in a cluster: 1 for an adapter that knows one
	// only, otherwise at least 2, better 3. The default is 1.
	Nodes int
	// Start returns the factories of the nodes of a new cluster, one for each
	// node. It is called once for each test; what it starts is to be stopped with
	// t.Cleanup. The adapters themselves are closed by the suite.
	Start func(t *testing.T, nodes int) []adapter.Factory
}

// Run runs the suite. Each of its tests is a subtest on a cluster of its own.
func Run(t *testing.T, o Options) {
	t.Helper()
	o.Nodes = max(o.Nodes, 1)
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Broadcast", broadcastTests},
		{"Collect", collectTests},
		{"Membership", membershipTests},
		{"Fetch", fetchTests},
		{"Server", serverTests},
		{"Life", lifeTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, start(t, o)) })
			}
		})
	}
}

// test is one test of the suite.
type test struct {
	name string
	run  func(t *testing.T, c *cluster)
}

// cluster is a number of nodes, each with one socket to begin with.
type cluster struct {
	options   Options
	factories []adapter.Factory
	serverIDs []string
	hosts     []*Host // of the main namespace
	peers     []*Peer // the first socket of each node
	syncs     int
}

// start starts the nodes and waits until they know each other.
func start(t *testing.T, o Options) *cluster {
	t.Helper()
	c := &cluster{options: o, factories: o.Start(t, o.Nodes)}
	if len(c.factories) != o.Nodes {
		t.Fatalf("Start has returned %d factories for %d nodes", len(c.factories), o.Nodes)
	}
	for range o.Nodes {
		c.serverIDs = append(c.serverIDs, rand.Text())
	}
	c.hosts = c.open(t, "/")
	for _, h := range c.hosts {
		c.peers = append(c.peers, h.Connect())
	}
	return c
}

// open makes a namespace on every node.
func (c *cluster) open(t *testing.T, namespace string) []*Host {
	t.Helper()
	hosts := make([]*Host, len(c.factories))
	for i, f := range c.factories {
		h := NewHost(namespace, c.serverIDs[i], f)
		hosts[i] = h
		t.Cleanup(func() { closeAdapter(t, h) })
	}
	for _, h := range hosts {
		wait(t, "every node to know of the others", func() bool {
			n, err := h.Adapter().ServerCount(t.Context())
			return err == nil && n == len(hosts)
		})
	}
	return hosts
}

func closeAdapter(t *testing.T, h *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := h.Adapter().Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// wait waits until the condition holds.
func wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// deadline returns a context for an operation that is to end by itself.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// shortly calls an operation that is to end with its context, after the answers
// that can come have come. As long as there are fewer than want it is called
// again, with more time: the machine may stall.
func shortly(t *testing.T, want int, operation func(ctx context.Context) iter.Seq2[adapter.Reply, error]) (replies []adapter.Reply, err error) {
	t.Helper()
	for limit := time.Second; ; limit *= 4 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		replies, err = collected(operation(ctx))
		cancel()
		if len(replies) >= want || limit > Patience {
			return replies, err
		}
	}
}

// first returns the adapter of the first node, from which most tests operate.
func (c *cluster) first() adapter.Adapter { return c.hosts[0].Adapter() }

// last returns the index of the last node.
func (c *cluster) last() int { return len(c.hosts) - 1 }

// event returns a packet with an event.
func event(namespace, data string, attachments ...[]byte) *adapter.Packet {
	return &adapter.Packet{
		Type: adapter.Event, Namespace: namespace, Data: []byte(data), Attachments: attachments,
	}
}

// broadcast sends an event from the first node.
func (c *cluster) broadcast(t *testing.T, data string, target adapter.Target) {
	t.Helper()
	if err := c.first().Broadcast(deadline(t), event("/", data), target); err != nil {
		t.Errorf("Broadcast: %v", err)
	}
}

// check checks that the event is the next that each of the sockets receives,
// and that neither they nor any others receive anything else.
func (c *cluster) check(t *testing.T, data string, receivers ...*Peer) {
	t.Helper()
	for _, p := range receivers {
		checkPacket(t, p.Next(t).Packet, event("/", data))
	}
	c.quiet(t)
}

// quiet checks that no socket has received anything that has not been looked
// at: an event to all, which comes last, is the next that they get.
func (c *cluster) quiet(t *testing.T) {
	t.Helper()
	c.syncs++
	data := fmt.Sprintf(`["sync",%d]`, c.syncs)
	c.broadcast(t, data, adapter.Target{})
	for i, h := range c.hosts {
		for _, p := range h.all() {
			if d := p.Next(t); !sameJSON(d.Packet.Data, []byte(data)) {
				t.Fatalf("a socket of node %d got an unexpected %s", i, d.Packet.Data)
			}
		}
	}
}

// checkPacket compares what counts in a packet.
func checkPacket(t *testing.T, got, want *adapter.Packet) {
	t.Helper()
	if got.Type != want.Type || got.Namespace != want.Namespace || !sameJSON(got.Data, want.Data) {
		t.Errorf("got a packet of type %d in %q: %s\nwant type %d in %q: %s",
			got.Type, got.Namespace, got.Data, want.Type, want.Namespace, want.Data)
	}
	checkAttachments(t, got.Attachments, want.Attachments)
}

func checkAttachments(t *testing.T, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got the attachments %q, want %q", got, want)
	}
}

// sameJSON reports whether two JSON texts have equal values.
func sameJSON(a, b []byte) bool {
	var va, vb any
	if json.Unmarshal(a, &va) != nil || json.Unmarshal(b, &vb) != nil {
		return false
	}
	return reflect.DeepEqual(va, vb)
}
