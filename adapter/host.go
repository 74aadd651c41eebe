package adapter

import (
	"context"
	"log/slog"
)

// Peer is a local socket as an adapter sees it. It is comparable.
type Peer interface {
	// ID returns the id of the socket: 20 characters, unique in the cluster.
	ID() string
	// Membership returns the place where the adapter keeps what it knows of this
	// peer. It returns the same pointer on every call.
	Membership() *Membership
}

// Host is the namespace as an adapter sees it. All methods may be called
// concurrently. None of them may be called while holding a lock that a method
// of the adapter takes, since user code may run in some of them.
type Host interface {
	// Namespace returns the name of the namespace, with its leading slash.
	Namespace() string
	// ServerID returns the random id of this server, the same for all of its
	// namespaces.
	ServerID() string
	// Logger returns where the adapter reports what no caller gets to see.
	Logger() *slog.Logger

	// Peer returns the connected local socket with that id.
	Peer(id string) (Peer, bool)
	// Describe returns the description of a local socket.
	Describe(p Peer) RemoteSocket

	// Deliver queues the packet for local sockets and returns without waiting.
	// It does not keep the slice to.
	Deliver(p *Packet, to []Peer, f Flags)
	// DeliverWithAck delivers an event to local sockets under an acknowledgement
	// id of the host's own. It calls answer once for each of them: with the
	// answer and true, or with a zero Reply and false when the socket
	// disconnects before it has answered or the packet cannot be encoded. An answer of
	// several values is given with the first one alone. Calls
	// to answer may be concurrent and may come before DeliverWithAck returns;
	// answer must not block. stop may be called more than once. Answers that come
	// after it has returned are ignored, but one that was being taken may still be
	// told.
	DeliverWithAck(p *Packet, to []Peer, f Flags, answer func(r Reply, ok bool)) (stop func())
	// Disconnect disconnects a local socket.
	Disconnect(p Peer, closeTransport bool)
	// ServeServerEvent runs the handler of an event that another node has sent
	// with ServerEmit; data is the JSON array of its name and arguments. If
	// respond is not nil the other node waits for an answer: respond is called at
	// most once. ServeServerEvent does not wait for the handler.
	ServeServerEvent(ctx context.Context, data []byte, attachments [][]byte, respond func(Reply))
}

// RoomWatcher is implemented by a [Host] that is to learn which local sockets join and
// leave rooms. [Memory] calls it without any lock held; an adapter that keeps its rooms
// in another way calls it itself.
type RoomWatcher interface {
	// Joined is called after p has joined the rooms, which are those of them that it
	// was not in.
	Joined(p Peer, rooms []string)
	// Left is called after p has left the rooms, which are those of them that it was
	// in.
	Left(p Peer, rooms []string)
}
