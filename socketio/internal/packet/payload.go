package packet

import "bytes"

// Separator stands between the packets of a polling body.
const Separator = '\x1e'

// AppendPayload appends the polling body that holds the frames.
func AppendPayload(dst []byte, frames []*Frame) []byte {
	for i, f := range frames {
		if i > 0 {
			dst = append(dst, Separator)
		}
		dst = f.AppendPolling(dst)
	}
	return dst
}

// PayloadLen returns the length of what AppendPayload appends.
func PayloadLen(frames []*Frame) int {
	n := max(len(frames)-1, 0)
	for _, f := range frames {
		n += f.PollingLen()
	}
	return n
}

// Next cuts the first packet off a polling body without copying. more tells
// whether a separator followed it: then the body has another packet, be it an
// empty one.
func Next(body []byte) (first, rest []byte, more bool) {
	return bytes.Cut(body, []byte{Separator})
}
