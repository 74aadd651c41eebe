package engine

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// randomID returns 120 random bits in 20 characters.
func randomID() string {
	var b [15]byte
	// Read never fails: it ends the program if the system has no randomness.
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Handshake describes the request that opened a session. It lives as long as the
// session, so it is kept in few bytes: what many clients' requests have in common
// is there once for all of them. Header and Query build their result on each call.
type Handshake struct {
	common *string // records that other handshakes share
	own    string  // the time, the record of the session's id, then others
}

// A record is a kind, the length of its value as a varint unless the kind fixes
// it, and the value.
const (
	recordID     = iota // of the session, so that it needs no memory to itself
	recordHeader        // the value holds a name, ": ", and a value
	recordHost
	recordURL
	recordRemote  // the address of the peer
	recordRemote4 // the same of IPv4: four bytes, and two of the port
	recordSecure  // without a value
	recordKey     // Sec-WebSocket-Key, decoded
)

const (
	timeSize    = 8  // of the time in front of the records, in nanoseconds
	remote4Size = 6  // of an encoded address of IPv4
	keySize     = 16 // of a decoded Sec-WebSocket-Key
)

const keyHeader = "Sec-Websocket-Key"

// handshakes makes the handshakes of a server. The zero value is ready, and safe for
// concurrent use.
type handshakes struct {
	shared  interner
	scratch sync.Pool // of *handshakeScratch
}

// handshakeScratch is what a handshake is made in. It is not on the stack, which is
// that of net/http and would have to grow.
type handshakeScratch struct {
	own, common []byte
	names       []string
}

// maxIdleHandshake is the size up to which a scratch is pooled.
const maxIdleHandshake = 8 << 10

// make returns the handshake of the session with the given id. It copies what it needs
// from the request, so that nothing of it stays alive.
func (hs *handshakes) make(id string, r *http.Request) Handshake {
	sc, ok := hs.scratch.Get().(*handshakeScratch)
	if !ok {
		sc = new(handshakeScratch)
	}
	sc.fill(id, r)
	h := Handshake{common: hs.shared.intern(sc.common), own: string(sc.own)}
	if clear(sc.names); max(cap(sc.own), cap(sc.common)) <= maxIdleHandshake {
		hs.scratch.Put(sc)
	}
	return h
}

// fill puts the records of a handshake into own and common.
func (sc *handshakeScratch) fill(id string, r *http.Request) {
	own := binary.BigEndian.AppendUint64(sc.own[:0], uint64(time.Now().UnixNano()))
	own = appendRecord(own, recordID, id)
	own = appendRemote(own, r.RemoteAddr)
	if r.TLS != nil {
		own = append(own, recordSecure)
	}
	common := appendRecord(sc.common[:0], recordHost, r.Host)
	if url := r.URL.RequestURI(); r.URL.RawQuery == usualQuery {
		common = appendRecord(common, recordURL, url)
	} else {
		own = appendRecord(own, recordURL, url)
	}
	names := sc.names[:0]
	for name, values := range r.Header {
		if isCommon(name) {
			names = append(names, name)
			continue
		}
		own = appendHeader(own, name, values)
	}
	slices.Sort(names)
	for _, name := range names {
		common = appendHeader(common, name, r.Header[name])
	}
	sc.own, sc.common, sc.names = own, common, names
}

// handshakeSize returns the size of what would be kept of a request, as it was sent. Its
// records take a percent more at most.
func handshakeSize(r *http.Request) int {
	n := len(r.Host) + len(r.URL.Opaque) + len(r.URL.EscapedPath()) + len("?") + len(r.URL.RawQuery)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(headerSep) + len(v) + len("\r\n")
		}
	}
	return n
}

// usualQuery is what clients send that upgrade nothing and are not configured
// otherwise.
const usualQuery = "EIO=4&transport=websocket"

// isCommon reports whether many clients send the same values under the name: those
// that tell of the browser or of the site, not of the user.
func isCommon(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Dnt", "Origin", "Pragma", "Priority",
		"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
		"Sec-Fetch-Storage-Access", "Sec-Gpc", "Sec-Websocket-Extensions", "Sec-Websocket-Version", "Te", "Upgrade", "User-Agent",
		"Via", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Server":
		return true
	}
	return false
}

// appendHeader appends a record for each value.
func appendHeader(dst []byte, name string, values []string) []byte {
	if name == keyHeader && len(values) == 1 {
		if b, ok := appendKey(dst, values[0]); ok {
			return b
		}
	}
	for _, v := range values {
		dst = append(dst, recordHeader)
		dst = binary.AppendUvarint(dst, uint64(len(name)+len(headerSep)+len(v)))
		dst = append(append(append(dst, name...), headerSep...), v...)
	}
	return dst
}

const headerSep = ": "

// appendKey appends the record of a Sec-WebSocket-Key. It reports false if the
// key is not what encoding its bytes would give.
func appendKey(dst []byte, key string) ([]byte, bool) {
	if len(key) != base64.StdEncoding.EncodedLen(keySize) {
		return dst, false
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(append(dst, recordKey), []byte(key))
	if err != nil || len(b) != len(dst)+1+keySize {
		return dst, false
	}
	return b, true
}

// appendRemote appends the record of the peer's address, which is shorter than the
// text if it can be.
func appendRemote(dst []byte, addr string) []byte {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() || string(a.AppendTo(dst)[len(dst):]) != addr {
		return appendRecord(dst, recordRemote, addr)
	}
	host := a.Addr().As4()
	dst = append(append(dst, recordRemote4), host[:]...)
	return binary.BigEndian.AppendUint16(dst, a.Port())
}

// decodeRemote4 returns the address that is the value of a record.
func decodeRemote4(value string) string {
	b := []byte(value)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[4:])).String()
}

func appendRecord(dst []byte, kind byte, value string) []byte {
	dst = binary.AppendUvarint(append(dst, kind), uint64(len(value)))
	return append(dst, value...)
}

// cutRecord takes the first record off.
func cutRecord(records string) (kind byte, value, rest string) {
	kind, records = records[0], records[1:]
	switch kind {
	case recordSecure:
		return kind, "", records
	case recordRemote4:
		return kind, records[:remote4Size], records[remote4Size:]
	case recordKey:
		return kind, records[:keySize], records[keySize:]
	}
	var n, shift uint
	for {
		b := records[0]
		records = records[1:]
		n |= uint(b&0x7f) << shift
		if b < 0x80 {
			return kind, records[:n], records[n:]
		}
		shift += 7
	}
}

// records are all records, those that are its own first.
func (h *Handshake) records(yield func(kind byte, value string) bool) {
	for _, records := range [...]string{h.own[timeSize:], *h.common} {
		for records != "" {
			var kind byte
			var value string
			kind, value, records = cutRecord(records)
			if !yield(kind, value) {
				return
			}
		}
	}
}

// find returns the value of the first record of a kind.
func (h *Handshake) find(want byte) (string, bool) {
	for kind, value := range h.records {
		if kind == want {
			return value, true
		}
	}
	return "", false
}

// id returns the id of the session.
func (h *Handshake) id() string {
	_, id, _ := cutRecord(h.own[timeSize:])
	return id
}

// Header returns the headers of the request. The caller may change the result.
func (h *Handshake) Header() http.Header {
	header := make(http.Header)
	for kind, value := range h.records {
		switch kind {
		case recordHeader:
			k, v, _ := strings.Cut(value, headerSep)
			header[k] = append(header[k], v)
		case recordKey:
			header[keyHeader] = []string{base64.StdEncoding.EncodeToString([]byte(value))}
		}
	}
	return header
}

// Query returns the query parameters of the request, those of the protocol
// included. The caller may change the result.
func (h *Handshake) Query() url.Values {
	_, raw, _ := strings.Cut(h.URL(), "?")
	// Parameters that cannot be parsed are left out, as by net/http.
	q, _ := url.ParseQuery(raw)
	return q
}

// URL returns the path and the query of the request as the client sent them.
func (h *Handshake) URL() string {
	url, _ := h.find(recordURL)
	return url
}

// Host returns the host that the client asked for.
func (h *Handshake) Host() string {
	host, _ := h.find(recordHost)
	return host
}

// RemoteAddr returns the address of the peer as "host:port". Behind a proxy that
// is the proxy's address.
func (h *Handshake) RemoteAddr() string {
	if addr, ok := h.find(recordRemote4); ok {
		return decodeRemote4(addr)
	}
	addr, _ := h.find(recordRemote)
	return addr
}

// Time returns when the session was opened.
func (h *Handshake) Time() time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(h.own[:timeSize]))))
}

// Secure reports whether the request arrived over TLS.
func (h *Handshake) Secure() bool {
	_, ok := h.find(recordSecure)
	return ok
}
