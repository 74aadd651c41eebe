package socketio

import (
	"context"
	"encoding/json"

	"github.com/tandem-go/tandem/adapter"
)

// RemoteSocket is a socket as [Broadcast.FetchSockets] found it: perhaps on another
// server, and perhaps gone meanwhile. It is an immutable description, but for the values
// of a [Key] if the socket is one of this server; its methods reach the socket through
// the cluster.
type RemoteSocket struct {
	nsp *Namespace
	d   adapter.RemoteSocket
}

// ID returns the id of the socket.
func (r RemoteSocket) ID() string { return r.d.ID }

// Rooms returns the rooms that the socket was in, its own id among them.
func (r RemoteSocket) Rooms() []string { return r.d.Rooms }

// Handshake returns how the socket's client connected, as far as its server publishes it:
// without the auth, and without the headers and parameters that may be secrets. See
// [Options].SecretParams and PublishHandshake. It is the same for a socket of this very
// server, so that a program does not depend on where a socket lives; [Broadcast.Sockets]
// has the sockets of this server with all of their handshakes. A Node.js server publishes
// everything.
func (r RemoteSocket) Handshake() (*Handshake, error) {
	h := new(Handshake)
	if err := h.UnmarshalJSON(r.d.Handshake); err != nil {
		return nil, err
	}
	return h, nil
}

// Data returns the JSON object of what is attached to the socket. See [Key] for
// typed access.
func (r RemoteSocket) Data() json.RawMessage { return r.d.Data }

func (r RemoteSocket) value(name string, local bool) (any, bool) {
	found := remoteValue{codec: r.nsp.server.opts.Codec}
	if s, ok := r.nsp.Socket(r.d.ID); ok {
		if found.live, ok = s.value(name, local); !ok {
			return nil, false
		}
	}
	if local {
		return found, found.live != nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(r.d.Data, &object); err != nil {
		return nil, false
	}
	found.raw = object[name]
	return found, found.live != nil || found.raw != nil
}

func (r RemoteSocket) self() Broadcast {
	b := r.nsp.To(r.d.ID)
	b.target.Flags.Single = true
	return b
}

// Emit emits an event to the socket. It is dropped if the socket is gone.
func (r RemoteSocket) Emit(event string, args ...any) error { return r.self().Emit(event, args...) }

// EmitWithAck emits an event to the socket and returns its answer; see
// [Broadcast.EmitWithAck]. It returns [ErrDisconnected] if the socket is gone.
func (r RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	all, err := r.self().EmitWithAck(ctx, event, args...)
	if len(all) > 0 {
		return all[0], nil
	}
	if err == nil {
		err = ErrDisconnected
	}
	return Args{}, err
}

// Join makes the socket join the rooms.
func (r RemoteSocket) Join(ctx context.Context, rooms ...string) error {
	return r.self().JoinAll(ctx, rooms...)
}

// Leave makes the socket leave the rooms.
func (r RemoteSocket) Leave(ctx context.Context, rooms ...string) error {
	return r.self().LeaveAll(ctx, rooms...)
}

// Disconnect disconnects the socket, and with closeConn closes its connection.
func (r RemoteSocket) Disconnect(ctx context.Context, closeConn bool) error {
	return r.self().DisconnectSockets(ctx, closeConn)
}
