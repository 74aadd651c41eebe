package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// classic is the adapter of one namespace. The Memory in it is the index of the
// local sockets.
type classic struct {
	*adapter.Memory

	host adapter.Host
	link *link
	uid  string // names this namespace of this node among all nodes
	channels
	release func() (last bool)

	subscription subscription
	pending      pending
	serving      serving
	describing   describing

	ctx    context.Context // ends with the adapter
	cancel context.CancelFunc

	closing sync.Once
	settled <-chan struct{} // closed when Redis knows that nobody listens any more
	last    bool            // whether this was the last namespace of the server
}

var _ adapter.Adapter = (*classic)(nil)

func newClassic(h adapter.Host, l *link, release func() (last bool)) *classic {
	c := &classic{
		Memory:  adapter.NewMemory(h),
		host:    h,
		link:    l,
		uid:     randomID(),
		release: release,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.channels = channelsOf(l.opts.Key, h.Namespace())
	c.subscription = subscription{topics: c.topics(c.uid), request: c.request, handle: c.receive, closed: c.ctx.Done()}
	l.subscriber.add(&c.subscription)
	return c
}

// Broadcast queues the packet for the other nodes and then for the local
// sockets. It does not wait.
func (c *classic) Broadcast(_ context.Context, p *adapter.Packet, t adapter.Target) error {
	var err error
	if !t.Flags.Local {
		err = c.publishBroadcast(p, t)
	}
	c.Deliver(p, t)
	return err
}

func (c *classic) publishBroadcast(p *adapter.Packet, t adapter.Target) error {
	if c.ctx.Err() != nil {
		return adapter.ErrClosed
	}
	payload, err := appendBroadcast(make([]byte, 0, len(p.Data)+128), c.uid, p, t)
	if err != nil {
		return err
	}
	channel := c.broadcast
	if len(t.Rooms) == 1 {
		channel = c.room(t.Rooms[0])
	}
	m := c.message(channel, payload)
	m.echo = &c.subscription
	return c.link.publisher.publish(m)
}

// message returns a message that waits for Redis for as long as the options say.
func (c *classic) message(channel string, payload []byte) message {
	return message{channel: channel, payload: payload, expires: time.Now().Add(c.link.opts.QueueTimeout)}
}

// publish queues a message that nobody waits for.
func (c *classic) publish(channel string, payload []byte) error {
	return c.link.publisher.publish(c.message(channel, payload))
}

// send publishes a request and waits until Redis has it. It is not published any
// more once ctx has ended.
func (c *classic) send(ctx context.Context, payload []byte) error {
	if c.ctx.Err() != nil {
		return adapter.ErrClosed
	}
	m := c.message(c.request, payload)
	m.ctx, m.echo = ctx, &c.subscription
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(m.expires) {
		m.expires = deadline
	}
	return c.link.publisher.send(ctx, m)
}

// bounded returns ctx with a deadline, and what releases it.
func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// nodes waits until this node is listening, and then counts all that are. A server that
// does not count this node is not where it is, and the publisher finds out which of the two
// is wrong: this is no count.
func (c *classic) nodes(ctx context.Context) (int, error) {
	for {
		if c.ctx.Err() != nil {
			return 0, adapter.ErrClosed
		}
		if err := c.link.subscriber.wait(ctx, &c.subscription); err != nil {
			return 0, err
		}
		n, err := c.link.counter.counts(ctx, c.request, c.answers(c.uid))
		if err != nil {
			return 0, err
		}
		if n[0] > 0 && n[1] > 0 {
			return n[0], nil
		}
		c.link.counter.distrust()
		c.link.subscriber.doubt()
		if !pause(ctx, holdStep) {
			return 0, ctx.Err()
		}
	}
}

// tell sends a request that wants no answer.
func (c *classic) tell(ctx context.Context, op string, r request) error {
	payload, err := r.encode(c.uid)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, c.link.opts.RequestTimeout)
	defer cancel()
	return c.explain(ctx, op, c.send(ctx, payload))
}

// explain makes a [*TimeoutError] of the error of a ctx that has run into its
// deadline.
func (c *classic) explain(ctx context.Context, op string, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ended(ctx, TimeoutError{Op: op, Err: c.link.subscriber.lastTrouble()})
	}
	return err
}

// JoinAll makes the local sockets join at once, and those of the other nodes when
// the request reaches them. It waits until Redis has the request. A room whose name
// is a number is joined in both of the forms that a Node.js server may know: as with a
// broadcast to it, nobody there need know which one is meant.
func (c *classic) JoinAll(ctx context.Context, t adapter.Target, rooms ...string) error {
	if len(rooms) == 0 {
		return nil
	}
	if err := c.Memory.JoinAll(ctx, t, rooms...); err != nil || t.Flags.Local {
		return err
	}
	return c.tell(ctx, "join", request{Type: typeJoin, Opts: optsOf(t), Rooms: selector(rooms)})
}

// LeaveMatching is like JoinAll.
func (c *classic) LeaveMatching(ctx context.Context, t adapter.Target, rooms ...string) error {
	if len(rooms) == 0 {
		return nil
	}
	if err := c.Memory.LeaveMatching(ctx, t, rooms...); err != nil || t.Flags.Local {
		return err
	}
	return c.tell(ctx, "leave", request{Type: typeLeave, Opts: optsOf(t), Rooms: selector(rooms)})
}

// Disconnect disconnects the local sockets at once, and those of the other nodes
// when the request reaches them. It waits until Redis has the request.
func (c *classic) Disconnect(ctx context.Context, t adapter.Target, closeTransport bool) error {
	if err := c.Memory.Disconnect(ctx, t, closeTransport); err != nil || t.Flags.Local {
		return err
	}
	return c.tell(ctx, "disconnect", request{Type: typeDisconnect, Opts: optsOf(t), Close: &closeTransport})
}

// ServerEmit waits until Redis has the event.
func (c *classic) ServerEmit(ctx context.Context, data []byte, attachments [][]byte) error {
	return c.tell(ctx, "server emit", request{Type: typeServerEmit, Data: data, attachments: attachments})
}

// ServerCount returns how many nodes listen to the requests of this namespace.
func (c *classic) ServerCount(ctx context.Context) (int, error) {
	ctx, cancel := bounded(ctx, c.link.opts.RequestTimeout)
	defer cancel()
	n, err := c.nodes(ctx)
	return n, c.explain(ctx, "server count", err)
}

// Close stops to listen, ends what is under way, and closes with the last
// namespace of the server what all of them share. What has been queued before is
// published first, as long as ctx allows. A further call waits for what an
// earlier one has not.
func (c *classic) Close(ctx context.Context) error {
	c.closing.Do(func() {
		c.cancel()
		c.serving.close()
		c.settled = c.link.subscriber.remove(&c.subscription)
		c.last = c.release()
	})
	described := c.describing.close(ctx)
	if c.last {
		return cmp.Or(c.link.close(ctx), described)
	}
	select {
	case <-c.settled:
		return described
	case <-ctx.Done():
		return ctx.Err()
	}
}
