package engine

import (
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// pollState is the polling transport of a session. The session's mu guards it.
type pollState struct {
	get     *pendingPoll
	post    *http.ResponseController // of the current data request
	reading bool                     // its body has not arrived completely
}

// pendingPoll is a poll that waits for frames. The goroutine of its request
// writes the answer, so nobody else waits for the client.
type pendingPoll struct {
	ready   chan struct{} // closed once the answer is complete
	late    bool          // it arrived after an upgrade had been begun
	queue   *queue        // may be nil
	final   *packet.Frame // follows the queue; may be nil
	refused *RequestError // instead of both
}

// answer completes the pending poll.
func (p *pollState) answer(q *queue, final *packet.Frame) {
	g := p.get
	p.get = nil
	g.queue, g.final = q, final
	close(g.ready)
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
// answered, and the reading of a data request is stopped.
func (p *pollState) finish(srv *Server, noop bool) {
	if p.get != nil {
		final := srv.frames.close
		if noop {
			final = srv.frames.noop
		}
		p.answer(nil, final)
	}
	if p.reading {
		interrupt(p.post)
	}
}

// openPolling opens a session with an HTTP answer.
func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	s, refused := srv.open(r, func(s *Session) { s.poll = &pollState{} })
	if refused != nil {
		srv.refuse(w, r, false, refused)
		return
	}
	defer s.endOnPanic(false)
	s.accept()
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
	g := &pendingPoll{ready: make(chan struct{})}
	s.mu.Lock()
	if s.poll == nil || s.State() == StateClosed {
		s.mu.Unlock()
		s.refuseLate(w, r)
		return
	}
	if s.poll.get != nil {
		s.mu.Unlock()
		s.end(ending{reason: TransportError, err: ErrPollOverlap})
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.late = s.upgrade != nil
	s.poll.get = g
	s.answerPoll()
	select {
	case <-g.ready:
	default:
		// A poll waits for longer than the http.Server may want a request to
		// take.
		clearDeadlines(w)
		select {
		case <-g.ready:
		case <-r.Context().Done():
			if s.abortPoll(g) {
				return
			}
		}
	}
	if g.refused != nil {
		s.srv.refuse(w, r, false, g.refused)
		return
	}
	err := s.srv.writePoll(w, r, g.queue, g.final, false)
	s.srv.freeQueue(g.queue)
	if err != nil && s.Transport() == Polling {
		s.end(ending{reason: TransportError, err: err})
	}
}

// refuseLate refuses a request that was admitted at the last moment.
func (s *Session) refuseLate(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.State() != StateClosed:
		s.srv.refuse(w, r, false, refusal(BadRequest, detailTransport, nil))
	case r.Method == http.MethodGet && s.srv.takeDeparted(s.id):
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

// answerPoll gives what is queued to the pending poll. A session that is to end
// tells so in the answer to the poll after that: the JavaScript client acts upon
// a close packet before it has seen the messages in front of it. answerPoll is
// called with mu held and returns without it.
func (s *Session) answerPoll() {
	switch {
	case s.poll == nil || s.poll.get == nil:
	case s.queue != nil:
		s.poll.answer(s.takeQueue(), nil)
		if s.sealed {
			s.srv.timers.pollingGrace.Arm(&s.heartbeat)
		}
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

// setHeaders sets the headers of a successful answer.
func (srv *Server) setHeaders(h http.Header, r *http.Request, contentType string, initial bool) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	// Old versions of Internet Explorer take an answer for an attack.
	if ua := r.UserAgent(); strings.Contains(ua, ";MSIE") || strings.Contains(ua, "Trident/") {
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
	c.Value = s.id
	if v := c.String(); v != "" {
		h.Add("Set-Cookie", v)
	}
}
