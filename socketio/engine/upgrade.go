package engine

import (
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// upgradeTry is a WebSocket on which a polling client tries whether it can
// change to it: https://socket.io/docs/v4/engine-io-protocol/#upgrade
//
// The session stays on polling until the client confirms. Its frames go to the
// pending poll or wait in its one queue, so their order is kept.
type upgradeTry struct {
	session *Session
	conn    *wsConn
	timeout wheel.Entry
	tick    wheel.Entry
}

// probe is the data of the ping with which a client begins.
const probe = "probe"

// upgradeSession lets a client try to change to WebSocket. One try at a time and
// one change in the life of a session: further connections are turned away.
func (srv *Server) upgradeSession(w http.ResponseWriter, r *http.Request, s *Session) {
	u := &upgradeTry{session: s}
	srv.wheel.Init(&u.timeout, u)
	srv.wheel.Init(&u.tick, u)
	// The connection is known only after the session has been claimed for it.
	u.conn = &wsConn{srv: srv, session: s, try: u}
	s.mu.Lock()
	if s.State() == StateClosed || s.conn != nil || s.upgrade != nil {
		s.mu.Unlock()
		srv.turnAway(w, r)
		return
	}
	s.upgrade = u
	srv.tasks.Add(1)
	s.mu.Unlock()

	head := srv.switching(w, r, s, false)
	conn, early, err := hijack(w)
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(srv.opts.WriteTimeout))
		if _, err = conn.Write(head); err != nil {
			_ = conn.Close()
		}
	}
	if err != nil {
		u.release()
		srv.tasks.Done()
		return
	}
	_ = conn.SetWriteDeadline(time.Time{})
	if !u.start(conn) {
		// The session has ended meanwhile: the reader closes the connection.
		u.conn.hangUp()
	}
	go u.conn.run(early)
}

// start arms the timeout. It reports whether the session still waits for this
// try.
func (u *upgradeTry) start(conn net.Conn) bool {
	s := u.session
	s.mu.Lock()
	defer s.mu.Unlock()
	u.conn.conn, u.conn.raw = conn, rawConn(conn)
	if s.upgrade != u {
		u.conn.lingers = u.conn.halfCloses()
		return false
	}
	s.srv.timers.upgrade.Arm(&u.timeout)
	return true
}

// release gives the session free for another try. It reports whether it was
// claimed by this one.
func (u *upgradeTry) release() bool {
	s := u.session
	s.mu.Lock()
	defer s.mu.Unlock()
	u.disarm()
	if s.upgrade != u {
		return false
	}
	s.upgrade = nil
	return true
}

// disarm stops the timers. The session's mu is held.
func (u *upgradeTry) disarm() {
	u.timeout.Disarm()
	u.tick.Disarm()
}

// cancel closes the connection because its session has ended, or has waited long
// enough. The session does not know the try any more.
func (u *upgradeTry) cancel() {
	u.session.mu.Lock()
	u.disarm()
	started := u.conn.conn != nil
	if started {
		u.conn.lingers = u.conn.halfCloses()
	}
	u.session.mu.Unlock()
	if !started {
		// The handshake is under way; start will notice.
		return
	}
	if u.conn.raw != nil {
		u.conn.hangUp()
		return
	}
	// The reader is woken up and closes the connection, so that nobody waits for
	// the peer here.
	_ = u.conn.conn.SetReadDeadline(time.Unix(1, 0))
}

// abandon ends the try from the connection's own goroutine, after err has ended
// its reading. The session stays on polling.
func (u *upgradeTry) abandon(err error) {
	if !u.release() && u.conn.raw != nil {
		// Cancelled: the peer has been told.
		return
	}
	e := endingOfRead(err)
	if e.gone && !errors.Is(err, errEnded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if u.conn.code == 0 {
		u.conn.code = e.code
	}
	u.session.mu.Lock()
	u.conn.lingers = u.conn.halfCloses()
	u.session.mu.Unlock()
	u.conn.hangUp()
}

// Expire gives up a client that takes too long, or answers the pending poll so
// that the client can stop polling.
func (u *upgradeTry) Expire(e *wheel.Entry) {
	if e == &u.timeout {
		if u.release() {
			u.cancel()
		}
		return
	}
	u.pushPoll(true)
}

// pushPoll answers a pending poll with a noop packet, now and from time to time,
// as the client has to finish its polls before it can confirm the upgrade. Late
// ones are answered only from time to time, or a client that goes on polling
// would do so in a tight loop.
func (u *upgradeTry) pushPoll(late bool) {
	s := u.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upgrade != u {
		return
	}
	if g := s.poll.get; g != nil && (late || !g.late) {
		s.poll.answer(nil, s.srv.frames.noop)
	}
	s.srv.timers.noop.Arm(&u.tick)
}

// write writes a frame to the connection. Only the connection's goroutine writes
// during a try, so it may block.
func (u *upgradeTry) write(f *packet.Frame) {
	_ = u.conn.conn.SetWriteDeadline(time.Now().Add(u.session.srv.opts.WriteTimeout))
	// An error shows up when reading.
	_, _ = u.conn.conn.Write(f.WebSocket())
	_ = u.conn.conn.SetWriteDeadline(time.Time{})
}

// onMessage handles a message during the try: a ping to be answered, then the
// confirmation. Anything else ends the try.
func (u *upgradeTry) onMessage(binary bool, data []byte) error {
	if binary {
		return errEnded
	}
	p, err := packet.Decode(data)
	switch {
	case err != nil || p.Binary:
		return errEnded
	case p.Type == packet.Ping && string(p.Data) == probe:
		u.write(u.session.srv.frames.pongProbe)
		u.pushPoll(false)
		return nil
	case p.Type == packet.Upgrade:
		return u.complete()
	default:
		return errEnded
	}
}

// complete makes the connection the session's transport.
func (u *upgradeTry) complete() error {
	s := u.session
	s.mu.Lock()
	if s.upgrade != u {
		s.mu.Unlock()
		return errEnded
	}
	u.disarm()
	s.upgrade = nil
	s.poll.discard(s.srv)
	s.poll = nil
	s.conn = u.conn
	u.conn.try = nil
	if s.State() == StateClosing {
		s.srv.timers.write.Arm(&s.heartbeat)
	}
	s.mu.Unlock()
	s.srv.pool.Flush((*sink)(s))
	return nil
}
