package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio"
	"github.com/tandem-go/tandem/socketio/parser"
)

// Event is an event that the server has sent.
type Event struct {
	// Name is the name of the event.
	Name string
	// Args are the arguments.
	Args socketio.Args

	client   *Client
	id       uint64
	wantsAck bool
}

// Decode decodes argument i into the value that v points to, binary included.
func (e Event) Decode(i int, v any) error {
	if err := e.Args.Decode(i, v); err != nil {
		return fmt.Errorf("siotest: receive %q: %w", e.Name, err)
	}
	return nil
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

// EmitWithAck sends an event to the server and returns the answer, as a
// [socketio.Caller] does: [socketio.As] and [socketio.CallOf] take it. An answer
// {"error":{"message":...}}, which a handler's error becomes, is returned as a
// [*socketio.Error] beside the answer itself.
func (c *Client) EmitWithAck(ctx context.Context, event string, args ...any) (socketio.Args, error) {
	a, err := c.ask(ctx, event, args)
	if err == nil {
		err = failure(a)
	}
	return a, err
}

// failure returns the error that an answer is, nil if it is none.
func failure(a socketio.Args) error {
	if a.Len() != 1 {
		return nil
	}
	members, err := socketio.As[map[string]json.RawMessage](a, nil)
	raw, ok := members["error"]
	if err != nil || !ok || len(members) != 1 {
		return nil //nolint:nilerr // it is an answer like any other
	}
	var e struct {
		Message *string `json:"message"`
		Data    any     `json:"data"`
	}
	if err := json.Unmarshal(raw, &e); err != nil || e.Message == nil {
		return nil //nolint:nilerr // as above
	}
	return &socketio.Error{Message: *e.Message, Data: e.Data}
}

func (c *Client) ask(ctx context.Context, event string, args []any) (socketio.Args, error) {
	data, attachments, err := c.coder.AppendEvent(nil, event, args...)
	if err != nil {
		return socketio.Args{}, err
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
		return socketio.Args{}, err
	}
	e, err := c.await(ctx, answer)
	return e.Args, err
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

// Receive returns the argument of the next event of that name, decoded as [socketio.On]
// decodes it. Events of other names that come before it are skipped, and lost. event may
// be a [socketio.EventOf] or a text:
//
//	said, err := siotest.Receive[string](ctx, c, "said")
func Receive[T any](ctx context.Context, c *Client, event socketio.EventOf[T]) (T, error) {
	for {
		e, err := c.Receive(ctx)
		if err != nil {
			var zero T
			return zero, fmt.Errorf("siotest: receive %q: %w", string(event), err)
		}
		if e.Name == string(event) {
			return socketio.As[T](e.Args, nil)
		}
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

// sort gives an event to Receive and an answer to who waits for it.
func (c *Client) sort(p *adapter.Packet) {
	list, err := parser.SplitArgs(p.Data, nil)
	if err != nil {
		return
	}
	e := Event{client: c, id: p.ID, wantsAck: p.HasID}
	if p.Type == adapter.Event && len(list) > 0 {
		e.Name, list = string(parser.EventName(list[0])), list[1:]
		e.Args = c.args(list, p.Attachments)
		select {
		case c.events <- e:
		case <-c.stopped:
		}
		return
	}
	e.Args = c.args(list, p.Attachments)
	c.mu.Lock()
	answer := c.acks[p.ID]
	delete(c.acks, p.ID) // another one for the same event is ignored
	c.mu.Unlock()
	if answer != nil {
		answer <- e
	}
}

// args returns arguments that have been received in the form of package socketio.
func (c *Client) args(list, attachments [][]byte) socketio.Args {
	raw := make([]any, len(list))
	for i, data := range list {
		var r parser.Raw
		if err := c.coder.Decode(data, attachments, &r); err != nil {
			r = parser.Raw{Data: data}
		}
		raw[i] = r
	}
	a, _ := socketio.NewArgs(raw...) // they have been decoded from a packet
	return a
}
