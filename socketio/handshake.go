package socketio

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tandem-go/tandem/socketio/engine"
)

// Handshake describes how a client connected: the first HTTP request of its
// connection and the payload of its CONNECT packet.
type Handshake struct {
	// Header are the headers of the request.
	Header http.Header
	// Query are the parameters of the request, transport parameters included.
	Query url.Values
	// URL is the request target as the client sent it.
	URL string
	// Address is the IP address of the TCP peer. Proxy headers are not looked at.
	Address string
	// Time is when the client connected.
	Time time.Time
	// Secure tells that the request came over TLS.
	Secure bool
	// CrossOrigin tells that the request had an Origin header.
	CrossOrigin bool
	// Auth is the payload of the CONNECT packet, "{}" if there was none. See
	// [Socket.Auth].
	Auth json.RawMessage
}

// newHandshake returns all of a handshake. A nil auth means none.
func newHandshake(h *engine.Handshake, auth []byte) *Handshake {
	own := newRequest(h)
	own.URL, own.Query = h.URL(), h.Query()
	if auth != nil {
		own.Auth = auth
	}
	return own
}

// newRequest returns a handshake that lacks the query and the auth.
func newRequest(h *engine.Handshake) *Handshake {
	header := h.Header()
	header.Set("Host", h.Host())
	address, _, err := net.SplitHostPort(h.RemoteAddr())
	if err != nil {
		address = h.RemoteAddr()
	}
	return &Handshake{
		Header:      header,
		Address:     address,
		Time:        h.Time(),
		Secure:      h.Secure(),
		CrossOrigin: header.Get("Origin") != "",
		Auth:        json.RawMessage("{}"),
	}
}

// wireHandshake is the handshake in the shape of the reference, as servers tell
// each other.
type wireHandshake struct {
	Headers map[string]any  `json:"headers"`
	Time    string          `json:"time"`
	Address string          `json:"address"`
	XDomain bool            `json:"xdomain"`
	Secure  bool            `json:"secure"`
	Issued  int64           `json:"issued"`
	URL     string          `json:"url"`
	Query   map[string]any  `json:"query"`
	Auth    json.RawMessage `json:"auth"`
}

// jsDate is how JavaScript writes a date as text.
const jsDate = "Mon Jan 02 2006 15:04:05 GMT+0000 (Coordinated Universal Time)"

// MarshalJSON returns the handshake in the shape that Node.js servers use. All of it: do
// not send that of a [*Socket] to anybody.
func (h *Handshake) MarshalJSON() ([]byte, error) {
	w := wireHandshake{
		Headers: make(map[string]any, len(h.Header)),
		Time:    h.Time.UTC().Format(jsDate),
		Address: h.Address,
		XDomain: h.CrossOrigin,
		Secure:  h.Secure,
		Issued:  h.Time.UnixMilli(),
		URL:     h.URL,
		Query:   oneOrMany(h.Query),
		Auth:    h.Auth,
	}
	if len(w.Auth) == 0 {
		w.Auth = json.RawMessage("{}")
	}
	for name, values := range h.Header {
		name = strings.ToLower(name)
		if name == "set-cookie" {
			w.Headers[name] = values
			continue
		}
		sep := ", "
		if name == "cookie" {
			sep = "; "
		}
		w.Headers[name] = strings.Join(values, sep)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the shape that MarshalJSON writes.
func (h *Handshake) UnmarshalJSON(data []byte) error {
	var w wireHandshake
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("socketio: decode handshake: %w", err)
	}
	*h = Handshake{
		Header:      make(http.Header, len(w.Headers)),
		Query:       make(url.Values, len(w.Query)),
		URL:         w.URL,
		Address:     w.Address,
		Time:        time.UnixMilli(w.Issued),
		Secure:      w.Secure,
		CrossOrigin: w.XDomain,
		Auth:        w.Auth,
	}
	for name, v := range w.Headers {
		h.Header[http.CanonicalHeaderKey(name)] = texts(v)
	}
	for name, v := range w.Query {
		h.Query[name] = texts(v)
	}
	return nil
}

// oneOrMany gives a parameter that occurs once as a text and others as a list, as
// the reference's query parser does.
func oneOrMany(values url.Values) map[string]any {
	out := make(map[string]any, len(values))
	for name, v := range values {
		if len(v) == 1 {
			out[name] = v[0]
			continue
		}
		out[name] = v
	}
	return out
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
		return out
	}
	return nil
}
