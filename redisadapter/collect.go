package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// Collect sends the packet to the local sockets at once and asks the other nodes
// meanwhile. An answer holds one value. How long the sockets may take is up to
// ctx; how long the other nodes may take to say how many they ask, to
// [Options.RequestTimeout].
func (c *classic) Collect(ctx context.Context, p *adapter.Packet, t adapter.Target) iter.Seq2[adapter.Reply, error] {
	if t.Flags.Local {
		return c.Memory.Collect(ctx, p, t)
	}
	return func(yield func(adapter.Reply, error) bool) {
		ctx, cancel := bounded(ctx, cmp.Or(t.Flags.Timeout, c.link.opts.RequestTimeout))
		defer cancel()
		if deadline, ok := ctx.Deadline(); ok && t.Flags.Timeout == 0 {
			t.Flags.Timeout = max(time.Until(deadline), time.Millisecond)
		}
		col := newCollection(c)
		col.single = t.Flags.Single
		defer col.ask(ctx, p, t)()
		local, stop := c.DeliverWithAck(p, t, func(r adapter.Reply, ok bool) {
			col.box.put(news{kind: newsAnswer, reply: r, ok: ok})
		})
		defer stop()
		col.want = local
		col.run(ctx, yield)
	}
}

// news is what an operation waits for.
type news struct {
	kind     newsKind
	reply    adapter.Reply // of newsAnswer
	ok       bool          // whether there is a reply
	response *response     // of newsResponse
	nodes    int           // of newsAsked
	err      error
	gone     departures // of newsGone
}

type newsKind int

const (
	newsAnswer   newsKind = iota // of a local socket
	newsResponse                 // of another node
	newsAsked                    // the request is out, or has failed
	newsGone                     // nodes have gone
)

// ask asks the other nodes. The function that it returns ends it.
//
// Whatever becomes of the answers, the request is published: the other sockets
// are to get the event like those of this node.
func (col *collection) ask(ctx context.Context, p *adapter.Packet, t adapter.Target) (end func()) {
	c, id := col.c, randomID()
	payload, err := encodeAckRequest(c.uid, id, p, t)
	if c.ctx.Err() != nil {
		err = adapter.ErrClosed
	}
	if err != nil {
		col.box.put(news{kind: newsAsked, err: err})
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	c.pending.add(id, func(r *response) { col.box.put(news{kind: newsResponse, response: r}) })
	sent := make(chan error, 1)
	listening := c.link.subscriber.ready(&c.subscription)
	if listening {
		c.publishRequest(payload, sent)
	}
	go func() {
		defer close(done)
		col.follow(ctx, payload, sent, listening)
	}()
	return func() {
		c.pending.remove(id)
		cancel()
		<-done
	}
}

// follow finds out who has got the request, and then who of them leaves.
func (col *collection) follow(ctx context.Context, payload []byte, sent chan error, published bool) {
	c := col.c
	limited, cancel := context.WithTimeout(ctx, c.link.opts.RequestTimeout)
	defer cancel()
	if !published {
		_ = c.link.subscriber.wait(limited, &c.subscription) // found again by nodes
		c.publishRequest(payload, sent)
	}
	nodes, err := c.reached(limited, sent)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return // run sees the end of ctx, too, and knows what has come
	}
	col.box.put(news{kind: newsAsked, nodes: nodes, err: c.explain(limited, opBroadcast, err)})
	if err == nil && nodes > 1 {
		col.attendance.nodes = nodes
		col.attendance.run(ctx, func(d departures) { col.box.put(news{kind: newsGone, gone: d}) })
	}
}

// publishRequest queues a request whose fate is told to sent.
func (c *classic) publishRequest(payload []byte, sent chan error) {
	m := c.message(c.request, payload)
	m.done, m.echo = sent, &c.subscription
	if err := c.link.publisher.publish(m); err != nil {
		if _, queued := errors.AsType[*UnavailableError](err); !queued {
			sent <- err
		}
	}
}

// reached waits until a request has been sent, and counts who has got it.
func (c *classic) reached(ctx context.Context, sent <-chan error) (nodes int, err error) {
	if err := outcome(ctx, sent); err != nil {
		return 0, err
	}
	return c.nodes(ctx)
}

// run yields answers until the collection is complete or ctx ends.
func (col *collection) run(ctx context.Context, yield func(adapter.Reply, error) bool) {
	closed := col.c.ctx.Done()
	patience := time.NewTimer(col.c.link.opts.RequestTimeout)
	defer patience.Stop()
	for {
		ctxErr := ctx.Err() // asked before, so that no answer that came in time is lost
		for _, n := range col.box.take() {
			if reply, ok := col.note(n); ok && (!yield(reply, nil) || col.single) {
				return
			}
		}
		if ctxErr != nil || col.complete() {
			if err := col.result(ctx); err != nil {
				yield(adapter.Reply{}, err)
			}
			return
		}
		select {
		case <-col.box.wake:
		case <-ctx.Done():
		case <-patience.C:
			col.impatient = true
		case <-closed:
			col.nodes, col.err = 1, adapter.ErrClosed // the local sockets may still answer
			closed = nil
		}
	}
}
