package socketio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
	"github.com/tandem-go/tandem/socketio/parser"
)

// conn is a client's connection: the sockets that share it, and what has been
// received of a packet. It is the receiver of an engine session. Its first socket
// is a part of it, since nearly all connections have one and no more.
type conn struct {
	session *engine.Session
	state   parser.State // the reader's

	mu     sync.Mutex
	timer  *wheel.Entry // nil unless it runs
	others *others      // nil until they are needed
	closed bool
	awaits bool  // attachments
	waits  await // what the timer runs for
	place  place // of first

	left     int16 // sockets that have ended and still have tasks to run
	entering int16 // what the client is about to be told of sockets: see enter

	first Socket // has a namespace from the start; see server
}

// others are what a connection needs for a second namespace, or after its
// server has disconnected it from the first.
type others struct {
	sockets []*Socket // besides the first one
	kicked  []string  // namespaces from which the server has disconnected the client
	ending  bool      // it disconnects the client from all of them, and closes the connection
	cause   error     // why the server has closed the connection; see fail
	held    int       // bytes that are counted towards the server's budget; see retain
	behind  []*Socket // those that have ended and whose events count towards it, too
	shed    bool      // events have been dropped to keep the budget
}

// place is where the first socket of a connection is. It is not used for another one.
type place uint8

const (
	placeFree   place = iota
	placeTaken        // it is one of the sockets
	placeVacant       // it has been one
)

// await is what a connection's timer runs for.
type await uint8

const (
	awaitNothing await = iota
	awaitConnect
	awaitAttachments
)

func (srv *Server) accept(session *engine.Session) engine.Receiver {
	c := newConn(srv, session)
	c.watch()
	return c
}

func newConn(srv *Server, session *engine.Session) *conn {
	c := &conn{session: session}
	c.first.nsp = srv.Namespace
	return c
}

// server returns the server, which a namespace knows. first.nsp changes once at
// most: when the reader makes a socket of first, before anybody else knows of one.
func (c *conn) server() *Server { return c.first.nsp.server }

// OnMessage handles a message of the client. Whatever breaks the protocol closes
// the connection.
func (c *conn) OnMessage(_ *engine.Session, m engine.Message) {
	srv := c.server()
	p, ok := srv.packets.Get().(*adapter.Packet)
	if !ok {
		p = new(adapter.Packet)
	}
	complete, err := srv.opts.Parser.Decode(&c.state, m.Data, m.Binary, p)
	if err == nil && (m.Binary || !complete) {
		c.mu.Lock()
		c.awaits = !complete
		c.mu.Unlock()
		c.watch() // before the packet is handled, which may have to wait for handlers
		c.retain(max(c.state.Size(), attachmentBytes(p.Attachments)))
	}
	if err == nil && complete {
		err = c.onPacket(p, m)
	}
	if m.Binary && (complete || err != nil) {
		c.retain(0)
	}
	*p = adapter.Packet{}
	srv.packets.Put(p)
	if err != nil {
		c.reject(err)
	}
}

// reject closes the connection of a client that has broken the protocol, or whose
// handlers do not return, which is no fault of the client.
func (c *conn) reject(err error) {
	srv := c.server()
	if _, ok := errors.AsType[*StuckError](err); ok {
		srv.warn("socketio: close connection", "remote", c.session, "err", loggable(err))
	} else {
		srv.badInput.Add(1)
		srv.log.Debug("socketio: bad input", "remote", c.session, "err", loggable(err))
		tell(srv, srv.observe.badInput, BadInputInfo{Conn: c.session, Err: err})
	}
	c.fail(err)
}

// fail closes the connection. The cause is the detail of the reason.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	if o := c.other(); o.cause == nil {
		o.cause = cause
	}
	c.mu.Unlock()
	c.session.Close(engine.ForcedClose)
}

// retain counts bytes in which the connection keeps what it has received of a packet
// towards the server's budget, in place of those that it has counted before: none as
// long as it is not worth it. The reader calls it.
func (c *conn) retain(bytes int) {
	c.mu.Lock()
	change := bytes
	if c.others != nil {
		change -= c.others.held
	}
	if 0 <= change && change < holdStep {
		c.mu.Unlock()
		return
	}
	c.other().held = bytes
	c.mu.Unlock()
	c.session.Hold(int64(change))
}

func (c *conn) onPacket(p *adapter.Packet, m engine.Message) error {
	switch p.Type {
	case adapter.Connect:
		return c.onConnect(p, m)
	case adapter.ConnectError:
		return errNotForServer
	}
	s, err := c.member(p.Namespace)
	if s == nil {
		return err
	}
	switch p.Type {
	case adapter.Event:
		if c.server().draining.Load() {
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
// nor an error if the server has disconnected the client from the namespace, or is
// shutting down: the client may not know it yet.
func (c *conn) member(namespace string) (*Socket, error) {
	c.mu.Lock()
	s := c.find(namespace)
	kicked := s == nil && c.kickedFrom(namespace)
	c.mu.Unlock()
	switch {
	case s != nil && s.Connected():
		return s, nil
	case kicked, s != nil && s.currentState() == stateClosed, c.server().draining.Load():
		return nil, nil
	}
	return nil, errNotJoined
}

// find returns the socket of a namespace: one that has ended and is about to be removed
// only if there is no other. c.mu is held.
func (c *conn) find(namespace string) (found *Socket) {
	for s := range c.sockets {
		if s.nsp.name != namespace {
			continue
		}
		if found = s; s.currentState() != stateClosed {
			return s
		}
	}
	return found
}

// sockets are at most one for each namespace, connecting ones among them, besides those
// that have just ended. c.mu is held.
func (c *conn) sockets(yield func(*Socket) bool) {
	if c.place == placeTaken && !yield(&c.first) || c.others == nil {
		return
	}
	for _, s := range c.others.sockets {
		if !yield(s) {
			return
		}
	}
}

// other returns what the connection needs besides its first socket. c.mu is held.
func (c *conn) other() *others {
	if c.others == nil {
		c.others = new(others)
	}
	return c.others
}

// count returns the number of sockets. c.mu is held.
func (c *conn) count() (n int) {
	if c.place == placeTaken {
		n++
	}
	if c.others != nil {
		n += len(c.others.sockets)
	}
	return n
}

// add returns a new socket of the connection. c.mu is held.
func (c *conn) add() *Socket {
	if c.place == placeFree {
		c.place = placeTaken
		return &c.first
	}
	s := new(Socket)
	o := c.other()
	o.sockets = append(o.sockets, s)
	return s
}

// remove takes a socket off the connection. A connection without any socket is
// closed after a while, as one that has never had any. The socket is counted until its
// last task has run.
func (c *conn) remove(s *Socket) {
	s.mu.Lock()
	counted := s.last != nil && s.last.held > 0
	s.mu.Unlock()
	c.mu.Lock()
	c.left++
	if counted {
		o := c.other()
		o.behind = append(o.behind, s)
	}
	if s == &c.first {
		c.place = placeVacant
	} else if o := c.others; o != nil {
		if i := slices.Index(o.sockets, s); i >= 0 {
			o.sockets = slices.Delete(o.sockets, i, i+1)
		}
	}
	c.mu.Unlock()
	c.watch()
}

// forget ends the count of a socket whose last task has run.
func (c *conn) forget(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	if o := c.others; o != nil {
		o.behind = slices.DeleteFunc(o.behind, func(b *Socket) bool { return b == s })
	}
}

// Shed drops the events that wait, those of sockets that have ended among them.
func (c *conn) Shed(*engine.Session) {
	all := c.all()
	c.mu.Lock()
	if c.others != nil {
		all = append(all, c.others.behind...)
	}
	c.mu.Unlock()
	dropped := false
	for _, s := range all {
		dropped = s.shed() || dropped
	}
	c.mu.Lock()
	c.other().shed = dropped
	closed := c.closed
	c.mu.Unlock()
	if closed && dropped { // or OnClose will tell
		c.server().pool.Go((*shedNotice)(c)) // The caller holds a lock.
	}
}

// shedNotice is a connection whose events have been dropped when it had ended already.
type shedNotice conn

// Run tells of it.
func (n *shedNotice) Run() {
	srv := (*conn)(n).server()
	srv.warn("socketio: events of a client that has gone are dropped", "remote", n.session, "err", engine.ErrInputBudget)
	tell(srv, srv.observe.overBudget, OverBudgetInfo{Conn: n.session, Err: engine.ErrInputBudget})
}

// crowded reports whether the client is in as many namespaces as it may be, or has
// left so many sockets behind whose guards or handlers run; otherwise the sockets of a
// client that comes and goes meanwhile would add up. It returns what the client is told
// then, and nothing otherwise. c.mu is held.
func (c *conn) crowded() (refusal string) {
	limit := c.server().opts.MaxNamespaces
	switch {
	case c.count() >= limit:
		return "too many namespaces"
	case int(c.left) >= max(limit, minBusy):
		return "too many disconnected sockets are busy"
	}
	return ""
}

// minBusy is the number of busy sockets that a client may leave behind even if it may
// not be in so many namespaces.
const minBusy = 32

// watch sets the timer to what the connection is to do next: to send attachments,
// to connect to a namespace, or nothing in particular. A timer that runs for the
// same thing already is left alone, so that failed attempts do not prolong it.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.wanted()
	if want == c.waits {
		return
	}
	c.waits = want
	srv := c.server()
	if want == awaitNothing {
		srv.engine.Wheel().Disarm(c.timer)
		c.timer = nil
		return
	}
	if c.timer == nil {
		c.timer = new(wheel.Entry)
		c.timer.Init(c)
	}
	class := srv.connectTimeout
	if want == awaitAttachments {
		class = srv.attachmentTimeout
	}
	class.Arm(c.timer)
}

// wanted returns what the timer should run for. c.mu is held.
func (c *conn) wanted() await {
	if c.closed {
		return awaitNothing
	}
	for s := range c.sockets {
		if !s.Connected() {
			continue
		}
		if c.awaits {
			return awaitAttachments
		}
		return awaitNothing
	}
	return awaitConnect
}

func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Socket, 0, c.count())
	for s := range c.sockets {
		all = append(all, s)
	}
	return all
}

// OnClose ends all sockets of the connection.
func (c *conn) OnClose(session *engine.Session, r engine.Reason, err error) {
	c.mu.Lock()
	c.closed = true
	budget := err
	if o := c.others; o != nil {
		if r == engine.ForcedClose && err == nil {
			err = o.cause
		}
		if o.shed {
			budget = engine.ErrInputBudget
		}
	}
	c.mu.Unlock()
	c.watch()
	c.retain(0)
	for _, s := range c.all() {
		s.close(r, err)
	}
	srv := c.server()
	if r == engine.SlowConsumer {
		tell(srv, srv.observe.slowConsumer, SlowConsumerInfo{Conn: session, Err: err})
	}
	if errors.Is(budget, engine.ErrOutputBudget) || errors.Is(budget, engine.ErrInputBudget) {
		tell(srv, srv.observe.overBudget, OverBudgetInfo{Conn: session, Err: budget})
	}
	tell(srv, srv.observe.closed, ClosedInfo{Conn: session, Reason: r, Err: err})
	if ctx := context.Background(); srv.log.Enabled(ctx, slog.LevelDebug) { // or its arguments would cost something
		srv.log.DebugContext(ctx, "socketio: connection closed", "remote", session, "reason", string(r), "err", loggable(err))
	}
}

// Expire closes a connection that has joined no namespace in time, or has not
// sent the attachments that it has announced.
func (c *conn) Expire(timer *wheel.Entry) {
	c.mu.Lock()
	// Or the timer runs for something else by now.
	expired := timer == c.timer && !c.server().engine.Wheel().Armed(timer)
	due := expired && c.wanted() == c.waits
	cause := ErrConnectTimeout
	if c.waits == awaitAttachments {
		cause = ErrAttachmentTimeout
	}
	if expired && !due { // it has joined in the last moment: watch is about to be called
		c.waits, c.timer = awaitNothing, nil
	}
	c.mu.Unlock()
	if due {
		c.fail(cause)
	}
}

// send encodes a packet and queues it.
func (c *conn) send(p *adapter.Packet, o engine.SendOption) error {
	if len(p.Attachments) == 0 {
		f, err := c.server().head(p, true)
		if err != nil {
			return err
		}
		c.session.Send(f, o)
		return nil
	}
	frames, err := c.server().frames(p)
	if err != nil {
		return err
	}
	c.session.SendAll(frames, o)
	return nil
}
