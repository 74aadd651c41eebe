// Package socketio is a Socket.IO server for Go: unmodified JavaScript
// socket.io-client frontends (version 3 and 4) connect to it, over HTTP
// long-polling and WebSocket.
//
// A [Server] is an [http.Handler]. Handlers are registered on it, or on one of
// its other namespaces ([Server.Of]), once and for all clients, as routes are
// on an [http.ServeMux]:
//
//	io := socketio.NewServer(nil)
//	socketio.On(io, "say", func(ctx context.Context, s *socketio.Socket, text string) error {
//		return s.To("lobby").Emit("said", s.ID(), text)
//	})
//	http.Handle("/socket.io/", io)
//
// # Events
//
// [On] and [OnWithAck] register typed handlers: the JSON of an argument is
// decoded straight into the handler's type, and what [OnWithAck]'s handler
// returns is encoded as the acknowledgement. A type of its own stands for
// several arguments: [Args2], [Args3], or any type with an UnmarshalArgs method;
// [Args] takes them undecoded. [EventOf] and [CallOf] declare an event once for
// the code that handles it and the code that emits it.
//
// The events of one socket are handled one after another in the order in which
// the client sent them, and apart from reading its connection. A handler may block: it
// delays this socket's further events only, and if many pile up the client's
// connection is not read any more until they are handled. Its context ends when
// the socket disconnects; the events that the client sent before it left are
// handled even so. A panic in a handler is logged and the socket lives on.
// [Namespace.Concurrent] registers handlers that may run beside each other for one socket.
//
// []byte values travel as binary, wherever they stand in an argument.
//
// # Emitting
//
// [Socket.Emit] sends to one client. [Socket.To], [Namespace.To] and their
// kind return a [Broadcast], an immutable value that selects many. Emit never
// waits: it encodes and queues, and returns an error only if the arguments cannot
// be encoded or nobody can be reached. Each connection's queue is
// bounded: a client that takes nothing of what it is sent is disconnected
// ([SlowConsumer]).
//
// [Socket.Flush] waits until the transport has taken what was emitted before, and
// [Socket.Backlog] says what it has not taken yet: a producer that uses them is no faster
// than its client.
//
// The methods that wait take a context, whose deadline is the timeout:
// EmitWithAck waits for the answers of clients, and fails at once for a client
// that disconnects. [Socket.Call] asks one client and does not wait.
//
// # Several nodes
//
// [Options].Adapter connects the rooms of several servers. With package
// redisadapter they may be Node.js servers as well.
//
// # Concurrency
//
// All methods of all types here may be called concurrently unless their
// documentation says otherwise.
//
// The protocol is described in the [Socket.IO protocol] and the
// [Engine.IO protocol].
//
// [Socket.IO protocol]: https://socket.io/docs/v4/socket-io-protocol/
// [Engine.IO protocol]: https://socket.io/docs/v4/engine-io-protocol/
package socketio
