package redisadapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

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
	Packet    *packet         `json:"packet,omitempty"`
	Opts      *opts           `json:"opts,omitempty"`
	Rooms     any             `json:"rooms,omitempty"`
	Close     *bool           `json:"close,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`

	attachments [][]byte // the binary values of Data, or of the packet
}

// packet is the event of a broadcast with acknowledgements.
type packet struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
	Nsp  string          `json:"nsp"`
}

// opts select sockets in a request.
type opts struct {
	Rooms  selector `json:"rooms"`
	Except selector `json:"except"`
	Flags  *flags   `json:"flags,omitempty"`
}

// flags are those of a broadcast with acknowledgements. What is not set must be absent.
type flags struct {
	Volatile bool   `json:"volatile,omitempty"`
	Compress *bool  `json:"compress,omitempty"`
	Single   bool   `json:"expectSingleResponse,omitempty"`
	Timeout  uint64 `json:"timeout,omitempty"` // in milliseconds
}

func optsOf(t adapter.Target) *opts { return &opts{Rooms: t.Rooms, Except: t.Except} }

// encode returns the request of the node with that uid.
func (r request) encode(uid string) ([]byte, error) {
	r.UID = uid
	if r.Type == typeServerEmit && !isEventData(r.Data) {
		return nil, errNotEvent
	}
	return marshal(r, r.attachments)
}

// isEventData tells that data begins like an array that is not empty.
func isEventData(data []byte) bool {
	const space = " \t\r\n"
	data = bytes.TrimLeft(data, space)
	if len(data) == 0 || data[0] != '[' {
		return false
	}
	data = bytes.TrimLeft(data[1:], space)
	return len(data) > 0 && data[0] != ']'
}

// encodeAckRequest returns the request for a broadcast with acknowledgements. A
// Node.js server sends it as MessagePack always, but all that know it read JSON as
// well, and JSON does no harm to those that are older.
func encodeAckRequest(uid, id string, p *adapter.Packet, t adapter.Target) ([]byte, error) {
	if p.Type != adapter.Event || !isEventData(p.Data) {
		return nil, errNotEvent
	}
	o := optsOf(t)
	o.Flags = &flags{Volatile: t.Flags.Volatile, Single: t.Flags.Single, Timeout: milliseconds(max(t.Flags.Timeout, 0))}
	if t.Flags.NoCompress {
		o.Flags.Compress = new(bool)
	}
	return request{
		RequestID: id, Type: typeBroadcast, Opts: o, attachments: p.Attachments,
		Packet: &packet{Type: int(adapter.Event), Data: p.Data, Nsp: p.Namespace},
	}.encode(uid)
}

// marshal encodes a request or a response as JSON, or as MessagePack if there is
// binary in it. Adapters from version 7.2.0 on tell the two apart. Older ones read
// JSON only: version 7.1 ignores MessagePack, those before end their process.
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
