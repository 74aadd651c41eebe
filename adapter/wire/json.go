package wire

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// The lead bytes of the format that are looked at directly; the specification
// lists them all: https://github.com/msgpack/msgpack/blob/master/spec.md
const (
	leadNil      = 0xc0
	leadFalse    = 0xc2
	leadTrue     = 0xc3
	leadBin8     = 0xc4
	leadBin32    = 0xc6
	leadExt8     = 0xc7
	leadExt32    = 0xc9
	leadFloat32  = 0xca
	leadFloat64  = 0xcb
	leadUint8    = 0xcc
	leadUint64   = 0xcf
	leadInt8     = 0xd0
	leadInt64    = 0xd3
	leadFixExt1  = 0xd4
	leadFixExt16 = 0xd8
	leadStr8     = 0xd9
	leadStr32    = 0xdb
	leadArray16  = 0xdc
	leadArray32  = 0xdd
	leadMap16    = 0xde
	leadMap32    = 0xdf
	leadNegative = 0xe0
)

// AppendJSON appends to dst the JSON form of the first MessagePack value of msg
// and returns the bytes that follow that value in rest. Binary values are
// appended to atts and leave the placeholder {"_placeholder":true,"num":N}, N
// being their index there; they alias msg.
//
// On an error, which wraps [ErrMsgpack] or [ErrDepth], dst and atts are returned
// as they came and rest is msg.
func AppendJSON(dst, msg []byte, atts [][]byte) (json []byte, attachments [][]byte, rest []byte, err error) {
	t := toJSON{dst: dst, atts: atts}
	rest, err = t.value(msg, 0)
	if err != nil {
		return dst, atts, msg, err
	}
	return t.dst, t.atts, rest, nil
}

// toJSON is one conversion from MessagePack. Its methods take the bytes that
// are left and return what is left after them.
type toJSON struct {
	dst  []byte
	atts [][]byte
}

func (t *toJSON) value(b []byte, depth int) ([]byte, error) {
	if len(b) == 0 {
		return nil, ErrMsgpack
	}
	switch lead := b[0]; {
	case lead < 0x80:
		t.dst = strconv.AppendUint(t.dst, uint64(lead), 10)
		return b[1:], nil
	case lead < 0x90, lead == leadMap16, lead == leadMap32:
		return t.object(b, depth)
	case lead < 0xa0, lead == leadArray16, lead == leadArray32:
		return t.array(b, depth)
	case lead < leadNil, lead >= leadStr8 && lead <= leadStr32:
		return t.str(b)
	case lead >= leadNegative:
		t.dst = strconv.AppendInt(t.dst, int64(int8(lead)), 10)
		return b[1:], nil
	case lead <= leadTrue:
		return t.constant(b)
	case lead <= leadBin32:
		bin, rest, err := msgp.ReadBytesZC(b)
		if err != nil {
			return nil, ErrMsgpack
		}
		t.binary(bin)
		return rest, nil
	case lead <= leadExt32, lead >= leadFixExt1 && lead <= leadFixExt16:
		return t.extension(b)
	default:
		return t.number(b)
	}
}

func (t *toJSON) array(b []byte, depth int) ([]byte, error) {
	if depth == MaxDepth {
		return nil, ErrDepth
	}
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return nil, ErrMsgpack
	}
	t.dst = append(t.dst, '[')
	for i := range n {
		if i > 0 {
			t.dst = append(t.dst, ',')
		}
		if b, err = t.value(b, depth+1); err != nil {
			return nil, err
		}
	}
	t.dst = append(t.dst, ']')
	return b, nil
}

func (t *toJSON) object(b []byte, depth int) ([]byte, error) {
	if depth == MaxDepth {
		return nil, ErrDepth
	}
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, ErrMsgpack
	}
	t.dst = append(t.dst, '{')
	first := true
	for range n {
		start := len(t.dst)
		if !first {
			t.dst = append(t.dst, ',')
		}
		if b, err = t.key(b); err != nil {
			return nil, err
		}
		if isUndefined(b) {
			// JSON.stringify leaves out what is undefined.
			t.dst, b = t.dst[:start], b[3:]
			continue
		}
		first = false
		t.dst = append(t.dst, ':')
		if b, err = t.value(b, depth+1); err != nil {
			return nil, err
		}
	}
	t.dst = append(t.dst, '}')
	return b, nil
}

// key writes the key of a map as the string that JavaScript makes of it.
func (t *toJSON) key(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, ErrMsgpack
	}
	switch lead := b[0]; {
	case lead >= 0xa0 && lead < leadNil, lead >= leadStr8 && lead <= leadStr32:
		return t.str(b)
	case lead >= leadBin8 && lead <= leadBin32:
		bin, rest, err := msgp.ReadBytesZC(b)
		if err != nil {
			return nil, ErrMsgpack
		}
		t.dst = appendString(t.dst, bin)
		return rest, nil
	case lead < 0x80, lead >= leadNegative, lead <= leadTrue && lead >= leadNil,
		lead >= leadFloat32 && lead <= leadInt64:
		t.dst = append(t.dst, '"')
		rest, err := t.value(b, MaxDepth)
		t.dst = append(t.dst, '"')
		return rest, err
	}
	return nil, ErrMsgpack
}

func (t *toJSON) str(b []byte) ([]byte, error) {
	s, rest, err := msgp.ReadStringZC(b)
	if err != nil {
		return nil, ErrMsgpack
	}
	t.dst = appendString(t.dst, s)
	return rest, nil
}

func (t *toJSON) constant(b []byte) ([]byte, error) {
	switch b[0] {
	case leadNil:
		t.dst = append(t.dst, "null"...)
	case leadFalse:
		t.dst = append(t.dst, "false"...)
	case leadTrue:
		t.dst = append(t.dst, "true"...)
	default:
		return nil, ErrMsgpack
	}
	return b[1:], nil
}

func (t *toJSON) number(b []byte) ([]byte, error) {
	lead, b := b[0], b[1:]
	size := 1 << (lead & 3) // of the integers, whose lead bytes come in fours
	switch lead {
	case leadFloat32:
		size = 4
	case leadFloat64:
		size = 8
	}
	if len(b) < size {
		return nil, ErrMsgpack
	}
	switch {
	case lead == leadFloat32:
		t.dst = appendFloat(t.dst, float64(math.Float32frombits(binary.BigEndian.Uint32(b))))
	case lead == leadFloat64:
		t.dst = appendFloat(t.dst, math.Float64frombits(binary.BigEndian.Uint64(b)))
	case lead <= leadUint64:
		t.dst = strconv.AppendUint(t.dst, bigEndian(b[:size]), 10)
	default:
		unused := 64 - 8*size // shifting there and back extends the sign
		t.dst = strconv.AppendInt(t.dst, int64(bigEndian(b[:size])<<unused)>>unused, 10)
	}
	return b[size:], nil
}

func bigEndian(b []byte) uint64 {
	var u uint64
	for _, c := range b {
		u = u<<8 | uint64(c)
	}
	return u
}

// binary writes one binary value.
func (t *toJSON) binary(bin []byte) {
	t.dst = append(t.dst, `{"_placeholder":true,"num":`...)
	t.dst = strconv.AppendInt(t.dst, int64(len(t.atts)), 10)
	t.dst = append(t.dst, '}')
	t.atts = append(t.atts, bin)
}
