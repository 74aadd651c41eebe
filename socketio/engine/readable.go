package engine

import (
	"log/slog"
	"strings"
)

// LogValue returns the address of the peer. The id is not logged: it is a secret.
func (s *Session) LogValue() slog.Value {
	if s == nil {
		return slog.StringValue("<nil>")
	}
	return slog.StringValue(s.String())
}

// String returns the address of the peer.
func (s *Session) String() string { return s.RemoteAddr() }

// LogValue returns the text of String.
func (h *Handshake) LogValue() slog.Value {
	if h == nil || h.common == nil {
		return slog.StringValue("<nil>")
	}
	return slog.StringValue(h.String())
}

// String returns the address of the peer and the path of the request. Its headers and its
// query may hold secrets.
func (h *Handshake) String() string {
	path, _, _ := strings.Cut(h.URL(), "?")
	return h.RemoteAddr() + " " + path
}
