package redisadapter

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tandem-go/tandem/adapter"
)

// receive handles what comes on any of the channels of the namespace. The
// subscriber calls it, for one message after the other; it does not wait for
// anything.
func (c *classic) receive(channel, payload string) {
	if room, ok := c.roomOf(channel); ok {
		c.receiveBroadcast(room, payload)
		return
	}
	if channel == c.request {
		c.receiveRequest(payload)
		return
	}
	c.receiveResponse(payload)
}

// receiveRequest does what another node asks for.
func (c *classic) receiveRequest(payload string) {
	r, err := readRequest(payload)
	if err == nil && r.uid() != c.uid {
		err = c.serve(r)
	}
	if err != nil {
		c.link.log.report(troubleRequest, 1, err, "namespace", c.host.Namespace())
	}
}

func (c *classic) serve(r *remoteRequest) error {
	switch r.kind() {
	case typeSockets, typeAllRooms, typeFetch:
		return c.serveDescription(r)
	case typeJoin, typeLeave, typeDisconnect:
		if present(r.Opts) {
			return c.serveMatching(r)
		}
		return c.serveOne(r)
	case typeServerEmit:
		return c.serveEvent(r)
	case typeBroadcast:
		return c.serveBroadcast(r)
	}
	return nil // of another version
}

// respond sends the JSON of a response to the node that has asked.
func (c *classic) respond(r *remoteRequest, response any) {
	payload, err := marshal(response, nil)
	if err != nil {
		c.link.log.report(troubleAnswer, 1, err, "namespace", c.host.Namespace())
		return
	}
	c.respondWith(r.uid(), payload)
}

// respondWith sends a response to the node with that uid. It has been counted
// when it cannot be sent.
func (c *classic) respondWith(uid string, payload []byte) {
	_ = c.publish(c.private(uid, payload, c.responses(uid)), payload)
}

// responses returns the channel of the responses to the node with that uid.
func (c *classic) responses(uid string) string {
	if c.link.opts.PublishOnSpecificResponseChannel && uid != "" {
		return c.answers(uid)
	}
	return c.response
}

// private returns the channel of a response that goes to all nodes unless it is
// MessagePack. Then it is for the node alone that has asked: to those that read JSON
// only it would do harm.
func (c *classic) private(uid string, payload []byte, channel string) string {
	if payload[0] != '{' && uid != "" {
		return c.answers(uid)
	}
	return channel
}

// serveMatching changes the local sockets that the request selects. The sender
// wants no answer.
func (c *classic) serveMatching(r *remoteRequest) error {
	t, err := r.target()
	if err != nil {
		return err
	}
	if r.kind() == typeDisconnect {
		return c.Memory.Disconnect(c.ctx, t, truthy(r.Close))
	}
	var rooms roomList
	if err := json.Unmarshal(r.Rooms, &rooms); err != nil {
		return errMalformed
	}
	if r.kind() == typeJoin {
		return c.Memory.JoinAll(c.ctx, t, rooms...)
	}
	return c.Memory.LeaveMatching(c.ctx, t, rooms...)
}

// serveOne changes one local socket, as versions of old ask for, and answers if
// there is such a socket.
func (c *classic) serveOne(r *remoteRequest) error {
	p, ok := c.host.Peer(stringOf(r.SID))
	if !ok {
		return nil
	}
	if r.kind() == typeDisconnect {
		c.host.Disconnect(p, truthy(r.Close))
	} else {
		var room roomName
		if err := json.Unmarshal(r.Room, &room); err != nil {
			return errMalformed
		}
		if r.kind() == typeJoin {
			c.Join(p, string(room))
		} else {
			c.Leave(p, string(room))
		}
	}
	c.respond(r, struct {
		RequestID json.RawMessage `json:"requestId,omitempty"`
	}{r.RequestID})
	return nil
}

// serveEvent runs the handlers of an event. That the id of the request is there,
// even if it is null, is what asks for an answer.
func (c *classic) serveEvent(r *remoteRequest) error {
	data := compact(r.Data)
	if len(data) < 3 || data[0] != '[' {
		return errMalformed
	}
	var respond func(adapter.Reply)
	if r.RequestID != nil {
		respond = func(reply adapter.Reply) { c.respondEvent(r, reply) }
	}
	c.host.ServeServerEvent(c.ctx, data, r.attachments, respond)
	return nil
}

// respondEvent sends the answer of a handler. Without binary it goes to all nodes
// whatever the options say, as it does in the reference implementation.
func (c *classic) respondEvent(r *remoteRequest, reply adapter.Reply) {
	response := eventResponse{Type: typeServerEmit, RequestID: r.RequestID, UID: c.uid}
	var err error
	if response.Data, err = firstElement(reply.Data); err != nil {
		reply.Attachments = nil
	}
	payload, encodeErr := marshal(response, reply.Attachments)
	if err = errors.Join(err, encodeErr); err != nil {
		c.link.log.report(troubleAnswer, 1, err, "namespace", c.host.Namespace())
	}
	if encodeErr == nil {
		_ = c.publish(c.private(r.uid(), payload, c.response), payload) // it has been counted if it fails
	}
}

type eventResponse struct {
	Type      int             `json:"type"`
	RequestID json.RawMessage `json:"requestId"`
	Data      json.RawMessage `json:"data,omitempty"`
	UID       string          `json:"uid,omitempty"`
}

// flagsOf reads the flags of a request.
func flagsOf(data json.RawMessage) (f adapter.Flags) {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return f
	}
	f.Volatile = truthy(members["volatile"])
	f.NoCompress = string(members["compress"]) == "false"
	var timeout float64
	if json.Unmarshal(members["timeout"], &timeout) == nil && timeout > 0 {
		f.Timeout = time.Duration(min(timeout, float64(maxServing/time.Millisecond)) * float64(time.Millisecond))
	}
	return f
}
