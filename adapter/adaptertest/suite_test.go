package adaptertest_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/adaptertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun runs the suite on a cluster within this process, which shows how an
// adapter is made out of [adapter.Memory] and that the suite can be passed.
func TestRun(t *testing.T) {
	adaptertest.Run(t, adaptertest.Options{
		Nodes: 3,
		Start: func(_ *testing.T, nodes int) []adapter.Factory {
			b := new(bus)
			return slices.Repeat([]adapter.Factory{b.join}, nodes)
		},
	})
}

// bus connects the nodes of a cluster by calling them.
type bus struct {
	mu    sync.Mutex
	nodes []*node
}

// node is the adapter of a node on the bus.
type node struct {
	*adapter.Memory

	host   adapter.Host
	bus    *bus
	closed chan struct{}
}

func (b *bus) join(h adapter.Host) adapter.Adapter {
	n := &node{Memory: adapter.NewMemory(h), host: h, bus: b, closed: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
	return n
}

// others returns the other nodes of the namespace.
func (n *node) others() ([]*node, error) {
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	var others []*node
	for _, other := range n.bus.nodes {
		if other != n && other.host.Namespace() == n.host.Namespace() {
			others = append(others, other)
		}
	}
	select {
	case <-n.closed:
		return nil, adapter.ErrClosed
	default:
		return others, nil
	}
}

// each calls do for this node and, if the target is not a local one, for the
// others.
func (n *node) each(t adapter.Target, do func(*adapter.Memory)) error {
	do(n.Memory)
	if t.Flags.Local {
		return nil
	}
	others, err := n.others()
	for _, other := range others {
		do(other.Memory)
	}
	return err
}

func (n *node) Broadcast(_ context.Context, p *adapter.Packet, t adapter.Target) error {
	return n.each(t, func(m *adapter.Memory) { m.Deliver(p, t) })
}

func (n *node) Collect(ctx context.Context, p *adapter.Packet, t adapter.Target) iter.Seq2[adapter.Reply, error] {
	return func(yield func(adapter.Reply, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in := make(answers)
		var total int
		err := n.each(t, func(m *adapter.Memory) {
			count, stop := m.DeliverWithAck(p, t, func(r adapter.Reply, ok bool) { go in.put(ctx, answer{r, ok}) })
			context.AfterFunc(ctx, stop)
			total += count
		})
		if err != nil {
			yield(adapter.Reply{}, err)
			return
		}
		receive(ctx, nil, in, total, yield)
	}
}

func (n *node) Fetch(ctx context.Context, t adapter.Target) (sockets []adapter.RemoteSocket, err error) {
	err = n.each(t, func(m *adapter.Memory) {
		local, _ := m.Fetch(ctx, t)
		sockets = append(sockets, local...)
	})
	return sockets, cmp.Or(err, ctx.Err())
}

func (n *node) JoinAll(ctx context.Context, t adapter.Target, rooms ...string) error {
	err := n.each(t, func(m *adapter.Memory) { _ = m.JoinAll(ctx, t, rooms...) })
	return cmp.Or(err, ctx.Err())
}

func (n *node) LeaveMatching(ctx context.Context, t adapter.Target, rooms ...string) error {
	err := n.each(t, func(m *adapter.Memory) { _ = m.LeaveMatching(ctx, t, rooms...) })
	return cmp.Or(err, ctx.Err())
}

func (n *node) Disconnect(ctx context.Context, t adapter.Target, closeTransport bool) error {
	err := n.each(t, func(m *adapter.Memory) { _ = m.Disconnect(ctx, t, closeTransport) })
	return cmp.Or(err, ctx.Err())
}

func (n *node) ServerEmit(ctx context.Context, data []byte, attachments [][]byte) error {
	others, err := n.others()
	for _, other := range others {
		other.host.ServeServerEvent(ctx, data, attachments, nil)
	}
	return cmp.Or(err, ctx.Err())
}

func (n *node) ServerCollect(ctx context.Context, data []byte, attachments [][]byte) iter.Seq2[adapter.Reply, error] {
	return func(yield func(adapter.Reply, error) bool) {
		others, err := n.others()
		if err = cmp.Or(err, ctx.Err()); err != nil {
			yield(adapter.Reply{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in := make(answers)
		for _, other := range others {
			go other.host.ServeServerEvent(ctx, data, attachments, func(r adapter.Reply) { in.put(ctx, answer{r, true}) })
		}
		receive(ctx, n.closed, in, len(others), yield)
	}
}

func (n *node) ServerCount(ctx context.Context) (int, error) {
	others, err := n.others()
	return 1 + len(others), cmp.Or(err, ctx.Err())
}

func (n *node) Close(context.Context) error {
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	if i := slices.Index(n.bus.nodes, n); i >= 0 {
		n.bus.nodes = slices.Delete(n.bus.nodes, i, i+1)
		close(n.closed)
	}
	return nil
}

// answer is an answer, or the news that there will be none.
type answer struct {
	reply adapter.Reply
	ok    bool
}

type answers chan answer

// receive yields count answers, unless ctx ends or the adapter is closed.
func receive(ctx context.Context, closed <-chan struct{}, in answers, count int, yield func(adapter.Reply, error) bool) {
	for range count {
		select {
		case a := <-in:
			if a.ok && !yield(a.reply, nil) {
				return
			}
		case <-ctx.Done():
			yield(adapter.Reply{}, ctx.Err())
			return
		case <-closed:
			yield(adapter.Reply{}, adapter.ErrClosed)
			return
		}
	}
}

// put passes an answer on unless nobody waits for it any more.
func (in answers) put(ctx context.Context, a answer) {
	select {
	case in <- a:
	case <-ctx.Done():
	}
}
