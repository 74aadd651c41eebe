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
		failed := TimeoutError{Op: op}
		nodes, err := c.nodes(ctx)
		if err != nil {
			yield(nil, c.explain(ctx, op, err))
			return
		}
		if failed.Want = nodes - 1; failed.Want == 0 {
			return
		}
		r.RequestID = randomID()
		box := newMailbox[*response]()
		c.pending.add(r.RequestID, box.put)
		defer c.pending.remove(r.RequestID)
		payload, err := r.encode(c.uid)
		if err == nil {
			err = c.explain(ctx, op, c.send(ctx, payload))
		}
		if err != nil {
			yield(nil, err)
			return
		}
		c.gather(ctx, box, &failed, yield)
	}
}

// gather yields the responses in the box until there are failed.Want of them.
func (c *classic) gather(ctx context.Context, box *mailbox[*response], failed *TimeoutError, yield func(*response, error) bool) {
	for {
		err := ctx.Err() // asked before, so that no answer that came in time is lost
		for _, r := range box.take() {
			failed.Got++
			if !yield(r, nil) {
				return
			}
			if failed.Got == failed.Want {
				return
			}
		}
		if err != nil {
			failed.Err = c.link.subscriber.lastTrouble()
			yield(nil, ended(ctx, *failed))
			return
		}
		select {
		case <-box.wake:
		case <-ctx.Done():
		case <-c.ctx.Done():
			yield(nil, adapter.ErrClosed)
			return
		}
	}
}

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
