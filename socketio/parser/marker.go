package parser

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
)

// A marker stands for binary values while they pass through a codec, which
// takes them for ordinary bytes, or a string. It is random, so that no data can
// be mistaken for it, and made anew for each argument.
//
// The text of the marker for value N is the prefix and N in four digits. All of
// them are letters of base64: codecs write []byte values as exactly that text.
type marker struct {
	prefix string
}

const (
	markerPrefixLen = 20
	markerLen       = markerPrefixLen + 4
	quotedMarkerLen = markerLen + 2
	maxMarked       = 10_000
)

func newMarker() marker { return marker{prefix: rand.Text()[:markerPrefixLen]} }

// appendText appends the text of the marker for value num.
func (m marker) appendText(dst []byte, num int) []byte {
	dst = append(dst, m.prefix...)
	return append(dst, byte('0'+num/1000), byte('0'+num/100%10), byte('0'+num/10%10), byte('0'+num%10))
}

// bytes returns what a codec writes as the text of the marker.
func (m marker) bytes(num int) []byte {
	text := m.appendText(make([]byte, 0, markerLen), num)
	raw := make([]byte, base64.StdEncoding.DecodedLen(markerLen))
	if _, err := base64.StdEncoding.Decode(raw, text); err != nil {
		return nil // cannot be: the text has only letters and digits
	}
	return raw
}

// find returns where the first marker, as a JSON string, is in the text, and
// its number; -1 if there is none.
func (m marker) find(text []byte) (at, num int) {
	if at = bytes.Index(text, []byte(`"`+m.prefix)); at < 0 || len(text) < at+quotedMarkerLen {
		return -1, 0
	}
	num, ok := m.parse(string(text[at+1 : at+1+markerLen]))
	if !ok {
		return -1, 0
	}
	return at, num
}

// parse returns the number of the marker that s is the text of.
func (m marker) parse(s string) (num int, ok bool) {
	if len(s) != markerLen || s[:markerPrefixLen] != m.prefix {
		return 0, false
	}
	for _, c := range []byte(s[markerPrefixLen:]) {
		if !isDigit(c) {
			return 0, false
		}
		num = 10*num + int(c-'0')
	}
	return num, true
}

// parseBytes returns the number of the marker that b are the bytes of.
func (m marker) parseBytes(b []byte) (num int, ok bool) {
	if len(b) != base64.StdEncoding.DecodedLen(markerLen) {
		return 0, false
	}
	return m.parse(base64.StdEncoding.EncodeToString(b))
}
