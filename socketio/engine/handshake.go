package engine

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// randomID returns 120 random bits in 20 characters.
func randomID() string {
	var b [15]byte
	// Read never fails: it ends the program if the system has no randomness.
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Handshake describes the request that opened a session. It is stored as a few
// strings; Header and Query build their result on each call.
type Handshake struct {
	url    string
	blob   string // the headers: "key: value\r\n" each
	host   string
	remote string
	time   time.Time
	secure bool
}

// newHandshake copies what it needs from the request, so that nothing of it
// stays alive.
func newHandshake(r *http.Request) *Handshake {
	return &Handshake{
		url:    strings.Clone(r.URL.RequestURI()),
		blob:   packHeader(r.Header),
		host:   strings.Clone(r.Host),
		remote: strings.Clone(r.RemoteAddr),
		time:   time.Now(),
		secure: r.TLS != nil,
	}
}

// packHeader puts all headers into one string.
func packHeader(h http.Header) string {
	n := 0
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	var b strings.Builder
	b.Grow(n)
	for k, vs := range h {
		for _, v := range vs {
			b.WriteString(k)
			b.WriteString(": ")
			b.WriteString(v)
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

// Header returns the headers of the request. The caller may change the result.
func (h *Handshake) Header() http.Header {
	header := make(http.Header)
	for line := range strings.SplitSeq(h.blob, "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			header[k] = append(header[k], v)
		}
	}
	return header
}

// Query returns the query parameters of the request, those of the protocol
// included. The caller may change the result.
func (h *Handshake) Query() url.Values {
	_, raw, _ := strings.Cut(h.url, "?")
	// Parameters that cannot be parsed are left out, as by net/http.
	q, _ := url.ParseQuery(raw)
	return q
}

// URL returns the path and the query of the request as the client sent them.
func (h *Handshake) URL() string { return h.url }

// Host returns the host that the client asked for.
func (h *Handshake) Host() string { return h.host }

// RemoteAddr returns the address of the peer as "host:port". Behind a proxy that
// is the proxy's address.
func (h *Handshake) RemoteAddr() string { return h.remote }

// Time returns when the session was opened.
func (h *Handshake) Time() time.Time { return h.time }

// Secure reports whether the request arrived over TLS.
func (h *Handshake) Secure() bool { return h.secure }
