package socketio

import (
	"slices"

	"github.com/tandem-go/tandem/socketio/engine"
)

// kick disconnects a socket and tells the client.
func (c *conn) kick(s *Socket) {
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
	c.mu.Unlock()
	for _, s := range c.all() {
		c.kick(s)
	}
	c.mu.Lock()
	ended := c.entering == 0
	c.mu.Unlock()
	if ended {
		c.session.Close(engine.ForcedClose)
	}
}

// enter counts a socket that is about to be connected, until entered.
func (c *conn) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entering++
}

// entered is called once the client has been told of a socket, and of its end if it
// has ended by then. The last one closes the connection if kickAll has left that to it.
func (c *conn) entered() {
	c.mu.Lock()
	c.entering--
	ended := c.entering == 0 && c.others != nil && c.others.ending
	c.mu.Unlock()
	if ended {
		c.session.Close(engine.ForcedClose)
	}
}
