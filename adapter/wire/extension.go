package wire

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
)

// The extension types in use: the timestamp of the specification, and the one
// that notepack.io up to 2.x (redis-adapter up to 7, redis-emitter up to 4)
// sends for undefined, dates and array buffers.
const (
	extTimestamp = -1
	extLegacy    = 0
)

// maxTime is the largest time, in milliseconds from 1970, that a JavaScript
// Date can hold.
const maxTime = 8.64e15

// isUndefined tells that a value is the legacy form of undefined.
func isUndefined(b []byte) bool {
	return len(b) >= 3 && b[0] == leadFixExt1 && b[1] == extLegacy
}

func (t *toJSON) extension(b []byte) ([]byte, error) {
	kind, data, rest, ok := readExtension(b)
	if !ok {
		return nil, ErrMsgpack
	}
	lead := b[0]
	switch {
	case kind == extTimestamp && (len(data) == 4 || len(data) == 8 || len(data) == 12):
		t.dst = appendTime(t.dst, timestamp(data))
	case kind == extLegacy && lead == leadFixExt1:
		t.dst = append(t.dst, "null"...)
	case kind == extLegacy && lead == leadFixExt1+3:
		t.dst = appendTime(t.dst, float64(int64(binary.BigEndian.Uint64(data))))
	case kind == extLegacy && lead <= leadExt32:
		t.binary(data)
	default:
		// notepack.io makes the pair [type, bytes] of what it does not know.
		t.dst = append(t.dst, '[')
		t.dst = strconv.AppendInt(t.dst, int64(kind), 10)
		t.dst = append(t.dst, ',')
		t.binary(data)
		t.dst = append(t.dst, ']')
	}
	return rest, nil
}

func readExtension(b []byte) (kind int8, data, rest []byte, ok bool) {
	lead, b := b[0], b[1:]
	var size uint64
	if lead >= leadFixExt1 {
		size = 1 << (lead - leadFixExt1)
	} else {
		width := 1 << (lead - leadExt8)
		if len(b) < width {
			return 0, nil, nil, false
		}
		size, b = bigEndian(b[:width]), b[width:]
	}
	if uint64(len(b)) < size+1 {
		return 0, nil, nil, false
	}
	return int8(b[0]), b[1 : 1+size], b[1+size:], true
}

// timestamp returns the milliseconds from 1970 of the three timestamp forms,
// computed in floating point as JavaScript does.
func timestamp(data []byte) float64 {
	switch len(data) {
	case 4:
		return float64(binary.BigEndian.Uint32(data)) * 1e3
	case 8:
		u := binary.BigEndian.Uint64(data)
		return float64(float64(u&(1<<34-1))*1e3) + float64(u>>34)/1e6
	default:
		ns, sec := binary.BigEndian.Uint32(data), int64(binary.BigEndian.Uint64(data[4:]))
		return float64(float64(sec)*1e3) + float64(ns)/1e6
	}
}

// appendTime writes a date as Date.prototype.toJSON does: the text of
// toISOString, or null if it is out of range.
func appendTime(dst []byte, ms float64) []byte {
	if !(math.Abs(ms) <= maxTime) {
		return append(dst, "null"...)
	}
	at := time.UnixMilli(int64(ms)).UTC()
	dst = append(dst, '"')
	year := at.Year()
	switch {
	case year < 0:
		dst = appendPadded(append(dst, '-'), -year, 6)
	case year > 9999:
		dst = appendPadded(append(dst, '+'), year, 6)
	default:
		dst = appendPadded(dst, year, 4)
	}
	return at.AppendFormat(dst, `-01-02T15:04:05.000Z"`)
}

// appendPadded writes n, which is not negative, with at least width digits.
func appendPadded(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			break
		}
		limit *= 10
	}
	for range width - 1 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
