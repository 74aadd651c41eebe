package socketio

import (
	"slices"

	"github.com/tandem-go/tandem/socketio/engine"
)

// kick disconnects a socket and tells the client.
func (c *conn) kick(s *Socket) {
	c.enter()
	defer c.entered()
	c.mu.Lock()
	if !c.kickedFrom(s.nsp.name) {
		o := c.other()
		o.kicked = append(o.kicked, s.nsp.name)
	}
	c.mu.Unlock()
	if s.close(ServerNamespaceDisconnect, nil) == stateConnecting { // in a guard
		_ = c.refuse(s.nsp.name, &Error{Message: "disconnected"})
	}
}

// kickedFrom reports whether the server has disconnected the client from the
// namespace. c.mu is held.
func (c *conn) kickedFrom(namespace string) bool {
	return c.others != nil && slices.Contains(c.others.kicked, namespace)
}

// unkick forgets that the client was disconnected from a namespace, since it
// connects again. c.mu is held.
func (c *conn) unkick(namespace string) {
	if o := c.others; o != nil {
		o.kicked = slices.DeleteFunc(o.kicked, func(n string) bool { return n == namespace })
	}
}

// kickAll disconnects all sockets, tells the client and closes the connection. If
// the client has not been told yet that it is connected, that comes first, and the
// connection is left to entered.
func (c *conn) kickAll() {
	c.mu.Lock()
	c.other().ending = true
	c.entering++
	c.mu.Unlock()
	defer c.entered()
	for _, s := range c.all() {
		c.kick(s)
	}
}

// enter counts something that the client is about to be told of a socket, until entered.
func (c *conn) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entering++
}

// entered is called once the client has been told of a socket, and of its end if it
// has ended by then. The last one closes the connection if kickAll, or the guard of a
// namespace, has left that to it.
func (c *conn) entered() { c.told(nil) }

// told is entered for a socket that was refused. If quit is not nil, it is the error of a guard
// that wants the connection closed, unless another namespace is joined or being admitted.
func (c *conn) told(quit error) {
	c.mu.Lock()
	c.entering--
	if quit != nil && c.count() == 0 {
		o := c.other()
		o.ending = true
		if o.cause == nil {
			o.cause = quit
		}
	}
	ended := c.entering == 0 && c.others != nil && c.others.ending
	c.mu.Unlock()
	if ended {
		c.session.Close(engine.ForcedClose)
	}
}
