package engine

import (
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// pollState is the polling transport of a session. The session's mu guards it.
type pollState struct {
	get     *pendingPoll        // nil while no poll is pending
	upgrade *upgradeTry         // nil while none is under way
	post    http.ResponseWriter // of the current data request
	reading bool                // its body has not arrived completely
	stopped chan struct{}       // closed once the reading has been stopped; nil unless it is to be
}

// pendingPoll is a poll whose handler waits for frames.
type pendingPoll struct {
	late     bool          // it arrived after an upgrade had been begun
	answered chan struct{} // closed when there is an answer; what follows is the handler's then
	queue    *queue        // the answer
	final    *packet.Frame // instead of the queue
	refused  *RequestError // instead of both
}

// answer completes the pending poll.
func (p *pollState) answer(q *queue, final *packet.Frame) {
	g := p.get
	p.get = nil
	g.queue, g.final = q, final
	close(g.answered)
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
		s.poll = new(pollState)
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
	g := &pendingPoll{late: s.poll.upgrade != nil, answered: make(chan struct{})}
	s.poll.get = g
	sealed := s.sealed
	s.mu.Unlock()
	if sealed {
		s.end(ending{}) // and that answers the poll
	}
	s.awaitAnswer(w, r, g)
}

// awaitAnswer waits for the answer of a poll and writes it.
func (s *Session) awaitAnswer(w http.ResponseWriter, r *http.Request, g *pendingPoll) {
	clearDeadlines(w)
	select {
	case <-g.answered:
	case <-r.Context().Done():
		if s.abortPoll(g) {
			return
		}
		<-g.answered // at the last moment
	}
	if g.refused != nil {
		s.srv.refuse(w, r, false, g.refused)
		return
	}
	s.writeAnswer(w, r, g.queue, g.final)
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
