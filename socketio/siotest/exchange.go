package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Event is an event, or the answer to one, that the server has sent.
type Event struct {
	// Name is the name of the event, empty for an answer.
	Name string
	// Args are the arguments, in JSON.
	Args []json.RawMessage

	client      *Client
	attachments [][]byte
	id          uint64
	wantsAck    bool
}

// Decode decodes argument i into the value that v points to, binary included.
func (e Event) Decode(i int, v any) error {
	if i < 0 || i >= len(e.Args) {
		return fmt.Errorf("siotest: decode argument %d of %q: there are %d", i, e.Name, len(e.Args))
	}
	return e.client.coder.Decode(e.Args[i], e.attachments, v)
}

// WantsAck reports whether the server asks for an acknowledgement.
func (e Event) WantsAck() bool { return e.wantsAck }

// Ack answers the event.
func (e Event) Ack(args ...any) error {
	data, attachments, err := e.client.coder.AppendAck(nil, args...)
	if err != nil {
		return err
	}
	return e.client.send(&adapter.Packet{
		Type: adapter.Ack, ID: e.id, HasID: true, Data: data, Attachments: attachments,
	})
}

// Emit sends an event to the server.
func (c *Client) Emit(event string, args ...any) error {
	data, attachments, err := c.coder.AppendEvent(nil, event, args...)
	if err != nil {
		return err
	}
	return c.send(&adapter.Packet{Type: adapter.Event, Data: data, Attachments: attachments})
}

// EmitWithAck sends an event to the server and returns the answer.
func (c *Client) EmitWithAck(ctx context.Context, event string, args ...any) (Event, error) {
	data, attachments, err := c.coder.AppendEvent(nil, event, args...)
	if err != nil {
		return Event{}, err
	}
	answer := make(chan Event, 1)
	c.mu.Lock()
	id := c.nextID
	c.nextID++
	c.acks[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.acks, id)
		c.mu.Unlock()
	}()
	p := &adapter.Packet{Type: adapter.Event, ID: id, HasID: true, Data: data, Attachments: attachments}
	if err := c.send(p); err != nil {
		return Event{}, err
	}
	return c.await(ctx, answer)
}

// await waits for an answer. One that has come before the end counts.
func (c *Client) await(ctx context.Context, answer <-chan Event) (e Event, err error) {
	select {
	case e = <-answer:
		return e, nil
	case <-c.done:
		err = c.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	select {
	case e = <-answer:
		return e, nil
	default:
		return Event{}, err
	}
}

// Receive returns the next event from the server, in the order in which they were
// sent. When the connection has ended and all its events are read, it returns
// [ErrDisconnected] or [ErrClosed].
func (c *Client) Receive(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-c.events:
		if !ok {
			return Event{}, c.err
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// frames is the connection as the frame library reads it: it answers control
// frames by itself.
type frames struct{ c *Client }

func (f frames) Read(p []byte) (int, error) { return f.c.r.Read(p) }

func (f frames) Write(p []byte) (int, error) {
	f.c.write.Lock()
	defer f.c.write.Unlock()
	return f.c.conn.Write(p)
}

// send writes a packet and its attachments.
func (c *Client) send(p *adapter.Packet) error {
	p.Namespace = c.namespace
	text, _, err := c.parser.Append([]byte{'4'}, p)
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	if err := wsutil.WriteClientText(c.conn, text); err != nil {
		return errors.Join(ErrClosed, err)
	}
	for _, a := range p.Attachments {
		if err := wsutil.WriteClientBinary(c.conn, a); err != nil {
			return errors.Join(ErrClosed, err)
		}
	}
	return nil
}

// next reads messages until one of them completes a packet of the client's
// namespace. It answers pings.
func (c *Client) next(st *parser.State) (*adapter.Packet, error) {
	for {
		data, op, err := wsutil.ReadServerData(frames{c})
		if err != nil {
			return nil, errors.Join(ErrClosed, err)
		}
		binary := op == ws.OpBinary
		if !binary {
			if len(data) == 0 || data[0] != '4' {
				if err := c.control(data); err != nil {
					return nil, err
				}
				continue
			}
			data = data[1:]
		}
		var p adapter.Packet
		complete, err := c.parser.Decode(st, data, binary, &p)
		if err != nil {
			return nil, err
		}
		if complete && p.Namespace == c.namespace {
			return &p, nil
		}
	}
}

// control handles a packet of the transport.
func (c *Client) control(data []byte) error {
	if len(data) == 0 || data[0] != '2' {
		return nil
	}
	c.write.Lock()
	defer c.write.Unlock()
	return wsutil.WriteClientText(c.conn, []byte("3"))
}

// awaitConnect reads the answer to CONNECT. What a guard emits, or a broadcast, may
// come before it and is kept for Receive, as far as there is room.
func (c *Client) awaitConnect() error {
	var st parser.State
	p, err := c.next(&st)
	for err == nil && p.Type == adapter.Event {
		if len(c.events) < cap(c.events) {
			c.sort(p)
		}
		p, err = c.next(&st)
	}
	if err != nil {
		return err
	}
	if p.Type == adapter.ConnectError {
		e := new(ConnectError)
		if err := json.Unmarshal(p.Data, e); err != nil {
			return err
		}
		return e
	}
	var open struct {
		SID string `json:"sid"`
	}
	err = json.Unmarshal(p.Data, &open)
	c.id = open.SID
	return err
}

// read sorts what the server sends until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	defer close(c.events)
	var st parser.State
	for {
		p, err := c.next(&st)
		if err == nil && p.Type == adapter.Disconnect {
			err = ErrDisconnected
		}
		if err != nil {
			c.err = err
			return
		}
		c.sort(p)
	}
}

func (c *Client) sort(p *adapter.Packet) {
	list, err := parser.SplitArgs(p.Data, nil)
	if err != nil {
		return
	}
	e := Event{client: c, attachments: p.Attachments, id: p.ID, wantsAck: p.HasID}
	for _, raw := range list {
		e.Args = append(e.Args, raw)
	}
	if p.Type == adapter.Event && len(list) > 0 {
		e.Name, e.Args = string(parser.EventName(list[0])), e.Args[1:]
		select {
		case c.events <- e:
		case <-c.stopped:
		}
		return
	}
	c.mu.Lock()
	answer := c.acks[p.ID]
	delete(c.acks, p.ID) // another one for the same event is ignored
	c.mu.Unlock()
	if answer != nil {
		answer <- e
	}
}
