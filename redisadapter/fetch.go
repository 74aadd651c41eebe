package redisadapter

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/tandem-go/tandem/adapter"
)

// Fetch describes the local sockets, and asks the other nodes for theirs.
func (c *classic) Fetch(ctx context.Context, t adapter.Target) ([]adapter.RemoteSocket, error) {
	sockets, err := c.Memory.Fetch(ctx, t)
	if err != nil || t.Flags.Local {
		return sockets, err
	}
	for r, err := range c.ask(ctx, "fetch", request{Type: typeFetch, Opts: optsOf(t)}) {
		if err != nil {
			return sockets, err
		}
		more, err := readSockets(r.sockets)
		if err != nil {
			c.link.log.report(troubleResponse, 1, err, "namespace", c.host.Namespace())
		}
		sockets = append(sockets, more...)
	}
	return sockets, nil
}

// ServerCollect asks all the other nodes.
func (c *classic) ServerCollect(ctx context.Context, data []byte, attachments [][]byte) iter.Seq2[adapter.Reply, error] {
	return func(yield func(adapter.Reply, error) bool) {
		for r, err := range c.ask(ctx, "server emit", request{Type: typeServerEmit, Data: data, attachments: attachments}) {
			var reply adapter.Reply
			if err == nil {
				reply, err = r.data.reply()
			}
			if !yield(reply, err) || err != nil {
				return
			}
		}
	}
}

// ask sends a request that each of the other nodes answers once, and yields
// their responses. If some do not come the last pair holds the error.
func (c *classic) ask(ctx context.Context, op string, r request) iter.Seq2[*response, error] {
	return func(yield func(*response, error) bool) {
		ctx, cancel := bounded(ctx, c.link.opts.RequestTimeout)
		defer cancel()
		nodes, err := c.nodes(ctx)
		if err != nil {
			yield(nil, c.explain(ctx, op, err))
			return
		}
		if nodes == 1 {
			return
		}
		g := newGathering(c, op, nodes)
		r.RequestID = randomID()
		c.pending.add(r.RequestID, g.take)
		defer c.pending.remove(r.RequestID)
		payload, err := r.encode(c.uid)
		if err == nil {
			err = c.explain(ctx, op, c.send(ctx, payload))
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer g.watch(ctx)()
		g.run(ctx, yield)
	}
}

// gathering are the answers to a request that each of the other nodes answers
// once.
type gathering struct {
	c          *classic
	op         string
	box        *mailbox[news]
	attendance attendance

	want, got int
	anonymous int // answers that do not say whose they are
	gone      departures
}

func newGathering(c *classic, op string, nodes int) *gathering {
	return &gathering{c: c, op: op, box: newMailbox[news](), attendance: attendance{c: c, nodes: nodes}, want: nodes - 1}
}

// watch looks who leaves. The function that it returns ends it.
func (g *gathering) watch(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.attendance.run(ctx, func(d departures) { g.box.put(news{kind: newsGone, gone: d}) })
	}()
	return func() {
		cancel()
		<-done
	}
}

// take takes a response of another node.
func (g *gathering) take(r *response) { g.box.put(news{kind: newsResponse, response: r}) }

// run yields the responses until all have come.
func (g *gathering) run(ctx context.Context, yield func(*response, error) bool) {
	for {
		err := ctx.Err() // asked before, so that no answer that came in time is lost
		for _, n := range g.box.take() {
			if n.kind == newsGone {
				g.gone = n.gone
			} else if !g.note(n.response, yield) {
				return
			}
		}
		switch {
		case g.got >= g.want-g.excused():
			if g.got < g.want && g.anonymous > 0 {
				g.c.unsure(g.op)
			}
			return
		case err != nil:
			failed := TimeoutError{Op: g.op, Got: g.got, Want: g.want - g.excused(), Err: g.c.link.subscriber.lastTrouble()}
			yield(nil, ended(ctx, failed))
			return
		}
		select {
		case <-g.box.wake:
		case <-ctx.Done():
		case <-g.c.ctx.Done():
			yield(nil, adapter.ErrClosed)
			return
		}
	}
}

// note takes a response, and tells whether more are wanted.
func (g *gathering) note(r *response, yield func(*response, error) bool) bool {
	g.got++
	if g.attendance.hear(r.uid); r.uid == "" {
		g.anonymous++
	}
	return yield(r, nil) && g.got < g.want
}

// excused returns how many of the nodes that have gone had not answered.
func (g *gathering) excused() int { return max(g.gone.nodes-len(g.gone.known), 0) }

// readSockets reads the descriptions in a response. Those of other nodes may lack
// members, or have more.
func readSockets(v value) ([]adapter.RemoteSocket, error) {
	data, err := v.json()
	if err != nil || data == nil {
		return nil, errMalformed
	}
	var list []struct {
		ID        string          `json:"id"`
		Handshake json.RawMessage `json:"handshake"`
		Rooms     selector        `json:"rooms"`
		Data      json.RawMessage `json:"data"`
	}
	if json.Unmarshal(data, &list) != nil {
		return nil, errMalformed
	}
	sockets := make([]adapter.RemoteSocket, len(list))
	for i, s := range list {
		sockets[i] = adapter.RemoteSocket{ID: s.ID, Rooms: s.Rooms, Handshake: orObject(s.Handshake), Data: orObject(s.Data)}
	}
	return sockets, nil
}

// orObject returns an empty object in place of nothing.
func orObject(data json.RawMessage) []byte {
	if !present(data) {
		return []byte("{}")
	}
	return data
}
