package engine

import (
	"errors"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// wsConn is the WebSocket of a session, or one on which a client tries to
// upgrade a session. One goroutine at a time reads it and owns parser and try;
// parked has rules of its own; the other fields are guarded by the session's mu
// once the connection is shared.
type wsConn struct {
	session *Session
	net     *netLink    // nil unless the connection is one of the net package
	try     *upgradeTry // nil unless the upgrade is still being tried
	parser  wsframe.Parser
	parked  parked
	held    uint32        // see account; the reader's
	code    ws.StatusCode // of the close frame
	lingers bool          // it is read on after the close frame
	taken   bool          // there is a link
}

// link returns the connection below; nil until it has been taken over.
func (c *wsConn) link() link {
	switch {
	case c.net != nil:
		return c.net
	case c.taken:
		return (*parkedLink)(c)
	default:
		return nil
	}
}

// errEnded stops the reading of a connection whose session has ended.
var errEnded = errors.New("session has ended")

// start reads the connection, from the bytes on that have come with the request.
func (c *wsConn) start(early []byte) {
	if len(early) == 0 && c.isParked() {
		c.watch()
		return
	}
	go c.run(early)
}

// run reads the connection until it ends, or only the early bytes if it can be
// parked then.
func (c *wsConn) run(early []byte) {
	var err error
	if len(early) > 0 {
		err = c.parser.Feed(early, c.session.srv.limits, &reading{conn: c})
		c.account()
	}
	switch {
	case err != nil:
	case c.isParked():
		c.watch()
		return
	default:
		c.read(c.source())
		return
	}
	c.finish(err)
}

// finish ends the session of a connection that has ended, and closes it. Whoever
// was reading calls it.
func (c *wsConn) finish(err error) {
	c.parser = wsframe.Parser{}
	c.account()
	if c.try != nil {
		c.try.abandon(err)
	} else {
		// Does nothing if something else has ended the session.
		c.session.end(endingOfRead(err))
		c.session.notify()
	}
	if c.isParked() && c.lingering() {
		go c.leave() // the worker has others to read
		return
	}
	c.leave()
}

// leave closes the connection, as the last thing that is done with it.
func (c *wsConn) leave() {
	defer c.session.srv.tasks.Done()
	if c.lingering() {
		// Closing at once with unread input would reset the connection, and the peer
		// might never see the last messages.
		c.link().drain(time.Now().Add(lingerTimeout))
	}
	c.link().close()
}

// lingering reports whether the connection is read on until the peer closes it.
func (c *wsConn) lingering() bool {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.lingers
}

// settling is the number of times that something is read from a new connection after
// which a new goroutine goes on: most clients connect, say what they want to hear of,
// and are silent then.
const settling = 4

// read feeds the parser with what arrives until the connection ends. A client that
// has nothing to say is left to a new goroutine, because the stack of this one has
// grown by what it has handled, and would not shrink any more.
func (c *wsConn) read(src source) {
	for {
		b, err := src.next()
		if len(b) > 0 {
			c.hear()
			ferr := c.parser.Feed(b, c.session.srv.limits, src.handler())
			src.release()
			c.account()
			if ferr != nil {
				err = ferr
			}
		}
		if err != nil {
			c.finish(err)
			return
		}
		if src.handler().rests() {
			go c.read(src)
			return
		}
	}
}

// reading handles what the parser finds in a connection's input.
type reading struct {
	conn    *wsConn
	in      *input // nil unless the connection is parked
	reads   uint8  // the first ones; see settling
	restful bool   // the last thing read was the answer to a ping
}

// rests reports whether the client is likely to be silent now.
func (r *reading) rests() bool {
	if r.reads < settling {
		r.reads++
		return true
	}
	was := r.restful
	r.restful = false
	return was
}

// Message handles a message: the text or binary form of one packet.
func (r *reading) Message(binary bool, data []byte) error {
	c := r.conn
	if c.try != nil {
		return c.try.onMessage(binary, data)
	}
	s := c.session
	r.restful = false
	if binary {
		s.receive(packet.Packet{Type: packet.Message, Binary: true, Data: data}, r.in)
	} else {
		p, err := packet.Decode(data)
		if err != nil {
			s.end(ending{reason: ParseError, err: err})
			return errEnded
		}
		r.restful = p.Type == packet.Pong
		s.receive(p, r.in)
	}
	if s.State() == StateClosed {
		return errEnded
	}
	return nil
}

// Control handles a control frame.
func (r *reading) Control(op ws.OpCode, data []byte) error {
	switch op {
	case ws.OpPing:
		return r.conn.answerPing(data)
	case ws.OpClose:
		code, err := wsframe.CloseCode(data)
		if err != nil {
			return err
		}
		if code == ws.StatusNoStatusRcvd {
			code = 0
		}
		return r.conn.onClose(code)
	}
	return nil
}

// answerPing queues the answer to a ping. If the answer to the ping before could
// not be written yet, it is replaced, so a flood of pings costs no memory:
// https://datatracker.ietf.org/doc/html/rfc6455#section-5.5.3
func (c *wsConn) answerPing(data []byte) error {
	s := c.session
	pong := packet.Control(ws.OpPong, data)
	if c.try != nil {
		return c.try.write(pong)
	}
	s.mu.Lock()
	if s.State() == StateClosed {
		s.mu.Unlock()
		return nil
	}
	if s.queue == nil {
		s.queue = s.srv.newQueue()
	}
	s.queue.pong = pong
	s.mu.Unlock()
	s.srv.pool.Flush((*sink)(s))
	return nil
}

// onClose answers the close frame of the peer with the same code.
func (c *wsConn) onClose(code ws.StatusCode) error {
	if c.try != nil {
		c.setCode(code)
		return errEnded
	}
	c.session.end(ending{reason: TransportClose, code: code})
	return errEnded
}

// setCode sets the code of the close frame, unless there is one.
func (c *wsConn) setCode(code ws.StatusCode) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.code == 0 {
		c.code = code
	}
}

// part closes the connection of a session that ended while its output was in
// use. It is called by the owner of the output, between two frames.
func (c *wsConn) part() {
	if c.lingers || !c.halfCloses() {
		c.hangUp()
		return
	}
	c.link().close()
}

// halfCloses reports whether there is a connection whose output can be closed alone.
func (c *wsConn) halfCloses() bool { return c.taken && c.link().halfCloses() }

// hangUp sends the close frame, ends the output, and ends the reading. Only
// with connections that cannot be written without blocking may it take a
// moment.
func (c *wsConn) hangUp() {
	c.session.mu.Lock() // The client of a try may be ending it while it is cancelled.
	code := c.code
	c.session.mu.Unlock()
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(code, "")
	}
	frame := packet.Control(ws.OpClose, body).WebSocket()
	// Errors do not matter any more: the peer that cannot be told will notice.
	if c.link().tries() {
		pool := c.session.srv.pool
		sc := pool.Borrow()
		_, _ = c.link().tryWrite(sc, frame)
		pool.Return(sc)
	} else {
		_ = writeLink(c.link(), frame, lingerTimeout)
	}
	if !c.halfCloses() {
		c.link().close()
		return
	}
	c.link().closeWrite()
	c.link().interrupt()
}
