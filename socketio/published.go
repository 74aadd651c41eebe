package socketio

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/socketio/engine"
)

// secretWords are what the names of headers and of query parameters have in them whose
// values are not published. Options.SecretParams lists them for users.
var secretWords = [...]string{
	"auth", "cert", "cookie", "credential", "jwt", "key", "oidc", "passw", "pwd", "secret", "session", "signature", "token",
}

// targetWords are in the names of headers that repeat the target of a request, its query
// included.
var targetWords = [...]string{"path", "refer", "uri", "url"}

const (
	nonce    = "sec-websocket-key"      // no secret, whatever its name: it is random, and of no use again
	protocol = "sec-websocket-protocol" // the only header of a WebSocket that a page can fill
)

// isSecretHeader reports whether the header of that name is not published.
func isSecretHeader(name string) bool {
	var space [64]byte
	lower := appendLower(space[:0], name)
	switch string(lower) {
	case nonce:
		return false
	case protocol:
		return true
	}
	return hasWord(lower, secretWords[:]) || hasWord(lower, targetWords[:])
}

// isSecretParam reports whether the query parameter of that name is not published. named
// are those that the application has named.
func isSecretParam(name string, named []string) bool {
	var space [64]byte
	return slices.ContainsFunc(named, func(n string) bool { return strings.EqualFold(n, name) }) ||
		hasWord(appendLower(space[:0], name), secretWords[:])
}

func hasWord(lower []byte, words []string) bool {
	for _, word := range words {
		if bytes.Contains(lower, []byte(word)) {
			return true
		}
	}
	return false
}

// appendLower appends a name with its ASCII letters in lower case.
func appendLower(dst []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// publicURL returns a request's target without the parameters that are not published, and
// its query. What [url.ParseQuery] leaves out is left out of both.
func publicURL(target string, named []string) (public string, query url.Values) {
	path, raw, _ := strings.Cut(target, "?")
	query = make(url.Values)
	b, sep := append(make([]byte, 0, len(target)), path...), byte('?')
	for param := range strings.SplitSeq(raw, "&") {
		name, value, err := parseParam(param)
		if err != nil || param == "" || isSecretParam(name, named) {
			continue
		}
		query[name] = append(query[name], value)
		b, sep = append(append(b, sep), param...), '&'
	}
	return string(b), query
}

var errSemicolon = errors.New("socketio: a parameter has a semicolon")

// parseParam parses a query of one parameter.
func parseParam(param string) (name, value string, err error) {
	if strings.Contains(param, ";") {
		return "", "", errSemicolon
	}
	name, value, _ = strings.Cut(param, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	return name, value, err
}

// newPublicHandshake returns a handshake without the secrets of the client.
func newPublicHandshake(h *engine.Handshake, named []string) *Handshake {
	public := newRequest(h)
	for name := range public.Header {
		if isSecretHeader(name) {
			delete(public.Header, name)
		}
	}
	public.URL, public.Query = publicURL(h.URL(), named)
	return public
}

// publicHandshake returns the JSON of the handshake as other servers get to see it.
func (s *Socket) publicHandshake() []byte {
	srv := s.nsp.server
	if srv.opts.PublishHandshake != nil {
		raw, err := s.publish()
		if err == nil {
			return raw
		}
		srv.warn("socketio: PublishHandshake failed, what it has changed is not published", "namespace", s.nsp.name, "socket", s.id, "err", loggable(err))
	}
	raw, err := newPublicHandshake(s.conn.session.Handshake(), srv.opts.SecretParams).MarshalJSON()
	if err != nil {
		srv.warn("socketio: encode handshake", "socket", s.id, "err", err)
		return []byte("{}")
	}
	return raw
}

// publish returns the JSON of the handshake as the application has changed it.
func (s *Socket) publish() (raw []byte, err error) {
	opts := &s.nsp.server.opts
	err = s.protect(func(context.Context) error {
		h := newPublicHandshake(s.conn.session.Handshake(), opts.SecretParams)
		opts.PublishHandshake(s, h)
		raw, err = h.MarshalJSON()
		return err
	})
	return raw, err
}
