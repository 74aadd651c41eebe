package engine

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// wsConn is the WebSocket of a session, or one on which a client tries to
// upgrade a session. One goroutine at a time reads it and owns parser and try;
// parked has rules of its own; the other fields are guarded by the session's mu
// once the connection is shared.
type wsConn struct {
	srv     *Server
	session *Session
	conn    net.Conn
	raw     syscall.RawConn // nil: every write takes the slow path
	try     *upgradeTry     // nil unless the upgrade is still being tried
	parser  wsframe.Parser
	pong    *packet.Frame // the answer to the latest ping, not written yet
	code    ws.StatusCode // of the close frame
	lingers bool          // it is read on after the close frame
	parked  parked
	task    Task // to be run by the reader, see Message.Go
}

// rawConn returns what is needed to use a connection without blocking; nil if
// that is not possible. Only the plain types qualify: a type that embeds one of
// them may do something of its own in Read and Write.
func rawConn(conn net.Conn) syscall.RawConn {
	if !flush.RawSupported {
		return nil
	}
	var sc syscall.Conn
	switch c := conn.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// errEnded stops the reading of a connection whose session has ended.
var errEnded = errors.New("session has ended")

// start reads the connection, from the bytes on that have come with the request.
func (c *wsConn) start(early []byte) {
	if len(early) == 0 && c.parks() {
		c.srv.parking.readers.Go(c)
		return
	}
	go c.run(early)
}

// parks reports whether the connection is read without a goroutine of its own
// while it is idle.
func (c *wsConn) parks() bool {
	if c.raw == nil || c.try != nil || c.srv.opts.DisableParking {
		return false
	}
	c.srv.parkOnce.Do(func() { c.srv.parking = newParking() })
	return c.srv.parking != nil
}

// run reads the connection until it is parked or ends. It is the connection's
// goroutine.
func (c *wsConn) run(early []byte) {
	if err := c.read(early); err != nil {
		c.finish(err)
	}
}

// finish ends the session of a connection that has ended, and closes it. Whoever
// was reading calls it.
func (c *wsConn) finish(err error) {
	defer c.srv.tasks.Done()
	if c.parked.token != 0 {
		c.srv.parking.poller.Remove(c.parked.token)
	}
	if c.try != nil {
		c.try.abandon(err)
	} else {
		// Does nothing if something else has ended the session.
		c.session.end(endingOfRead(err))
		c.session.notify()
	}
	c.linger()
	_ = c.conn.Close()
}

// read feeds the parser with early, then with what arrives. It returns nil when
// the connection has been parked.
func (c *wsConn) read(early []byte) error {
	if len(early) > 0 {
		if err := c.parser.Feed(early, c.srv.limits, c); err != nil {
			return err
		}
	}
	var src source
	for {
		if c.parks() { // from the beginning, or since an upgrade
			return c.park()
		}
		if src == nil {
			src = c.source()
		}
		b, err := src.next()
		if len(b) > 0 {
			ferr := c.parser.Feed(b, c.srv.limits, c)
			src.release()
			if ferr != nil {
				return ferr
			}
		}
		if err != nil {
			return err
		}
	}
}

// Message handles a message: the text or binary form of one packet.
func (c *wsConn) Message(binary bool, data []byte) error {
	if c.try != nil {
		return c.try.onMessage(binary, data)
	}
	s := c.session
	var reader *wsConn
	if c.parked.token != 0 {
		reader = c
	}
	if binary {
		c.noteTraffic(false)
		s.receive(packet.Packet{Type: packet.Message, Binary: true, Data: data}, reader)
	} else {
		p, err := packet.Decode(data)
		if err != nil {
			s.end(ending{reason: ParseError, err: err})
			return errEnded
		}
		c.noteTraffic(p.Type == packet.Pong)
		s.receive(p, reader)
	}
	if s.State() == StateClosed {
		return errEnded
	}
	return nil
}

// Control handles a control frame.
func (c *wsConn) Control(op ws.OpCode, data []byte) error {
	switch op {
	case ws.OpPing:
		c.answerPing(data)
	case ws.OpClose:
		code, err := wsframe.CloseCode(data)
		if err != nil {
			return err
		}
		if code == ws.StatusNoStatusRcvd {
			code = 0
		}
		return c.onClose(code)
	}
	return nil
}

// answerPing queues the answer to a ping. If the answer to the ping before could
// not be written yet, it is replaced, so a flood of pings costs no memory:
// https://datatracker.ietf.org/doc/html/rfc6455#section-5.5.3
func (c *wsConn) answerPing(data []byte) {
	s := c.session
	pong := packet.Control(ws.OpPong, data)
	if c.try != nil {
		c.try.write(pong)
		return
	}
	s.mu.Lock()
	c.pong = pong
	s.mu.Unlock()
	c.srv.pool.Flush((*sink)(s))
}

// onClose answers the close frame of the peer with the same code.
func (c *wsConn) onClose(code ws.StatusCode) error {
	if c.try != nil {
		c.code = code
		return errEnded
	}
	c.session.end(ending{reason: TransportClose, code: code})
	return errEnded
}

// part closes the connection of a session that ended while its output was in
// use. It is called by the owner of the output, between two frames.
func (c *wsConn) part() {
	if c.lingers || !c.halfCloses() {
		c.hangUp()
		return
	}
	c.cut()
}

// cut closes the connection without a word and wakes the reader up.
func (c *wsConn) cut() {
	_ = c.conn.Close()
	c.Readable(true)
}

// hangUp sends the close frame, ends the output, and wakes the reader up. Only
// with connections that cannot be written without blocking may it take a
// moment.
func (c *wsConn) hangUp() {
	var body []byte
	if c.code != 0 {
		body = ws.NewCloseFrameBody(c.code, "")
	}
	frame := packet.Control(ws.OpClose, body).WebSocket()
	// Errors do not matter any more: the peer that cannot be told will notice.
	if c.raw != nil {
		sc := c.srv.pool.Borrow()
		_, _ = sc.Write(c.raw, frame)
		c.srv.pool.Return(sc)
	} else {
		_ = c.conn.SetWriteDeadline(time.Now().Add(lingerTimeout))
		_, _ = c.conn.Write(frame)
	}
	if c.halfCloses() {
		c.closeWrite()
		_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		c.Readable(true)
	} else {
		c.cut()
	}
}

// halfCloser is a connection whose output can be closed alone.
type halfCloser interface{ CloseWrite() error }

// halfCloses reports whether the output can be closed alone.
func (c *wsConn) halfCloses() bool {
	_, ok := c.conn.(halfCloser)
	return ok
}

// closeWrite closes the output, if that is possible alone.
func (c *wsConn) closeWrite() {
	if h, ok := c.conn.(halfCloser); ok {
		_ = h.CloseWrite()
	}
}

// linger reads on until the peer closes too, for some time. Closing at once with
// unread input would reset the connection, and the peer might never see the last
// messages.
func (c *wsConn) linger() {
	c.session.mu.Lock()
	lingers := c.lingers
	c.session.mu.Unlock()
	if !lingers {
		return
	}
	end := time.Now().Add(lingerTimeout)
	var buf [512]byte
	for {
		// hangUp may set its deadline in the past only now: hence the loop.
		if err := c.conn.SetReadDeadline(end); err != nil {
			return
		}
		_, err := c.conn.Read(buf[:])
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(end)) {
			return
		}
	}
}
