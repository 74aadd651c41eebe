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
// meanwhile. An answer of another node holds one value.
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
		col := collection{c: c, box: newMailbox[news](), single: t.Flags.Single}
		defer col.ask(ctx, p, t)()
		local, stop := c.DeliverWithAck(p, t, func(r adapter.Reply, ok bool) {
			col.box.put(news{kind: newsAnswer, reply: r, ok: ok})
		})
		defer stop()
		col.want = local
		col.run(ctx, yield)
	}
}

// collection is one broadcast with acknowledgements. It is complete when as many
// sockets have answered as all nodes have said.
type collection struct {
	c      *classic
	box    *mailbox[news]
	single bool

	nodes     int // how many nodes there are, 0 until it is known
	heard     int // how many other nodes have told their number of sockets
	want, got int // answers
	err       error
}

// news is what a collection waits for.
type news struct {
	kind     newsKind
	reply    adapter.Reply // of newsAnswer
	ok       bool          // whether there is a reply
	response *response     // of newsResponse
	nodes    int           // of newsAsked
	err      error
}

type newsKind int

const (
	newsAnswer   newsKind = iota // of a local socket
	newsResponse                 // of another node
	newsAsked                    // the request is out, or has failed
)

// ask asks the other nodes. The function that it returns ends it.
//
// Whatever becomes of the answers, the request is published: the other sockets
// are to get the event like those of this node.
func (col *collection) ask(ctx context.Context, p *adapter.Packet, t adapter.Target) (end func()) {
	c, id := col.c, randomID()
	payload, err := appendAckRequest(make([]byte, 0, len(p.Data)+192), c.uid, id, p, t)
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
		if !listening {
			_ = c.link.subscriber.wait(ctx, &c.subscription) // found again by nodes
			c.publishRequest(payload, sent)
		}
		nodes, err := c.reached(ctx, sent)
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return // run sees the end of ctx, too, and knows what has come
		}
		col.box.put(news{kind: newsAsked, nodes: nodes, err: err})
	}()
	return func() {
		c.pending.remove(id)
		cancel()
		<-done
	}
}

// publishRequest queues a request whose fate is told to sent.
func (c *classic) publishRequest(payload []byte, sent chan error) {
	m := c.message(c.request, payload)
	m.done = sent
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
	for {
		ctxErr := ctx.Err() // asked before, so that no answer that came in time is lost
		for _, n := range col.box.take() {
			if reply, ok := col.note(n); ok && (!yield(reply, nil) || col.single) {
				return
			}
		}
		switch {
		case col.complete():
			if col.err != nil {
				yield(adapter.Reply{}, col.err)
			}
			return
		case ctxErr != nil:
			yield(adapter.Reply{}, ended(ctx, col.timeout()))
			return
		}
		select {
		case <-col.box.wake:
		case <-ctx.Done():
		case <-closed:
			col.nodes, col.err = 1, adapter.ErrClosed // the local sockets may still answer
			closed = nil
		}
	}
}

// complete tells that nothing more is to come.
func (col *collection) complete() bool {
	return col.nodes > 0 && col.heard >= col.nodes-1 && col.got >= col.want
}

func (col *collection) timeout() TimeoutError {
	return TimeoutError{
		Op: "broadcast", Got: col.got, Want: col.want,
		Silent: max(col.nodes-1-col.heard, 0),
		Err:    col.c.link.subscriber.lastTrouble(),
	}
}

// note takes what has come, and returns the answer in it if there is one.
func (col *collection) note(n news) (reply adapter.Reply, ok bool) {
	switch n.kind {
	case newsAnswer:
		col.got++
		return n.reply, n.ok
	case newsAsked:
		if col.err != nil {
			break // the adapter has been closed, and no one else is waited for
		}
		if col.nodes = n.nodes; n.err != nil {
			// The local sockets are still waited for, but no one else.
			col.nodes, col.err = 1, n.err
		}
	case newsResponse:
		switch n.response.kind {
		case typeClientCount:
			col.count(n.response)
		case typeAck:
			col.got++
			if n.response.gone {
				return reply, false
			}
			reply, err := n.response.packet.reply()
			if err != nil {
				reply = adapter.Reply{Data: []byte("[]")}
			}
			return reply, true
		}
	}
	return reply, false
}

// count notes how many sockets another node has.
func (col *collection) count(r *response) {
	n, err := r.clientCount.int()
	if err != nil {
		col.c.link.log.report(troubleResponse, 1, err, "namespace", col.c.host.Namespace())
		return
	}
	col.heard++
	col.want += n
}
