package adapter

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrClosed is returned by the operations of an adapter that has been closed.
var ErrClosed = errors.New("adapter: closed")

// Factory makes the adapter of one namespace. It is called once for each
// namespace and must not block: an adapter that needs a broker connects to it
// in the background.
type Factory func(h Host) Adapter

// Adapter keeps the rooms of one namespace and reaches the sockets in them,
// on this node and on all others.
//
// All methods may be called concurrently. Those that take a context may wait;
// they return early with the context's error when it ends.
type Adapter interface {
	// Join adds p to the rooms. With no rooms at all it adds p to the
	// namespace: the host calls it that way once, before any other call for p that
	// it makes itself. User code that has found p already may make it join and
	// leave rooms even earlier, or disconnect it.
	// The room named after p's own id is implicit and need not be joined.
	// Joining is local and immediate: a broadcast that starts after Join has
	// returned reaches p. It does nothing once LeaveAll(p) has been called.
	Join(p Peer, rooms ...string)
	// Leave removes p from the rooms.
	Leave(p Peer, rooms ...string)
	// LeaveAll removes p from all of its rooms and from the namespace, for good.
	// The host calls it once for each p that it has added, or is about to add, to
	// the namespace.
	LeaveAll(p Peer)
	// Rooms returns the rooms that p is in, its own id first; nil if p is not,
	// or not any more, in the namespace.
	Rooms(p Peer) []string

	// Broadcast sends the packet to the sockets that t selects, on every node
	// unless t.Flags.Local is set. Local sockets get it even if the other
	// nodes cannot be reached; the error then says so.
	Broadcast(ctx context.Context, p *Packet, t Target) error
	// Collect is Broadcast with acknowledgements. It yields the answers as they
	// arrive and ends when every selected socket has answered or disconnected.
	// If ctx ends first, or an answer cannot be had any more, the last pair
	// holds the error. A caller may stop early. p.ID and p.HasID are left to the
	// host. Nothing is sent before the iteration starts.
	Collect(ctx context.Context, p *Packet, t Target) iter.Seq2[Reply, error]

	// Fetch describes the sockets that t selects. On an error it returns those
	// that it has got so far.
	Fetch(ctx context.Context, t Target) ([]RemoteSocket, error)
	// JoinAll makes the sockets that t selects join the rooms.
	JoinAll(ctx context.Context, t Target, rooms ...string) error
	// LeaveMatching makes the sockets that t selects leave the rooms.
	LeaveMatching(ctx context.Context, t Target, rooms ...string) error
	// Disconnect disconnects the sockets that t selects from the namespace, and
	// with closeTransport closes their connections.
	Disconnect(ctx context.Context, t Target, closeTransport bool) error

	// ServerEmit sends an event to all the other nodes: data is the JSON array of
	// its name and arguments, attachments are the binary values of data.
	ServerEmit(ctx context.Context, data []byte, attachments [][]byte) error
	// ServerCollect is ServerEmit with answers: one from each of the other nodes,
	// yielded as they arrive. If ctx ends first, the last pair holds the error. If ctx
	// has no deadline, the adapter has a bound of its own. With no other node it yields
	// nothing.
	ServerCollect(ctx context.Context, data []byte, attachments [][]byte) iter.Seq2[Reply, error]
	// ServerCount returns the number of nodes, this one included.
	ServerCount(ctx context.Context) (int, error)

	// Close releases what the adapter holds and waits, until ctx ends, for its
	// goroutines. Local operations keep working; remote ones return ErrClosed.
	Close(ctx context.Context) error
}

// RoomLister is implemented by an [Adapter] that can name the rooms of all nodes.
type RoomLister interface {
	// AllRooms returns the rooms that sockets of any node are in, each once, in no
	// particular order; the id of each socket is among them. On an error it returns those
	// that it has got so far.
	AllRooms(ctx context.Context) ([]string, error)
}

// Target selects sockets: those in any of Rooms (all of the namespace if Rooms
// is empty) that are in none of Except. The id of a socket is a room that only
// this socket is in. The zero value selects the whole namespace. Package socketio does
// not call an adapter for a selection of nobody.
type Target struct {
	Rooms  []string
	Except []string
	Flags  Flags
}

// Flags modify how a packet is sent, and how far.
type Flags struct {
	// Local restricts the operation to this node.
	Local bool
	// Volatile drops the packet for sockets that cannot be written to right now.
	Volatile bool
	// NoCompress asks for the packet not to be compressed.
	NoCompress bool
	// Single marks a packet for one remote socket, whose single answer is
	// expected.
	Single bool
	// Timeout, if positive, is how long the other nodes keep waiting for the
	// answers of a Collect. It is derived from the context's deadline if zero.
	Timeout time.Duration
}

// Reply is one answer, from a socket or from a node.
type Reply struct {
	// Data is the JSON array of the arguments of the answer, never nil. It holds one
	// at most, the first that was given: the wire between nodes carries no more, and
	// the answers of local sockets are like those of others.
	Data []byte
	// Attachments are the binary values of Data, as in Packet.
	Attachments [][]byte
}

// RemoteSocket describes a socket of any node.
type RemoteSocket struct {
	// ID is the id of the socket.
	ID string
	// Rooms are the rooms that it is in, its own id among them.
	Rooms []string
	// Handshake is the JSON object that describes how it connected.
	Handshake []byte
	// Data is the JSON object of the data attached to it.
	Data []byte
}
