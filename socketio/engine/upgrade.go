package engine

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"slices"

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
	probed  bool // the client's ping has been answered: it stops polling, and confirms
	orphan  bool // see outlive
}

// probe is the data of the ping with which a client begins.
const probe = "probe"

// upgradeSession lets a client try to change to WebSocket. One try at a time and
// one change in the life of a session: further connections are turned away.
func (srv *Server) upgradeSession(w http.ResponseWriter, r *http.Request, s *Session) {
	u := &upgradeTry{session: s}
	u.timeout.Init(u)
	u.tick.Init(u)
	// The connection is known only after the session has been claimed for it.
	u.conn = &wsConn{session: s, try: u}
	// This runs user code, which may panic: nothing has been claimed yet.
	head := srv.switching(w, r, s, false)
	s.mu.Lock()
	if s.State() == StateClosed || s.poll == nil || s.poll.upgrade != nil {
		s.mu.Unlock()
		srv.turnAway(w, r, head)
		return
	}
	s.poll.upgrade = u
	srv.wheel.Disarm(&s.poll.stall)
	srv.tasks.Add(1)
	s.mu.Unlock()

	conn, early, err := srv.hijack(w, r)
	var l link
	if err == nil {
		l = u.conn.adopt(conn)
		if err = writeLink(l, head, srv.opts.WriteTimeout); err != nil {
			l.close()
		}
	}
	if err != nil {
		u.release()
		srv.tasks.Done()
		return
	}
	if !u.start(l) {
		// The session has ended meanwhile: the reader closes the connection.
		u.conn.hangUp()
	}
	u.conn.start(early)
}

// trying returns the try that is under way; nil if there is none. mu is held.
func (s *Session) trying() *upgradeTry {
	if s.poll == nil {
		return nil
	}
	return s.poll.upgrade
}

// start arms the timeout. It reports whether the session still waits for this
// try.
func (u *upgradeTry) start(l link) bool {
	s := u.session
	s.mu.Lock()
	defer s.mu.Unlock()
	u.conn.share(l)
	if s.trying() != u {
		u.conn.lingers = u.conn.halfCloses()
		return false
	}
	s.srv.timers.upgrade.Arm(&u.timeout)
	return true
}

// release gives the session free for another try. It reports whether it was
// claimed by this one, or this one has outlived it.
func (u *upgradeTry) release() bool {
	s := u.session
	s.mu.Lock()
	defer s.mu.Unlock()
	u.disarm()
	switch {
	case u.orphan:
		u.orphan = false
		s.srv.forgetOrphan(u)
	case s.trying() != u:
		return false
	default:
		s.poll.upgrade = nil
		s.poll.expectPoll()
	}
	return true
}

// outlive lets a try go on although its session has ended, until the client confirms the
// upgrade or UpgradeTimeout is over: then the connection is closed. A client whose ping
// has been answered stops polling, and does not notice the end of a connection that is
// not yet its transport. The session's mu is held.
func (u *upgradeTry) outlive() {
	srv := u.session.srv
	u.orphan = true
	srv.wheel.Disarm(&u.tick)
	srv.mu.Lock()
	srv.orphans[u] = struct{}{}
	srv.mu.Unlock()
	if srv.Draining() {
		srv.timers.pollingGrace.Arm(&u.timeout)
	}
}

func (srv *Server) forgetOrphan(u *upgradeTry) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.orphans, u)
}

// hurryOrphans gives the clients of tries that have outlived their sessions no more time
// than a client that polls gets while the server shuts down.
func (srv *Server) hurryOrphans() {
	srv.mu.RLock()
	all := slices.Collect(maps.Keys(srv.orphans))
	srv.mu.RUnlock()
	for _, u := range all {
		u.session.mu.Lock()
		if u.orphan {
			srv.timers.pollingGrace.Arm(&u.timeout)
		}
		u.session.mu.Unlock()
	}
}

// disarm stops the timers. The session's mu is held.
func (u *upgradeTry) disarm() {
	w := u.session.srv.wheel
	w.Disarm(&u.timeout)
	w.Disarm(&u.tick)
}

// cancel closes the connection because its session has ended, or has waited long
// enough. The session does not know the try any more.
func (u *upgradeTry) cancel() {
	u.session.mu.Lock()
	u.disarm()
	started := u.conn.taken
	if started {
		u.conn.lingers = u.conn.halfCloses()
	}
	u.session.mu.Unlock()
	if !started {
		// The handshake is under way; start will notice.
		return
	}
	if u.conn.isParked() {
		u.conn.hangUp()
		return
	}
	// The reader is woken up and closes the connection: nobody waits here for the peer, nor
	// for the reader, which may be writing with a call that waits.
	u.conn.link().interrupt()
}

// abandon ends the try from the connection's own goroutine, after err has ended
// its reading. The session stays on polling.
func (u *upgradeTry) abandon(err error) {
	if !u.release() && u.conn.isParked() {
		// Cancelled: the peer has been told.
		return
	}
	e := endingOfRead(err)
	if e.gone && !errors.Is(err, errEnded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	u.conn.setCode(e.code)
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
	if s.trying() != u {
		return
	}
	if g := s.poll.get; g != nil && (late || !g.late) {
		s.poll.answer(nil, s.srv.frames.noop)
	}
	s.srv.timers.noop.Arm(&u.tick)
}

// errUnread ends the try of a client that does not read what it is answered.
var errUnread = errors.New("the client does not read")

// write writes a frame to the connection. Only the connection's reader writes during a
// try. A worker that reads must not wait for the client: one that has left no room for
// the few bytes that a try is answered does not read, and is given up.
func (u *upgradeTry) write(f *packet.Frame) error {
	l, srv, b := u.conn.link(), u.session.srv, f.WebSocket()
	if !l.tries() {
		return writeLink(l, b, srv.opts.WriteTimeout)
	}
	sc := srv.pool.Borrow()
	defer srv.pool.Return(sc)
	n, err := l.tryWrite(sc, b)
	if err == nil && n < len(b) {
		err = errUnread
	}
	return err
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
		u.session.mu.Lock()
		u.probed = true
		u.session.mu.Unlock()
		if err := u.write(u.session.srv.frames.pongProbe); err != nil {
			return err
		}
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
	if s.trying() != u {
		s.mu.Unlock()
		return errEnded
	}
	u.disarm()
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
