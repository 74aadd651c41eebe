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
