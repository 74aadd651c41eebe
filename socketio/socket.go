package socketio

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Socket is a client's connection to one namespace. A client that is in several
// namespaces has as many sockets, over one connection.
type Socket struct {
	nsp        *Namespace
	conn       *conn
	id         string
	membership adapter.Membership

	// mu guards what follows. It is never held while user code or an adapter runs.
	mu      sync.Mutex
	state   atomic.Uint32 // a socketState; read without mu where that is enough
	running bool          // a goroutine runs the socket's tasks
	asked   bool          // the guards have been called
	due     dueTask       // when it has left and everything else has run
	met     bool          // see meet
	last    *Event        // of those that have not been handled; see push

	details atomic.Pointer[details] // nil until there are any; changed with mu held
}

type socketState uint32

const (
	stateConnecting socketState = iota
	stateConnected
	stateClosed
)

func (s *Socket) currentState() socketState { return socketState(s.state.Load()) }

// ID returns the id of the socket: 20 random characters, unique in the cluster
// and safe to show to other clients. It is the name of a room that only this
// socket is in.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is connected to.
func (s *Socket) Namespace() *Namespace { return s.nsp }

// Server returns the server that the socket is connected to.
func (s *Socket) Server() *Server { return s.nsp.server }

// Conn returns the underlying connection, which the client's sockets in other
// namespaces share.
func (s *Socket) Conn() *engine.Session { return s.conn.session }

// Handshake returns how the client connected. It is made anew by each call.
func (s *Socket) Handshake() *Handshake {
	return newHandshake(s.conn.session.Handshake(), s.auth())
}

// Auth decodes the payload that the client sent with its CONNECT packet (the
// auth option of the client) into the value that v points to.
func (s *Socket) Auth(v any) error {
	raw := s.auth()
	if raw == nil {
		raw = []byte("{}")
	}
	return s.nsp.server.opts.Codec.Unmarshal(raw, v)
}

// auth returns a copy of the payload of the CONNECT packet, nil if there was none.
func (s *Socket) auth() []byte {
	s.mu.Lock()
	auth := s.look().auth
	s.mu.Unlock()
	if auth == "" {
		return nil
	}
	return []byte(auth)
}

// Context returns the context that ends when the socket disconnects. It is the
// one that handlers get.
func (s *Socket) Context() context.Context { return (*socketContext)(s) }

// Connected reports whether the socket is connected: its guards have passed and it
// has not disconnected.
func (s *Socket) Connected() bool { return s.currentState() == stateConnected }

// Join adds the socket to the rooms. It takes effect before it returns: a
// broadcast that starts afterwards reaches the socket. In a guard the rooms are
// joined when the socket connects. It does nothing once the socket has
// disconnected.
//
// All rooms of a namespace share one space of names, the ids of sockets among them. A name
// that a client may choose needs a prefix of its own, as in "room:" + name: or the client
// joins any room of the application, and another client's own.
func (s *Socket) Join(rooms ...string) {
	if s.whileConnecting(func(d *details) { d.rooms = append(d.rooms, rooms...) }) {
		return
	}
	if len(rooms) > 0 && s.currentState() != stateClosed { // a refused socket never leaves what it joins
		s.nsp.adapter.Join((*peer)(s), rooms...)
	}
}

// Leave removes the socket from the rooms. It cannot leave the room of its own id: that
// does nothing.
func (s *Socket) Leave(rooms ...string) {
	if s.whileConnecting(func(d *details) {
		d.rooms = slices.DeleteFunc(d.rooms, func(r string) bool { return slices.Contains(rooms, r) })
	}) {
		return
	}
	s.nsp.adapter.Leave((*peer)(s), rooms...)
}

// whileConnecting changes the details if the socket is not connected yet, and
// reports whether it was so.
func (s *Socket) whileConnecting(change func(*details)) bool {
	if s.currentState() != stateConnecting {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.currentState() != stateConnecting {
		return false
	}
	change(s.detail())
	return true
}

// Rooms returns the rooms that the socket is in, its own id first. After it has
// disconnected they are those that it was in.
func (s *Socket) Rooms() []string {
	if s.currentState() != stateConnecting {
		if rooms := s.nsp.adapter.Rooms((*peer)(s)); rooms != nil {
			return rooms
		}
	}
	s.mu.Lock() // it has left them: their names have been kept before that
	defer s.mu.Unlock()
	return slices.Clone(s.look().rooms)
}

// Handle registers the handler of an event for this socket alone, in place of the
// namespace's; see [On].
func (s *Socket) Handle(event string, h Handler) {
	s.ownRouter().handle(event, h)
	s.nsp.warnOf(event, h)
}

// Wrap adds middlewares around the handling of this socket's events, inside those
// of the namespace.
func (s *Socket) Wrap(ms ...Middleware) { s.ownRouter().wrap(&s.mu, HandlerFunc(serveSocket), ms) }

// OnAny adds a handler that is called for every event of this socket, after those
// of the namespace; see [Namespace.OnAny].
func (s *Socket) OnAny(h Handler) {
	s.ownRouter().update(func(r *routes) { r.catchAll = append(r.catchAll, h) })
}

// others selects all sockets of the namespace but this one.
func (s *Socket) others() Broadcast { return s.nsp.Except(s.id) }

// To selects the sockets in any of the rooms, without this one; nobody if it names no
// room.
func (s *Socket) To(rooms ...string) Broadcast { return s.others().To(rooms...) }

// Except selects all sockets of the namespace without this one and without those
// in any of the rooms.
func (s *Socket) Except(rooms ...string) Broadcast { return s.others().Except(rooms...) }

// Broadcast selects all sockets of the namespace without this one.
func (s *Socket) Broadcast() Broadcast { return s.others() }

// Local selects the sockets of this server without this one.
func (s *Socket) Local() Broadcast { return s.others().Local() }

// Disconnect disconnects the socket: the client is told, after what was emitted
// to it before, and does not reconnect by itself. With closeConn its sockets in
// other namespaces are disconnected too, and the connection is closed. Events of the
// client that no handler has been called for are dropped. Disconnect does nothing
// once the socket has disconnected.
func (s *Socket) Disconnect(closeConn bool) {
	if s.currentState() == stateClosed {
		return
	}
	if !closeConn {
		s.conn.kick(s)
		return
	}
	s.conn.kickAll()
}

// peer is a Socket as its adapter sees it.
type peer Socket

func (p *peer) ID() string                      { return p.id }
func (p *peer) Membership() *adapter.Membership { return &p.membership }

func (s *Socket) describe() adapter.RemoteSocket {
	h, err := s.Handshake().MarshalJSON() // not through Marshal, which would compact it once more
	if err != nil {
		s.nsp.server.warn("socketio: encode handshake", "socket", s.id, "err", err)
		h = []byte("{}")
	}
	return adapter.RemoteSocket{ID: s.id, Rooms: s.Rooms(), Handshake: h, Data: s.dataJSON()}
}
