package socketio

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/internal/idtable"
)

// Namespace is one of the channels that a connection is divided into, with
// handlers, guards and rooms of its own. [Server.Of] makes one.
type Namespace struct {
	name    string
	server  *Server
	router  router
	adapter adapter.Adapter

	ackIDs       atomic.Uint64
	serverEvents chan struct{} // a place for each event from another node that is being handled

	mu      sync.RWMutex
	sockets idtable.Table[*Socket]
}

func newNamespace(srv *Server, name string) *Namespace {
	n := &Namespace{
		name:         name,
		server:       srv,
		sockets:      idtable.New[*Socket](),
		serverEvents: make(chan struct{}, srv.opts.MaxServerEvents),
	}
	n.router.p.Store(&routes{})
	n.adapter = srv.opts.Adapter(newHost(n))
	return n
}

// Name returns the namespace's name, with its leading slash.
func (n *Namespace) Name() string { return n.name }

// Server returns the server that the namespace belongs to.
func (n *Namespace) Server() *Server { return n.server }

// Use adds guards. They run one after another, in the order in which they were
// added, for every client that asks to connect to the namespace; the first error
// refuses it.
func (n *Namespace) Use(gs ...Guard) {
	n.router.update(func(r *routes) { r.guards = append(r.guards, gs...) })
}

// Wrap adds middlewares around the handling of every event of the namespace. The
// first one added is the outermost.
func (n *Namespace) Wrap(ms ...Middleware) {
	n.router.wrap(&n.mu, HandlerFunc(serveNamespace), ms)
}

// OnConnect adds a function to be called for every socket that has connected,
// before any of its events is handled. Its error is logged and changes nothing:
// to refuse a socket use a [Guard].
func (n *Namespace) OnConnect(fn func(ctx context.Context, s *Socket) error) {
	n.router.update(func(r *routes) { r.connect = append(r.connect, fn) })
}

// OnDisconnect adds a function to be called for every socket that has
// disconnected, once, after the handler that may be running for it has returned.
// It is not called for a socket that was refused: what is to happen even then is for
// [Socket.Defer].
// The socket has left its rooms by then; [Socket.Rooms] still names them. ctx is not that
// of the socket, which has ended: it lives on until the context of [Server.Shutdown] ends,
// or the server has shut down, so that fn can tell other servers and databases of the end.
// Shutdown waits for fn: what may take long should have a deadline of its own.
func (n *Namespace) OnDisconnect(fn func(ctx context.Context, s *Socket, r Reason)) {
	n.router.update(func(r *routes) { r.disconnect = append(r.disconnect, fn) })
}

// Handle registers the handler of an event for all sockets of the namespace; see
// [On], which most code will use instead.
func (n *Namespace) Handle(event string, h Handler) {
	n.router.handle(event, h)
	n.warnOf(event, h)
}

// warnOf warns of a handler that is most likely never called: new sockets are announced
// by an event of that name on the Node.js server.
func (n *Namespace) warnOf(event string, h Handler) {
	if event == "connection" && h != nil {
		n.server.log.Warn(`socketio: new sockets are no event: use OnConnect in place of a handler of "connection"`, "namespace", n.name)
	}
}

// OnAny adds a handler that is called for every event of the namespace, before
// the middlewares and before the event's own handler. It may answer events that
// have no handler of their own. Its error is logged.
func (n *Namespace) OnAny(h Handler) {
	n.router.update(func(r *routes) { r.catchAll = append(r.catchAll, h) })
}

// OnAnyOutgoing adds a function to be called for every event that is emitted to
// sockets of the namespace through this server: once for each Emit, not for each
// socket. The arguments are valid during the call. fn must not block.
func (n *Namespace) OnAnyOutgoing(fn func(event string, a Args)) {
	n.router.update(func(r *routes) { r.outgoing = append(r.outgoing, fn) })
}

// Socket returns the socket of this server with that id.
func (n *Namespace) Socket(id string) (*Socket, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	s := n.sockets.Find(id)
	return s, s != nil
}

// Sockets returns the sockets of this server. See [Broadcast.FetchSockets] for
// those of all servers.
func (n *Namespace) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		n.mu.RLock()
		all := n.sockets.All()
		n.mu.RUnlock()
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Len returns the number of sockets of this server.
func (n *Namespace) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets.Len()
}

// add enters a socket, unless it has been closed meanwhile.
func (n *Namespace) add(s *Socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !s.setConnected() {
		return false
	}
	n.sockets.Add(s)
	return true
}

func (n *Namespace) remove(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets.Remove(s)
}

// broadcast is where the methods below start from.
func (n *Namespace) broadcast() Broadcast { return Broadcast{nsp: n} }

// To selects the sockets in any of the rooms, nobody if it names none. The id of a
// socket is a room, too.
func (n *Namespace) To(rooms ...string) Broadcast { return n.broadcast().To(rooms...) }

// Except selects all sockets but those in any of the rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return n.broadcast().Except(rooms...) }

// Volatile selects all sockets; see [Broadcast.Volatile].
func (n *Namespace) Volatile() Broadcast { return n.broadcast().Volatile() }

// Local selects the sockets of this server.
func (n *Namespace) Local() Broadcast { return n.broadcast().Local() }

// Compress selects all sockets; see [Broadcast.Compress].
func (n *Namespace) Compress(on bool) Broadcast { return n.broadcast().Compress(on) }

// Emit emits an event to all sockets of the namespace; see [Broadcast.Emit].
func (n *Namespace) Emit(event string, args ...any) error {
	return n.broadcast().Emit(event, args...)
}

// EmitWithAck emits an event to all sockets of the namespace and returns their
// answers; see [Broadcast.EmitWithAck].
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return n.broadcast().EmitWithAck(ctx, event, args...)
}

// FetchSockets returns all sockets of the namespace on all servers.
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.broadcast().FetchSockets(ctx)
}

// JoinAll makes all sockets of the namespace join the rooms.
func (n *Namespace) JoinAll(ctx context.Context, rooms ...string) error {
	return n.broadcast().JoinAll(ctx, rooms...)
}

// LeaveAll makes all sockets of the namespace leave the rooms.
func (n *Namespace) LeaveAll(ctx context.Context, rooms ...string) error {
	return n.broadcast().LeaveAll(ctx, rooms...)
}

// DisconnectSockets disconnects all sockets from the namespace, and with
// closeConn closes their connections.
func (n *Namespace) DisconnectSockets(ctx context.Context, closeConn bool) error {
	return n.broadcast().DisconnectSockets(ctx, closeConn)
}
