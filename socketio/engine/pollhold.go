package engine

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// A poll that waits keeps what net/http needs for its request: two goroutines, two
// buffers, the request with its headers. After some time (pollPatience) its
// connection is therefore taken over, where that cannot be noticed by anybody: the
// handler returns, the session answers on the connection by itself (heldPoll), and
// when the client's next request arrives, the connection is given back to the
// http.Server (handback).
//
// That is done for plain HTTP/1.1 on Linux, and not if
//   - something has been wrapped around the ResponseWriter: it may compress, count
//     or log what is written;
//   - the http.Server has a BaseContext or a ConnContext, which may tell listeners
//     and connections apart;
//   - the connection is not a plain one, because the listener is not;
//   - the client is about to change to WebSocket.
//
// The connection of a data request is taken over too, when it is answered, unless
// there are many of them: clients that poll have a connection for them, which is idle
// for most of the time, and net/http keeps as much for that.

// How long a poll is pending before its connection is taken over. That costs half as
// much again as an answer by the handler, so clients to which much is sent should be
// left alone; the others should not have what they do not need even when thousands
// of them come at a time.
const (
	pollPatience = 25 * time.Millisecond
	// busyPatience is for sessions whose last busyAfter held polls were answered before
	// this time had passed. Fewer such answers are usual for a client that has just
	// connected and is silent then.
	busyPatience = time.Second
	busyAfter    = 3
	// fewPosts is the number of data requests in a second up to which their
	// connections are taken over: they are idle for most of the time.
	fewPosts = 4
)

// holding is what a server needs in order to hold polls.
type holding struct {
	patience     *wheel.Class
	busyPatience *wheel.Class
	soon         time.Duration // that of busyPatience
	polls        sync.Pool     // of *pendingPoll

	mu     sync.Mutex
	backs  map[*http.Server]*handback
	head   string // of the latest answer
	closed bool
}

// init sets the times.
func (hold *holding) init(w *wheel.Wheel, patience, busy time.Duration) {
	hold.patience = w.Class(patience)
	hold.setBusy(w, busy)
}

func (hold *holding) setBusy(w *wheel.Wheel, d time.Duration) {
	hold.busyPatience, hold.soon = w.Class(d), d
}

// wait arms the timer of a poll that begins to wait. The session's mu is held.
func (hold *holding) wait(p *pollState) {
	patience := hold.patience
	if p.soon >= busyAfter {
		patience = hold.busyPatience
	}
	patience.Arm(&p.patient)
}

// noteHeld counts the answer to a held poll.
func (p *pollState) noteHeld(h *heldPoll) {
	switch {
	case time.Now().UnixNano()-h.since >= int64(p.session.srv.holding.soon):
		p.soon = 0
	case p.soon < busyAfter:
		p.soon++
	}
}

// hold takes the connection of a pending poll over. It reports false if the handler
// has to go on waiting; otherwise g has been freed and the handler returns.
func (s *Session) hold(w http.ResponseWriter, r *http.Request, g *pendingPoll) bool {
	if r.ContentLength != 0 || g.late || !s.beginHold(g) {
		return false
	}
	defer s.srv.tasks.Done()
	h, unfit := s.takeOver(w, r, plainText)
	switch {
	case h == nil:
		return false
	case unfit != nil:
		s.giveUpHold(h, unfit, g)
	default:
		s.publish(h, g)
	}
	return true
}

// takeOver takes the connection of a request over, whose answer will have the given
// type. h is nil if that is not possible. If unfit is not nil, it is the connection,
// which has turned out to be one that cannot be held. The caller has counted a task.
func (s *Session) takeOver(w http.ResponseWriter, r *http.Request, contentType []string) (h *heldPoll, unfit net.Conn) {
	server := holdable(w, r)
	p := s.srv.park()
	if server == nil || p == nil {
		return nil, nil
	}
	head := s.srv.pollHead(w, r, contentType)
	back := s.srv.handback(server)
	if head == "" || back == nil {
		return nil, nil
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil
	}
	h = newHeldPoll(s, back, head, acceptedEncoding(r.Header["Accept-Encoding"]))
	if n := rw.Reader.Buffered(); n > 0 {
		h.early = make([]byte, n)
		_, _ = io.ReadFull(rw.Reader, h.early)
	}
	conn = unwrapEarly(conn)
	if rawConn(conn) == nil {
		if _, ours := conn.(*earlyConn); !ours {
			back.unfit.Store(true)
		}
		return h, conn
	}
	if p.poller.Adopt(&h.conn, conn, h) != nil {
		return h, conn
	}
	if h.conn.Watch() == nil {
		return h, nil
	}
	back.unfit.Store(true) // The others could not be watched either.
	if conn, err := h.conn.Release(); err == nil {
		return h, conn
	}
	h.noticed = true // It has been closed, which will turn out.
	return h, nil
}

// beginHold reports whether a poll is still pending, and then counts a task, so that
// the server does not end meanwhile.
func (s *Session) beginHold(g *pendingPoll) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// During an upgrade there will be an answer soon.
	if s.poll == nil || s.poll.get != g || s.poll.upgrade != nil {
		return false
	}
	s.srv.tasks.Add(1)
	return true
}

// publish makes a held poll the pending one, instead of g, unless g has been answered
// in the last moment. Then that is written.
func (s *Session) publish(h *heldPoll, g *pendingPoll) {
	s.mu.Lock()
	pending := s.poll != nil && s.poll.get == g
	if pending {
		s.poll.get = &h.pending
	} else {
		h.claim()
	}
	s.mu.Unlock()
	if pending {
		h.look()
	} else {
		h.respond(s.lateAnswer(g))
	}
	s.srv.freePendingPoll(g)
}

// lateAnswer returns the answer of a poll whose connection has been taken over. What
// a handler would have refused is told that there is nothing.
func (s *Session) lateAnswer(g *pendingPoll) (q *queue, final *Frame) {
	if g.refused != nil {
		return nil, s.srv.frames.noop
	}
	return g.queue, g.final
}

// giveUpHold answers a poll whose connection turns out not to be one that can be
// held: with what there is, or that there is nothing.
func (s *Session) giveUpHold(h *heldPoll, conn net.Conn, g *pendingPoll) {
	s.mu.Lock()
	if s.poll != nil && s.poll.get == g {
		g.final = s.srv.frames.noop
		s.poll.get = nil
	}
	s.mu.Unlock()
	q, final := s.lateAnswer(g)
	buf := s.srv.newBody()
	h.appendAnswer(buf, q, final)
	s.srv.freeQueue(q)
	s.srv.freePendingPoll(g)
	if err := h.writeUnfit(conn, buf); err != nil {
		s.failAnswer(err)
	}
}

// holdable returns the server that a connection can be given back to when the poll on
// it has been answered; nil if it has to stay where it is.
func holdable(w http.ResponseWriter, r *http.Request) *http.Server {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Close || r.TLS != nil {
		return nil
	}
	// Of all writers that is net/http's own.
	_, full := w.(interface{ EnableFullDuplex() error })
	_, wrapped := w.(interface{ Unwrap() http.ResponseWriter })
	if !full || wrapped {
		return nil
	}
	srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || srv.BaseContext != nil || srv.ConnContext != nil {
		return nil
	}
	return srv
}

// headersOfHandlers are headers with which a handler, or what is around it, says that
// an answer is not a common one.
var headersOfHandlers = [...]string{"Connection", "Content-Encoding", "Content-Length", "Date", "Trailer", "Transfer-Encoding"}

// pollHead returns the head of the answer, but for what depends on its time and its
// body; "" if the answer has to be left to net/http.
func (srv *Server) pollHead(w http.ResponseWriter, r *http.Request, contentType []string) string {
	h := w.Header().Clone()
	srv.setHeaders(h, r, contentType, false)
	for _, name := range headersOfHandlers {
		if _, ok := h[name]; ok {
			return ""
		}
	}
	var b strings.Builder
	b.Grow(192)
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // A Builder takes everything.
	return srv.holding.share(b.String())
}

// share returns a string equal to the given one: that of the poll before, if they are,
// as the heads of most answers are the same.
func (hold *holding) share(head string) string {
	hold.mu.Lock()
	defer hold.mu.Unlock()
	if hold.head != head {
		hold.head = head
	}
	return hold.head
}
