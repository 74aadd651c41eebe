package redisadapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/wire"
)

// The types of requests and responses.
const (
	typeSockets     = 0 // legacy; only answered
	typeAllRooms    = 1
	typeJoin        = 2
	typeLeave       = 3
	typeDisconnect  = 4
	typeFetch       = 5
	typeServerEmit  = 6
	typeBroadcast   = 7
	typeClientCount = 8
	typeAck         = 9
)

// request is a request as this node sends it, its members in the order of the
// reference implementation. Members that are not set must be absent.
type request struct {
	UID       string          `json:"uid"`
	RequestID string          `json:"requestId,omitempty"`
	Type      int             `json:"type"`
	Opts      *opts           `json:"opts,omitempty"`
	Rooms     any             `json:"rooms,omitempty"`
	Close     *bool           `json:"close,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`

	attachments [][]byte // the binary values of Data
}

// opts select sockets in a request.
type opts struct {
	Rooms  selector `json:"rooms"`
	Except selector `json:"except"`
}

func optsOf(t adapter.Target) *opts { return &opts{Rooms: t.Rooms, Except: t.Except} }

// encode returns the request of the node with that uid.
func (r request) encode(uid string) ([]byte, error) {
	r.UID = uid
	if r.Type == typeServerEmit && (len(r.Data) < 3 || r.Data[0] != '[') {
		return nil, errNotEvent
	}
	return marshal(r, r.attachments)
}

// marshal encodes a request or a response as JSON, or as MessagePack if there is
// binary in it: all nodes tell the two apart.
func marshal(v any, attachments [][]byte) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("redisadapter: encoding a message: %w", err)
	}
	if len(attachments) > 0 {
		return wire.AppendMsgpack(nil, b.Bytes(), attachments)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// appendAckRequest appends the request for a broadcast with acknowledgements,
// which alone of all requests is MessagePack.
func appendAckRequest(b []byte, uid, id string, p *adapter.Packet, t adapter.Target) ([]byte, error) {
	b = msgp.AppendMapHeader(b, 5)
	b = msgp.AppendString(msgp.AppendString(b, "uid"), uid)
	b = msgp.AppendString(msgp.AppendString(b, "requestId"), id)
	b = msgp.AppendUint64(msgp.AppendString(b, "type"), typeBroadcast)
	b = msgp.AppendString(b, "packet")
	b, err := appendPacket(b, p)
	if err != nil {
		return nil, err
	}
	return appendOpts(msgp.AppendString(b, "opts"), t), nil
}

// remoteRequest is a request of another node. Its members are absent if they are
// nil.
type remoteRequest struct {
	UID       json.RawMessage `json:"uid"`
	RequestID json.RawMessage `json:"requestId"`
	Type      json.RawMessage `json:"type"`
	Opts      json.RawMessage `json:"opts"`
	Rooms     json.RawMessage `json:"rooms"`
	SID       json.RawMessage `json:"sid"`
	Room      json.RawMessage `json:"room"`
	Close     json.RawMessage `json:"close"`
	Data      json.RawMessage `json:"data"`
	Packet    json.RawMessage `json:"packet"`

	attachments [][]byte
}

// readRequest reads a request in either encoding.
func readRequest(payload string) (*remoteRequest, error) {
	data, attachments, err := readObject([]byte(payload))
	if err != nil {
		return nil, err
	}
	r := &remoteRequest{attachments: attachments}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, errMalformed
	}
	return r, nil
}

// readObject returns the JSON form of an object that is JSON, if it begins with
// a brace, or MessagePack.
func readObject(b []byte) (data []byte, attachments [][]byte, err error) {
	if len(b) > 0 && b[0] == '{' {
		return b, nil, nil
	}
	data, attachments, rest, err := wire.AppendJSON(nil, b, nil)
	if err != nil || len(rest) > 0 || data[0] != '{' {
		return nil, nil, errMalformed
	}
	return data, attachments, nil
}

// kind returns the type, -1 if it is none of those known.
func (r *remoteRequest) kind() int {
	n, err := strconv.Atoi(string(r.Type))
	if err != nil || n > typeAck {
		return -1
	}
	return n
}

// uid returns the id of the node that has sent the request, "" if it is not
// known.
func (r *remoteRequest) uid() string { return stringOf(r.UID) }

// target returns which sockets the request is about. To have no opts at all is an
// error: such a request would be about all sockets.
func (r *remoteRequest) target() (adapter.Target, error) {
	if !present(r.Opts) {
		return adapter.Target{}, errMalformed
	}
	var o struct {
		opts
		Flags json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal(r.Opts, &o); err != nil {
		return adapter.Target{}, errMalformed
	}
	t := adapter.Target{Rooms: o.Rooms, Except: o.Except}
	if present(o.Flags) {
		t.Flags = flagsOf(o.Flags)
	}
	return t, nil
}

// present tells that a member is there and not null.
func present(data json.RawMessage) bool { return len(data) > 0 && string(data) != "null" }

// stringOf returns the text that a member holds, "" if it is anything else.
func stringOf(data json.RawMessage) (s string) {
	if len(data) == 0 || data[0] != '"' || json.Unmarshal(data, &s) != nil {
		return ""
	}
	return s
}

// truthy tells what JavaScript takes for true.
func truthy(data json.RawMessage) bool {
	switch string(data) {
	case "", "null", "false", "0", `""`:
		return false
	}
	return true
}
