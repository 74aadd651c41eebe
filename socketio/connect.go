package socketio

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"runtime/debug"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/engine"
)

var (
	errConnectTwice = errors.New("socketio: CONNECT to a namespace that the client is in already")
	errNotJoined    = errors.New("socketio: packet for a namespace that the client is not in")
	errNotForServer = errors.New("socketio: CONNECT_ERROR from a client")
)

// newID returns a socket id: 120 random bits in 20 characters.
func newID() string {
	var b [15]byte
	var id [20]byte
	_, _ = rand.Read(b[:]) // never fails
	base64.RawURLEncoding.Encode(id[:], b[:])
	return string(id[:])
}

// onConnect handles a CONNECT packet. The guards run as the first task of the socket. A
// client that asks again before it has been answered has given up the first try, as one
// does that disconnects and connects again at once.
func (c *conn) onConnect(p *adapter.Packet, m engine.Message) error {
	srv := c.server()
	n, ok := srv.lookup(p.Namespace)
	if !ok {
		return c.refuse(p.Namespace, &Error{Message: "Invalid namespace"})
	}
	if srv.draining.Load() {
		return nil // the connection is about to be closed
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	old := c.find(n.name)
	c.mu.Unlock()
	if old != nil && !old.supersede() {
		return errConnectTwice
	}
	c.mu.Lock()
	if refusal := c.crowded(); refusal != "" {
		c.mu.Unlock()
		return c.refuse(n.name, &Error{Message: refusal})
	}
	s := c.add()
	s.nsp, s.conn, s.id, s.running = n, c, newID(), true
	if len(p.Data) > 0 {
		s.details.Store(&details{auth: string(p.Data)})
	}
	c.unkick(n.name)
	c.mu.Unlock()
	s.submitAfter(m)
	return nil
}

// refuse answers a CONNECT with a CONNECT_ERROR.
func (c *conn) refuse(namespace string, cause error) error {
	srv := c.server()
	srv.log.Debug("socketio: refuse client", "remote", c.session, "namespace", logonce.Cut(namespace), "err", loggable(cause))
	tell(srv, srv.observe.refused, RefusedInfo{Conn: c.session, Namespace: namespace, Err: cause})
	data, err := srv.marshal(clientError(cause))
	if err != nil {
		srv.warn("socketio: encode connect error", "namespace", logonce.Cut(namespace), "err", loggable(err))
		data = []byte(`{"message":"` + internalError + `"}`)
	}
	data = bytes.ToValidUTF8(data, []byte("\uFFFD")) // or the client closes the connection
	return c.send(&adapter.Packet{Type: adapter.ConnectError, Namespace: namespace, Data: data}, 0)
}

// marshal encodes a value of user code, whose own methods may panic.
func (srv *Server) marshal(v any) (data []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return srv.opts.Codec.Marshal(v)
}

// connect runs the guards and connects the socket. It is the socket's first task.
func (s *Socket) connect() {
	for _, g := range s.nsp.router.load().guards {
		if s.currentState() == stateClosed {
			return
		}
		if err := s.guard(g); err != nil {
			s.refused(err)
			return
		}
	}
	if !s.enter() {
		return // closed while the guards ran
	}
	for _, fn := range s.nsp.router.load().connect {
		s.report("connect", s.protect(func(ctx context.Context) error { return fn(ctx, s) }))
	}
}

// enter connects the socket. It reports false if it has been closed already.
func (s *Socket) enter() bool {
	s.conn.enter()
	defer s.conn.entered()
	if !s.nsp.add(s) {
		return false
	}
	s.introduce()
	return true
}

// introduce joins the rooms, tells the observers and sends the CONNECT packet, in this
// order: whoever learns that the socket is connected can reach it. If the socket has
// been closed meanwhile, they learn that here, too.
func (s *Socket) introduce() {
	rooms := s.takeRooms()
	s.nsp.adapter.Join((*peer)(s))
	if len(rooms) > 0 {
		s.nsp.adapter.Join((*peer)(s), rooms...)
	}
	srv := s.nsp.server
	tell(srv, srv.observe.connected, ConnectedInfo{Socket: s})
	d := srv.newDraft()
	d.connected(s)
	_ = s.conn.send(&d.packet, 0)
	srv.freeDraft(d)
	if s.meet() {
		s.farewell()
	}
	s.conn.watch()
}

// meet is called once the client knows that the socket is connected, and once the
// socket has been closed. It reports true to the second of the two, which has to call
// farewell.
func (s *Socket) meet() (second bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	second = s.met
	s.met = true
	return second
}

// farewell tells of the end of a socket whoever has been told of its beginning, except
// the client if it has ended it or if its connection ends.
func (s *Socket) farewell() {
	srv := s.nsp.server
	e := s.ended()
	info := DisconnectedInfo{Socket: s, Reason: e.reason, Err: e.cause, Event: e.event}
	tell(srv, srv.observe.disconnected, info)
	if e.reason == ServerNamespaceDisconnect {
		_ = s.conn.send(&adapter.Packet{Type: adapter.Disconnect, Namespace: s.nsp.name}, 0)
	}
}

// takeRooms returns the rooms that a guard has asked for.
func (s *Socket) takeRooms() (rooms []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.details.Load(); d != nil {
		rooms, d.rooms = d.rooms, nil
	}
	return rooms
}

// setConnected ends the connecting state. It reports false if the socket has been
// closed meanwhile.
func (s *Socket) setConnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.currentState() != stateConnecting {
		return false
	}
	s.state.Store(uint32(stateConnected))
	return true
}

func (s *Socket) guard(g Guard) error {
	return s.protect(func(ctx context.Context) error { return g(ctx, s) })
}

// protect calls user code and makes an error of a panic.
func (s *Socket) protect(fn func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn(s.Context())
}

// refused ends a socket that a guard has refused. The connection stays, unless the guard wants
// it closed and nothing else needs it.
func (s *Socket) refused(cause error) {
	if !s.blame(cause) && clientError(cause).Message == internalError {
		s.reportGuard(cause)
	}
	c := s.conn
	c.enter()
	var quit error
	defer func() { c.told(quit) }()
	if s.close("", nil) != stateConnecting {
		return
	}
	if clientError(cause).CloseConn {
		quit = cause
	}
	_ = c.refuse(s.nsp.name, cause)
}

// close ends the socket once; it returns the state that the socket was in. Its
// disconnect functions run afterwards, as its last task. If it is the server that
// disconnects it, the client is told.
func (s *Socket) close(r Reason, cause error) (was socketState) {
	s.mu.Lock()
	if was = s.currentState(); was == stateClosed {
		s.mu.Unlock()
		return was
	}
	left := s.end(r, cause)
	s.mu.Unlock()
	s.leave(was == stateConnected, left)
	return was
}

// supersede ends a socket that is still connecting, without a word to the client, which
// has asked for another one in its place. It reports false, and does nothing, if the
// socket is connected.
func (s *Socket) supersede() bool {
	s.mu.Lock()
	if state := s.currentState(); state != stateConnecting {
		s.mu.Unlock()
		return state == stateClosed
	}
	left := s.end(ClientNamespaceDisconnect, nil)
	s.mu.Unlock()
	s.leave(false, left)
	return true
}

// leftover is what is to be done for a socket that has ended, without its lock.
type leftover struct {
	acks  map[uint64]ackFunc      // that will not come
	after map[*afterCall]struct{} // to be called
	back  int                     // bytes that are to be given back
}

// end makes the socket a closed one. s.mu is held.
func (s *Socket) end(r Reason, cause error) (left leftover) {
	s.state.Store(uint32(stateClosed))
	d := s.detail()
	d.end = &ending{reason: r, cause: cause, event: s.handling()}
	d.rooms = nil
	left.acks, d.acks = d.acks, nil
	left.back = s.endEvents(r)
	left.after = d.ctx.end()
	return left
}

// leave takes a socket that has just ended off everything that knows it.
func (s *Socket) leave(connected bool, left leftover) {
	s.conn.giveBack(left.back)
	for call := range left.after {
		s.nsp.server.run(call)
	}
	if connected {
		s.keepRooms()
		s.nsp.adapter.LeaveAll((*peer)(s))
		s.nsp.remove(s)
	}
	s.conn.remove(s)
	for _, fn := range left.acks {
		fn(adapter.Reply{}, false)
	}
	if !connected {
		s.finish(dueForget)
		return
	}
	if s.meet() {
		s.farewell()
	}
	s.finish(dueDisconnect)
}

// ended returns how the socket has ended.
func (s *Socket) ended() *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look().end
}

// keepRooms keeps the names of the rooms that the socket is about to leave.
func (s *Socket) keepRooms() {
	rooms := s.nsp.adapter.Rooms((*peer)(s))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detail().rooms = rooms
}

// runDisconnect runs the disconnect functions, the last task of a socket that was
// connected.
func (s *Socket) runDisconnect() {
	reason, ctx := s.ended().reason, afterContext{s.nsp.server.ctx, s}
	for _, fn := range s.nsp.router.load().disconnect {
		s.report("disconnect", s.protect(func(context.Context) error {
			fn(ctx, s, reason)
			return nil
		}))
	}
}
