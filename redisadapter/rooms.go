package redisadapter

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/tandem-go/tandem/adapter/wire"
)

// maxSafeInteger is the largest integer up to which JavaScript tells all
// integers apart.
const maxSafeInteger = 1<<53 - 1

// numeric tells that a room's name is how JavaScript writes an integer. A
// Node.js server may know that room as the number.
func numeric(room string) (int64, bool) {
	if room == "" || len(room) > 17 || room[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(room, 10, 64)
	if err != nil || n > maxSafeInteger || n < -maxSafeInteger || strconv.FormatInt(n, 10) != room {
		return 0, false
	}
	return n, true
}

// selector is a list of rooms that select sockets. Those that are numbers for
// some Node.js server are written in both forms.
type selector []string

// appendMsgpack appends the list as a MessagePack array.
func (s selector) appendMsgpack(b []byte) []byte {
	size := len(s)
	for _, room := range s {
		if _, ok := numeric(room); ok {
			size++
		}
	}
	b = msgp.AppendArrayHeader(b, uint32(size))
	for _, room := range s {
		b = msgp.AppendString(b, room)
		if n, ok := numeric(room); ok {
			b = appendInt(b, n)
		}
	}
	return b
}

func appendInt(b []byte, n int64) []byte {
	if n >= 0 {
		return msgp.AppendUint64(b, uint64(n))
	}
	return msgp.AppendInt64(b, n)
}

// MarshalJSON writes the list as a JSON array.
func (s selector) MarshalJSON() ([]byte, error) {
	list := make([]any, 0, len(s))
	for _, room := range s {
		list = append(list, room)
		if n, ok := numeric(room); ok {
			list = append(list, n)
		}
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads an array of texts and numbers, or null. Anything else in
// it is an error: to leave it out could select sockets that were not meant.
func (s *selector) UnmarshalJSON(data []byte) error {
	var list []roomName
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*s = nil
	for _, room := range list {
		*s = append(*s, string(room))
	}
	return nil
}

// roomList is a list of rooms to join or to leave. Unlike a selector it must not
// be null.
type roomList []string

// UnmarshalJSON reads an array of texts and numbers.
func (l *roomList) UnmarshalJSON(data []byte) error {
	var s selector
	if err := s.UnmarshalJSON(data); err != nil {
		return err
	}
	if *l = roomList(s); s == nil && string(data) == "null" {
		return errMalformed
	}
	return nil
}

// roomName is one room: a text, or a number that is read as its text.
type roomName string

// UnmarshalJSON reads a JSON text or number.
func (r *roomName) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(r))
	}
	text, err := numberText(data)
	*r = roomName(text)
	return err
}

// numberText returns a JSON number as JavaScript writes it.
func numberText(data []byte) (string, error) {
	if len(data) == 0 || data[0] != '-' && (data[0] < '0' || data[0] > '9') {
		return "", errMalformed
	}
	b, err := wire.AppendMsgpack(nil, data, nil)
	if err != nil {
		return "", errMalformed
	}
	text, _, _, err := wire.AppendJSON(nil, b, nil)
	return string(text), err
}

// readRooms reads a MessagePack array of texts and numbers, or nil.
func readRooms(b []byte) (rooms []string, rest []byte, err error) {
	if msgp.IsNil(b) {
		return nil, b[1:], nil
	}
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || int(n) > len(b) {
		return nil, nil, errMalformed
	}
	if n == 0 {
		return nil, b, nil
	}
	rooms = make([]string, n)
	for i := range rooms {
		if rooms[i], b, err = readRoom(b); err != nil {
			return nil, nil, err
		}
	}
	return rooms, b, nil
}

func readRoom(b []byte) (room string, rest []byte, err error) {
	switch msgp.NextType(b) {
	case msgp.StrType:
		room, rest, err = msgp.ReadStringBytes(b)
	case msgp.IntType, msgp.UintType, msgp.Float64Type, msgp.Float32Type:
		var text []byte
		text, _, rest, err = wire.AppendJSON(nil, b, nil)
		room = string(text)
	default:
		err = errMalformed
	}
	return room, rest, err
}

// errMalformed reports a message that is not what the protocol says.
var errMalformed = errors.New("redisadapter: malformed message")
