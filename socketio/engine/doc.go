// Package engine implements the server side of Engine.IO, revision 4: sessions
// over HTTP long-polling and WebSocket, with heartbeats and the upgrade from
// one transport to the other. It knows nothing of Socket.IO and can be used on
// its own; package socketio is built on it.
//
// A [Server] is an http.Handler. For each new [Session] it calls the [Accept]
// function that it was made with, which returns the [Receiver] of the session's
// messages. Messages are sent as a [Frame], which is encoded once for any
// number of sessions and for both transports:
//
//	srv := engine.NewServer(func(s *engine.Session) engine.Receiver {
//		return echo{}
//	}, nil)
//	http.Handle("/engine.io/", srv)
//
// # Cost
//
// While nothing happens a session over a plain TCP connection has neither a
// goroutine, nor a timer, nor a buffer on Linux, where a few goroutines read all
// connections. Elsewhere, and with Options.DisableParking, it has one goroutine,
// which reads, and with TLS that one and a buffer. Packets are written without
// blocking, and those that are queued together are written together; [Batch]
// sends one frame to many sessions without an allocation for each. A peer that
// does not read is left to a slow path of its own, and is disconnected once its
// queue is full.
//
// The protocol is described at
// https://socket.io/docs/v4/engine-io-protocol/.
package engine
