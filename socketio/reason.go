package socketio

import "github.com/tandem-go/tandem/socketio/engine"

// Reason tells why a socket disconnected. The texts are those of the
// [Node.js server], so that logs of mixed clusters can be read together. Most reasons
// have a detail, an error, which [Observer] gets.
//
// [Node.js server]: https://socket.io/docs/v4/server-socket-instance/#disconnect
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
	// ForcedClose means that the server closed the connection. The detail says why: what
	// was wrong with a packet of the client, [ErrConnectTimeout], [ErrAttachmentTimeout],
	// a [*StuckError], which names the event whose handler does not return, or the error of a
	// guard that has CloseConn set (see [Error]). There is none if [Socket.Disconnect] closed it.
	ForcedClose = engine.ForcedClose
	// ServerShutdown means that the server shut down.
	ServerShutdown = engine.ServerShutdown
	// SlowConsumer means that the client did not take what it was sent. The Node.js
	// server has no such reason: it queues without a bound.
	SlowConsumer = engine.SlowConsumer
	// Overload means that what the client had sent, and no handler had taken, was in
	// the way of others; see [engine.Options].InputBudget. It is dropped.
	Overload = engine.Overload
	// ServerNamespaceDisconnect means that the server disconnected the socket.
	ServerNamespaceDisconnect Reason = "server namespace disconnect"
	// ClientNamespaceDisconnect means that the client left the namespace.
	ClientNamespaceDisconnect Reason = "client namespace disconnect"
)
