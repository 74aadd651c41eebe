package redisadapter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/adapter/wire"
)

// errNotEvent refuses to publish what could make other nodes stumble.
var errNotEvent = errors.New("redisadapter: only events can be broadcast")

// appendBroadcast appends the message of a broadcast, the array [uid, packet,
// opts].
func appendBroadcast(b []byte, uid string, p *adapter.Packet, t adapter.Target) ([]byte, error) {
	b = msgp.AppendArrayHeader(b, 3)
	b = msgp.AppendString(b, uid)
	b, err := appendPacket(b, p)
	if err != nil {
		return nil, err
	}
	return appendOpts(b, t), nil
}

// appendPacket appends {type, data, nsp}. The type is that of an event even if
// there is binary in it.
func appendPacket(b []byte, p *adapter.Packet) ([]byte, error) {
	if p.Type != adapter.Event {
		return nil, errNotEvent
	}
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendString(b, "type")
	b = msgp.AppendUint64(b, uint64(adapter.Event))
	b = msgp.AppendString(b, "data")
	at := len(b)
	b, err := wire.AppendMsgpack(b, p.Data, p.Attachments)
	if err != nil {
		return nil, fmt.Errorf("redisadapter: encoding a broadcast: %w", err)
	}
	if msgp.NextType(b[at:]) != msgp.ArrayType || b[at] == 0x90 {
		return nil, errNotEvent
	}
	b = msgp.AppendString(b, "nsp")
	return msgp.AppendString(b, p.Namespace), nil
}

// appendOpts appends {rooms, except, flags}.
func appendOpts(b []byte, t adapter.Target) []byte {
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendString(b, "rooms")
	b = selector(t.Rooms).appendMsgpack(b)
	b = msgp.AppendString(b, "except")
	b = selector(t.Except).appendMsgpack(b)
	b = msgp.AppendString(b, "flags")
	return appendFlags(b, t.Flags)
}

// appendFlags appends only what is set: other nodes tell absent from false.
func appendFlags(b []byte, f adapter.Flags) []byte {
	at, size := len(b), byte(0)
	b = append(b, 0)
	if f.Volatile {
		b = msgp.AppendBool(msgp.AppendString(b, "volatile"), true)
		size++
	}
	if f.NoCompress {
		b = msgp.AppendBool(msgp.AppendString(b, "compress"), false)
		size++
	}
	if f.Single {
		b = msgp.AppendBool(msgp.AppendString(b, "expectSingleResponse"), true)
		size++
	}
	if f.Timeout > 0 {
		b = msgp.AppendUint64(msgp.AppendString(b, "timeout"), milliseconds(f.Timeout))
		size++
	}
	b[at] = 0x80 | size
	return b
}

// milliseconds rounds up.
func milliseconds(d time.Duration) uint64 {
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}

// remoteBroadcast is a broadcast of another node, its data not yet converted. Its
// slices are parts of the message.
type remoteBroadcast struct {
	uid       []byte
	namespace []byte // nil if it is not told
	data      []byte
	target    adapter.Target
}

// readBroadcast reads the message of a broadcast. What the reference
// implementation tolerates is tolerated, anything else is an error.
func readBroadcast(b []byte) (m remoteBroadcast, err error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n < 3 {
		return m, errMalformed
	}
	if msgp.NextType(b) == msgp.StrType {
		m.uid, b, err = msgp.ReadStringZC(b)
	} else {
		b, err = msgp.Skip(b)
	}
	if err != nil {
		return m, errMalformed
	}
	if b, err = m.readPacket(b); err != nil {
		return m, err
	}
	if b, err = readOpts(b, &m.target); err != nil {
		return m, err
	}
	for range n - 3 {
		if b, err = msgp.Skip(b); err != nil {
			return m, errMalformed
		}
	}
	if len(b) > 0 {
		return m, errMalformed
	}
	return m, nil
}

func (m *remoteBroadcast) readPacket(b []byte) (rest []byte, err error) {
	kind := uint64(math.MaxUint64)
	rest, err = readMap(b, func(key, b []byte) (rest []byte, err error) {
		switch string(key) {
		case "type":
			kind, rest, err = msgp.ReadUint64Bytes(b)
		case "data":
			rest, err = msgp.Skip(b)
			if err == nil {
				m.data = b[:len(b)-len(rest)]
			}
		case "nsp":
			m.namespace, rest, err = msgp.ReadStringZC(b)
		default:
			rest, err = msgp.Skip(b)
		}
		return rest, err
	})
	if err != nil || !isEvent(kind) || m.data == nil || msgp.NextType(m.data) != msgp.ArrayType || m.data[0] == 0x90 {
		return nil, errMalformed
	}
	return rest, nil
}

// isEvent accepts the type of a binary event too, which emitters of old send.
func isEvent(kind uint64) bool {
	const binaryEvent = 5
	return kind == uint64(adapter.Event) || kind == binaryEvent
}

// readOpts reads {rooms, except, flags}, of which each may be missing.
func readOpts(b []byte, t *adapter.Target) (rest []byte, err error) {
	return readMap(b, func(key, b []byte) (rest []byte, err error) {
		switch string(key) {
		case "rooms":
			t.Rooms, rest, err = readRooms(b)
		case "except":
			t.Except, rest, err = readRooms(b)
		case "flags":
			if msgp.IsNil(b) {
				return b[1:], nil
			}
			rest, err = readFlags(b, &t.Flags)
		default:
			rest, err = msgp.Skip(b)
		}
		return rest, err
	})
}

func readFlags(b []byte, f *adapter.Flags) (rest []byte, err error) {
	return readMap(b, func(key, b []byte) (rest []byte, err error) {
		if msgp.NextType(b) != msgp.BoolType {
			return msgp.Skip(b)
		}
		set, rest, err := msgp.ReadBoolBytes(b)
		switch string(key) {
		case "volatile":
			f.Volatile = set
		case "compress":
			f.NoCompress = !set
		}
		return rest, err
	})
}

// readMap calls member for each member of a map, whose keys must be strings.
func readMap(b []byte, member func(key, b []byte) (rest []byte, err error)) (rest []byte, err error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, errMalformed
	}
	for range n {
		var key []byte
		if key, b, err = msgp.ReadMapKeyZC(b); err != nil {
			return nil, errMalformed
		}
		if b, err = member(key, b); err != nil {
			return nil, errMalformed
		}
	}
	return b, nil
}

// receiveBroadcast delivers a broadcast of another node to the local sockets.
func (c *classic) receiveBroadcast(room, payload string) {
	if room != "" && !c.Has(room) {
		return
	}
	m, err := readBroadcast([]byte(payload))
	if err != nil {
		c.link.log.report(troubleBroadcast, 1, err, "namespace", c.host.Namespace())
		return
	}
	namespace := c.host.Namespace()
	if string(m.uid) == c.uid || !m.in(namespace) || !c.concerns(m.target.Rooms) {
		return
	}
	p, err := m.packet(namespace)
	if err != nil {
		c.link.log.report(troubleBroadcast, 1, err, "namespace", c.host.Namespace())
		return
	}
	c.Deliver(p, m.target)
}

// concerns tells that any of the rooms has a local member.
func (c *classic) concerns(rooms []string) bool {
	return len(rooms) == 0 || slices.ContainsFunc(rooms, c.Has)
}

// in tells that the broadcast is for the namespace. It is for the main one if it
// does not say.
func (m *remoteBroadcast) in(namespace string) bool {
	return string(m.namespace) == namespace || m.namespace == nil && namespace == "/"
}

// packet converts the data.
func (m *remoteBroadcast) packet(namespace string) (*adapter.Packet, error) {
	data, attachments, _, err := wire.AppendJSON(make([]byte, 0, len(m.data)+len(m.data)/4+16), m.data, nil)
	if err != nil {
		return nil, err
	}
	return newEvent(namespace, data, attachments)
}

// newEvent makes the packet of an event that another node has sent. An event
// without a name would make a client close its connection.
func newEvent(namespace string, data []byte, attachments [][]byte) (*adapter.Packet, error) {
	if len(data) < 2 || data[0] != '[' || data[1] != '"' && data[1] != '-' && (data[1] < '0' || data[1] > '9') {
		return nil, errMalformed
	}
	return &adapter.Packet{Namespace: namespace, Data: data, Attachments: attachments, Type: adapter.Event}, nil
}
