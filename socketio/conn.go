package socketio

import (
	"slices"
	"sync"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
	"github.com/tandem-go/tandem/socketio/parser"
)

// conn is a client's connection: the sockets that share it, and what has been
// received of a packet. It is the receiver of an engine session.
type conn struct {
	server  *Server
	session *engine.Session
	state   parser.State // the reader's
	timer   wheel.Entry  // until the first namespace is joined, or the attachments have come

	mu      sync.Mutex
	sockets []*Socket // at most one for each namespace, connecting ones among them
	kicked  []string  // namespaces from which the server has disconnected the client
	closed  bool
	awaits  bool         // attachments
	waiting *wheel.Class // what the timer runs for, nil if it does not
}

func (srv *Server) accept(session *engine.Session) engine.Receiver {
	c := &conn{server: srv, session: session}
	srv.engine.Wheel().Init(&c.timer, c)
	c.watch()
	return c
}

// OnMessage handles a message of the client. Whatever breaks the protocol closes
// the connection.
func (c *conn) OnMessage(_ *engine.Session, m engine.Message) {
	p, ok := c.server.packets.Get().(*adapter.Packet)
	if !ok {
		p = new(adapter.Packet)
	}
	complete, err := c.server.opts.Parser.Decode(&c.state, m.Data, m.Binary, p)
	if err == nil && complete {
		err = c.onPacket(p, m)
	}
	*p = adapter.Packet{}
	c.server.packets.Put(p)
	if err != nil {
		c.reject(err)
		return
	}
	if m.Binary || !complete {
		c.mu.Lock()
		c.awaits = !complete
		c.mu.Unlock()
		c.watch()
	}
}

// reject closes the connection of a client that has broken the protocol.
func (c *conn) reject(err error) {
	c.server.badInput.Add(1)
	for _, o := range c.server.observe.badInput {
		o.ObserveBadInput(c.session, err)
	}
	c.server.log.Debug("socketio: close connection", "session", c.session.ID(), "err", err)
	c.session.Close(engine.ForcedClose)
}

func (c *conn) onPacket(p *adapter.Packet, m engine.Message) error {
	switch p.Type {
	case adapter.Connect:
		return c.onConnect(p)
	case adapter.ConnectError:
		return errNotForServer
	}
	s, err := c.member(p.Namespace)
	if s == nil {
		return err
	}
	switch p.Type {
	case adapter.Event:
		if c.server.draining.Load() {
			return nil
		}
		return s.receive(p, m)
	case adapter.Ack:
		s.receiveAck(p)
	case adapter.Disconnect:
		s.close(ClientNamespaceDisconnect, nil)
	}
	return nil
}

// member returns the connected socket of a namespace. It returns neither a socket
// nor an error if the server has disconnected the client from the namespace: the
// client may not know it yet.
func (c *conn) member(namespace string) (*Socket, error) {
	c.mu.Lock()
	s := c.find(namespace)
	kicked := slices.Contains(c.kicked, namespace)
	c.mu.Unlock()
	switch {
	case s != nil && s.Connected():
		return s, nil
	case kicked, s != nil && s.ended():
		return nil, nil
	}
	return nil, errNotJoined
}

func (s *Socket) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}

// find returns the socket of a namespace. c.mu is held.
func (c *conn) find(namespace string) *Socket {
	for _, s := range c.sockets {
		if s.nsp.name == namespace {
			return s
		}
	}
	return nil
}

// remove takes a socket off the connection. A connection without any socket is
// closed after a while, as one that has never had any.
func (c *conn) remove(s *Socket) {
	c.mu.Lock()
	if i := slices.Index(c.sockets, s); i >= 0 {
		c.sockets = slices.Delete(c.sockets, i, i+1)
	}
	c.mu.Unlock()
	c.watch()
}

// watch sets the timer to what the connection is to do next: to send attachments,
// to connect to a namespace, or nothing in particular. A timer that runs for the
// same thing already is left alone, so that failed attempts do not prolong it.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.wanted()
	if want == c.waiting {
		return
	}
	c.waiting = want
	if want == nil {
		c.timer.Disarm()
		return
	}
	want.Arm(&c.timer)
}

// wanted returns the class of the timeout that should run. c.mu is held.
func (c *conn) wanted() *wheel.Class {
	connected := slices.ContainsFunc(c.sockets, (*Socket).Connected)
	switch {
	case c.closed:
		return nil
	case !connected:
		return c.server.connectTimeout
	case c.awaits:
		return c.server.attachmentTimeout
	}
	return nil
}

// kick disconnects a socket and tells the client.
func (c *conn) kick(s *Socket) {
	c.mu.Lock()
	if !slices.Contains(c.kicked, s.nsp.name) {
		c.kicked = append(c.kicked, s.nsp.name)
	}
	c.mu.Unlock()
	switch s.close(ServerNamespaceDisconnect, nil) {
	case stateConnected:
		_ = c.send(&adapter.Packet{Type: adapter.Disconnect, Namespace: s.nsp.name}, 0)
	case stateConnecting: // in a guard
		_ = c.refuse(s.nsp.name, &Error{Message: "disconnected"})
	}
}

// unkick forgets that the client was disconnected from a namespace, since it
// connects again. c.mu is held.
func (c *conn) unkick(namespace string) {
	c.kicked = slices.DeleteFunc(c.kicked, func(n string) bool { return n == namespace })
}

// kickAll disconnects all sockets, tells the client and closes the connection.
func (c *conn) kickAll() {
	for _, s := range c.all() {
		c.kick(s)
	}
	c.session.Close(engine.ForcedClose)
}

func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sockets)
}

// OnClose ends all sockets of the connection.
func (c *conn) OnClose(_ *engine.Session, r engine.Reason, err error) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.watch()
	for _, s := range c.all() {
		s.close(r, err)
	}
}

// Expire closes a connection that has joined no namespace in time, or has not
// sent the attachments that it has announced.
func (c *conn) Expire(*wheel.Entry) {
	c.mu.Lock()
	due := c.wanted() != nil // or it has joined in the last moment
	c.mu.Unlock()
	if due {
		c.session.Close(engine.ForcedClose)
	}
}

// send encodes a packet and queues it.
func (c *conn) send(p *adapter.Packet, o engine.SendOption) error {
	if len(p.Attachments) == 0 {
		f, err := c.server.head(p)
		if err != nil {
			return err
		}
		c.session.Send(f, o)
		return nil
	}
	frames, err := c.server.frames(p)
	if err != nil {
		return err
	}
	c.session.SendAll(frames, o)
	return nil
}
