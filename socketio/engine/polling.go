package engine

import (
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// pollState is the polling transport of a session. The session's mu guards it.
type pollState struct {
	session *Session
	get     *pendingPoll
	upgrade *upgradeTry         // nil while none is under way
	post    http.ResponseWriter // of the current data request
	reading bool                // its body has not arrived completely
	soon    uint8               // answers in a row that came soon after a poll had been held
	posts   int32               // data requests in the second since
	second  int64               // when the first of the latest posts came, in nanoseconds
	stopped chan struct{}       // closed once the reading has been stopped; nil unless it is to be
	patient wheel.Entry         // see Expire
}

// newPollState makes polling the transport of a new session.
func (srv *Server) newPollState(s *Session) {
	s.poll = &pollState{session: s}
	s.poll.patient.Init(s.poll)
}

// pendingPoll is a poll that waits for frames: in the handler of its request,
// which is told by news and writes the answer, or held.
type pendingPoll struct {
	news    chan pollNews // nil if the poll is held
	held    *heldPoll     // nil if it is not
	late    bool          // it arrived after an upgrade had been begun
	settled bool          // the handler has been told to settle down
	queue   *queue        // the answer
	final   *packet.Frame // instead of the queue
	refused *RequestError // instead of both
}

// pollNews is what the handler of a poll is told, each at most once.
type pollNews uint8

const (
	pollAnswered pollNews = iota
	pollSettle            // nothing has come for a while, so be prepared to wait for longer
	pollNewsKinds
)

// newPendingPoll takes a poll for a handler out of the pool.
func (srv *Server) newPendingPoll() *pendingPoll {
	if g, ok := srv.holding.polls.Get().(*pendingPoll); ok {
		return g
	}
	return &pendingPoll{news: make(chan pollNews, pollNewsKinds)}
}

// freePendingPoll returns a poll, of which nobody else knows any more, to the pool.
func (srv *Server) freePendingPoll(g *pendingPoll) {
	for len(g.news) > 0 {
		<-g.news
	}
	*g = pendingPoll{news: g.news}
	srv.holding.polls.Put(g)
}

// take removes the pending poll. If it is held, the caller has to see to it that
// its answer is written.
func (p *pollState) take() *pendingPoll {
	g := p.get
	p.get = nil
	if g.held != nil {
		g.held.claim()
		p.noteHeld(g.held)
	}
	return g
}

// answer completes the pending poll.
func (p *pollState) answer(q *queue, final *packet.Frame) {
	g := p.take()
	if g.held != nil {
		go g.held.respond(q, final) // The session's lock is held.
		return
	}
	g.queue, g.final = q, final
	g.news <- pollAnswered
}

// Expire tells the handler of a poll which has been pending for a while. It is
// called by the wheel. The entry may have been armed for an earlier poll; then this
// one settles down a little early.
func (p *pollState) Expire(*wheel.Entry) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if g := p.get; g != nil && g.held == nil && !g.settled {
		g.settled = true
		g.news <- pollSettle
	}
}

// discard ends the transport because the session has changed to another one. A
// client that polls when it ought to have stopped is refused, just as if its
// request had come a moment later.
func (p *pollState) discard(srv *Server) {
	switch {
	case p.get == nil:
	case p.get.late:
		p.get.refused = refusal(BadRequest, detailTransport, nil)
		p.answer(nil, nil)
	default:
		p.answer(nil, srv.frames.close)
	}
}

// finish ends the transport because the session has ended: a pending poll is
// answered. If a data request is being read, it returns what stops that, to be called
// without the session's mu.
func (p *pollState) finish(srv *Server, noop bool) (stopReading func()) {
	if p.get != nil {
		final := srv.frames.close
		if noop {
			final = srv.frames.noop
		}
		p.answer(nil, final)
	}
	if !p.reading {
		return nil
	}
	post, stopped := p.post, make(chan struct{})
	p.stopped = stopped // The handler waits for it, as post is valid until it returns.
	return func() {
		defer close(stopped)
		interrupt(post)
	}
}

// openPolling opens a session with an HTTP answer.
func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	s, refused := srv.open(r, func(s *Session) {
		srv.newPollState(s)
		// The session may be ended as soon as it is known: its receiver is told after
		// there is one.
		s.recvMu.Lock()
	})
	if refused != nil {
		srv.refuse(w, r, false, refused)
		return
	}
	defer s.endOnPanic(false)
	s.acceptLocked()
	s.arm(srv.timers.pingInterval)
	var upgrades []string
	if !srv.opts.DisableUpgrades {
		for _, t := range srv.opts.Transports {
			if t == WebSocket {
				upgrades = append(upgrades, t)
			}
		}
	}
	srv.setCookie(w.Header(), s)
	q := srv.newQueue()
	q.frames = append(q.frames, srv.openFrame(s, upgrades...))
	// A client that does not get its session leaves it to the heartbeat.
	_ = srv.writePoll(w, r, q, nil, true)
	srv.freeQueue(q)
}

// servePolling serves a request of a session that uses polling.
func (s *Session) servePolling(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		s.servePoll(w, r)
	case http.MethodPost:
		s.serveData(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// servePoll answers a poll with what is queued, as soon as there is something.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	switch {
	case s.poll == nil || s.State() == StateClosed:
		s.mu.Unlock()
		s.refuseLate(w, r)
		return
	case s.poll.get != nil:
		s.mu.Unlock()
		s.end(ending{reason: TransportError, err: ErrPollOverlap})
		w.WriteHeader(http.StatusBadRequest)
		return
	case s.queue != nil:
		q := s.takeAnswer()
		s.mu.Unlock()
		s.writeAnswer(w, r, q, nil)
		return
	}
	g := s.srv.newPendingPoll()
	g.late = s.poll.upgrade != nil
	s.poll.get = g
	if s.sealed {
		s.mu.Unlock()
		s.end(ending{}) // and that answers the poll
	} else {
		s.srv.holding.wait(s.poll)
		s.mu.Unlock()
	}
	s.awaitAnswer(w, r, g)
}

// awaitAnswer waits for the answer of a poll and writes it, unless the poll is held
// from some time on.
func (s *Session) awaitAnswer(w http.ResponseWriter, r *http.Request, g *pendingPoll) {
	if limited(r) {
		clearDeadlines(w)
	}
	aborted := r.Context().Done()
	for waiting := true; waiting; {
		select {
		case news := <-g.news:
			switch {
			case news == pollAnswered:
				waiting = false
			case s.hold(w, r, g):
				return
			default:
				clearDeadlines(w)
			}
		case <-aborted:
			if s.abortPoll(g) {
				s.srv.freePendingPoll(g)
				return
			}
			aborted = nil // It has been answered at the last moment.
		}
	}
	if g.refused != nil {
		s.srv.refuse(w, r, false, g.refused)
	} else {
		s.writeAnswer(w, r, g.queue, g.final)
	}
	s.srv.freePendingPoll(g)
}

// writeAnswer writes the answer of a poll.
func (s *Session) writeAnswer(w http.ResponseWriter, r *http.Request, q *queue, final *packet.Frame) {
	if err := s.srv.writePoll(w, r, q, final, false); err != nil {
		// The frames are not used again: with HTTP/2 they may still be being written
		// to a stream that the client has cancelled.
		s.failAnswer(err)
		return
	}
	s.srv.freeQueue(q)
}

// failAnswer ends the session because the answer of a poll could not be written.
func (s *Session) failAnswer(err error) {
	if s.Transport() == Polling {
		s.end(ending{reason: reasonOfWrite(err), err: err})
	}
}

// refuseLate refuses a request that was admitted at the last moment.
func (s *Session) refuseLate(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.State() != StateClosed:
		s.srv.refuse(w, r, false, refusal(BadRequest, detailTransport, nil))
	case r.Method == http.MethodGet && s.srv.takeDeparted(s.ID()):
		s.srv.answerDeparted(w, r)
	default:
		s.srv.refuse(w, r, false, refusal(UnknownSession, "the session has ended", nil))
	}
}

// answerDeparted answers the last poll of a client that has closed its session.
func (srv *Server) answerDeparted(w http.ResponseWriter, r *http.Request) {
	// The client has gone; it does not matter whether this reaches it.
	_ = srv.writePoll(w, r, nil, srv.frames.noop, false)
}

// takeAnswer takes what is queued, for the answer of a poll. mu is held.
func (s *Session) takeAnswer() *queue {
	if s.sealed {
		s.srv.timers.pollingGrace.Arm(&s.heartbeat)
	}
	return s.takeQueue()
}

// answerPoll gives what is queued to the pending poll. A session that is to end
// tells so in the answer to the poll after that: the JavaScript client acts upon
// a close packet before it has seen the messages in front of it. answerPoll is
// called with mu held and returns without it.
func (s *Session) answerPoll() {
	switch {
	case s.poll == nil || s.poll.get == nil:
	case s.queue != nil && s.poll.get.held != nil:
		held, q := s.poll.take().held, s.takeAnswer()
		s.mu.Unlock()
		held.respond(q, nil)
		return
	case s.queue != nil:
		s.poll.answer(s.takeAnswer(), nil)
	case s.sealed:
		s.mu.Unlock()
		s.end(ending{})
		return
	}
	s.mu.Unlock()
}

// abortPoll ends the session whose client has given its poll up. It reports
// false if the poll has been answered at the last moment.
func (s *Session) abortPoll(g *pendingPoll) bool {
	s.mu.Lock()
	pending := s.poll != nil && s.poll.get == g
	if pending {
		s.poll.get = nil
	}
	s.mu.Unlock()
	if pending {
		s.end(ending{reason: TransportError, err: ErrPollAborted})
	}
	return pending
}

// Values of headers. Nobody changes them: net/http copies a header before it does.
var (
	plainText = []string{"text/plain; charset=UTF-8"}
	// Some browsers offer an answer of another type as a download.
	htmlText = []string{"text/html"}
	noStore  = []string{"no-store"}
)

// setHeaders sets the headers of a successful answer.
func (srv *Server) setHeaders(h http.Header, r *http.Request, contentType []string, initial bool) {
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	// Old versions of Internet Explorer take an answer for an attack.
	if ua := r.Header["User-Agent"]; len(ua) > 0 && (strings.Contains(ua[0], ";MSIE") || strings.Contains(ua[0], "Trident/")) {
		h.Set("X-Xss-Protection", "0")
	}
	if srv.opts.Header != nil {
		srv.opts.Header(h, r, initial)
	}
}

// setCookie adds the session's cookie.
func (srv *Server) setCookie(h http.Header, s *Session) {
	if srv.opts.Cookie == nil || s == nil {
		return
	}
	c := *srv.opts.Cookie //nolint:gosec // Its attributes are the caller's choice.
	c.Value = s.ID()
	if v := c.String(); v != "" {
		h.Add("Set-Cookie", v)
	}
}
