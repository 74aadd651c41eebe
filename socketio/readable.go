package socketio

import (
	"log/slog"
	"strings"

	"github.com/tandem-go/tandem/internal/logonce"
)

// String returns the arguments as a JSON array. Binary stands in it as
// {"_placeholder":true,"num":N}.
func (a Args) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, raw := range a.list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(raw)
	}
	b.WriteByte(']')
	return b.String()
}

// LogValue returns the text of String, cut off after 200 bytes.
func (a Args) LogValue() slog.Value { return slog.StringValue(logonce.Cut(a.String())) }

// LogValue returns the name, the arguments, the id of the socket, and whether the sender
// waits for an acknowledgement. Long names and arguments are cut off.
func (e *Event) LogValue() slog.Value {
	if e == nil {
		return slog.StringValue("<nil>")
	}
	attrs := []slog.Attr{slog.String("name", logonce.Cut(e.Name)), slog.Any("args", e.Args)}
	if e.Socket != nil {
		attrs = append(attrs, slog.String("socket", e.Socket.id))
	}
	return slog.GroupValue(append(attrs, slog.Bool("ack", e.WantsAck()))...)
}

// LogValue returns the id and the namespace.
func (s *Socket) LogValue() slog.Value {
	if s == nil {
		return slog.StringValue("<nil>")
	}
	return slog.GroupValue(slog.String("id", s.id), slog.String("namespace", s.nsp.name))
}

// String returns the id.
func (s *Socket) String() string { return s.id }

// LogValue returns the id and the namespace. Rooms, handshake and data are not logged.
func (r RemoteSocket) LogValue() slog.Value {
	if r.nsp == nil {
		return slog.StringValue("<nil>")
	}
	return slog.GroupValue(slog.String("id", r.d.ID), slog.String("namespace", r.nsp.name))
}

// String returns the id.
func (r RemoteSocket) String() string { return r.d.ID }

// LogValue returns the address, the path and the time. Headers, query and auth may hold
// secrets, and are not logged.
func (h Handshake) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("address", h.Address), slog.String("path", logonce.Cut(h.path())), slog.Time("time", h.Time), slog.Bool("secure", h.Secure),
	)
}

// String returns the address and the path, without what may be secret.
func (h Handshake) String() string { return h.Address + " " + h.path() }

func (h Handshake) path() string {
	path, _, _ := strings.Cut(h.URL, "?")
	return path
}
