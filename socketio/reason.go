package socketio

import "github.com/tandem-go/tandem/socketio/engine"

// Reason tells why a socket disconnected. The texts are those of the
// [reference], so that logs of mixed clusters can be read together.
//
// [reference]: https://socket.io/docs/v4/server-socket-instance/#disconnect
type Reason = engine.Reason

// The reasons for which a socket disconnects.
const (
	// TransportClose means that the client closed the connection, or that it was
	// lost.
	TransportClose = engine.TransportClose
	// TransportError means that the connection failed, or that the client broke
	// the rules of the transport.
	TransportError = engine.TransportError
	// PingTimeout means that the client did not answer a ping in time.
	PingTimeout = engine.PingTimeout
	// ParseError means that the client sent a malformed Engine.IO packet.
	ParseError = engine.ParseError
	// ForcedClose means that the server closed the connection: the client sent a
	// malformed or unexpected Socket.IO packet, or the socket's handlers did not catch
	// up with its events.
	ForcedClose = engine.ForcedClose
	// ServerShutdown means that the server shut down.
	ServerShutdown = engine.ServerShutdown
	// SlowConsumer means that the client did not read what it was sent. The
	// reference has no such reason: it queues without a bound.
	SlowConsumer = engine.SlowConsumer
	// ServerNamespaceDisconnect means that the server disconnected the socket.
	ServerNamespaceDisconnect Reason = "server namespace disconnect"
	// ClientNamespaceDisconnect means that the client left the namespace.
	ClientNamespaceDisconnect Reason = "client namespace disconnect"
)
