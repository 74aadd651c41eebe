package engine

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// pollState is the polling transport of a session. The session's mu guards it.
type pollState struct {
	session   *Session
	stall     wheel.Entry         // runs while something waits and no poll comes
	get       *pendingPoll        // nil while no poll is pending
	answering *answer             // is being written; nil while none is
	upgrade   *upgradeTry         // nil while none is under way
	post      http.ResponseWriter // of the current data request
	reading   bool                // its body has not arrived completely
	stopped   chan struct{}       // closed once the reading has been stopped; nil unless it is to be
}

// newPollState makes polling the transport of a new session.
func (srv *Server) newPollState(s *Session) {
	s.poll = &pollState{session: s}
	s.poll.stall.Init(s.poll)
}

// pendingPoll is a poll whose handler waits for frames.
type pendingPoll struct {
	late     bool // it arrived after an upgrade had been begun
	writer   http.ResponseWriter
	answered chan struct{} // closed when there is an answer; what follows is the handler's then
	frames   *answer       // what was queued
	final    *packet.Frame // instead of that
	refused  *RequestError // instead of both
}

// answer is what is being written to a poll. One answer at a time is written, so that
// what a client may have waiting is bounded however many polls it sends.
type answer struct {
	queue   *queue
	small   bool // see queue.small
	writer  http.ResponseWriter
	stopped chan struct{} // closed once the writing has been stopped; nil unless it is to be
}

// answer completes the pending poll.
func (p *pollState) answer(a *answer, final *packet.Frame) {
	g := p.get
	p.get = nil
	g.frames, g.final = a, final
	close(g.answered)
}

// discard ends the transport because the session has changed to another one. A
// client that polls when it ought to have stopped is refused, just as if its
// request had come a moment later.
func (p *pollState) discard(srv *Server) {
	srv.wheel.Disarm(&p.stall)
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
// answered. If a data request is being read, or an answer being written, it returns what
// stops that, to be called without the session's mu.
func (p *pollState) finish(srv *Server, noop bool) (stop func()) {
	srv.wheel.Disarm(&p.stall)
	if p.get != nil {
		final := srv.frames.close
		if noop {
			final = srv.frames.noop
		}
		p.answer(nil, final)
	}
	// The handlers wait until that has been done, as a writer is valid until its handler
	// returns.
	if p.reading {
		post, stopped := p.post, make(chan struct{})
		p.stopped = stopped
		stop = func() {
			defer close(stopped)
			interrupt(post)
		}
	}
	if a := p.answering; a != nil && !a.small {
		writer, stopped, also := a.writer, make(chan struct{}), stop
		a.stopped = stopped
		stop = func() {
			if also != nil {
				also()
			}
			defer close(stopped)
			// Where that is not supported, the writing ends with its connection.
			_ = http.NewResponseController(writer).SetWriteDeadline(time.Unix(1, 0))
		}
	}
	return stop
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
	srv.setCookie(w.Header(), s)
	q := srv.newQueue()
	q.append(srv, []*packet.Frame{srv.openFrame(s, srv.upgrades(w)...)})
	// A client that does not get its session leaves it to the heartbeat.
	_ = srv.writePoll(w, r, q, nil, true)
	srv.freeQueue(q, nil)
}

// upgrades returns the transports that the client of a polling handshake may change to.
func (srv *Server) upgrades(w http.ResponseWriter) []string {
	if srv.opts.DisableUpgrades || !slices.Contains(srv.opts.Transports, WebSocket) {
		return nil
	}
	if !mayUpgrade(w) {
		_, err := hijacker(w)
		srv.logs.Warn(warnNoWebSocket, "err", err)
		return nil
	}
	return []string{WebSocket}
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
	case !s.queue.empty() && s.poll.answering == nil:
		poll, a := s.poll, s.takeAnswer(w)
		s.mu.Unlock()
		s.writeAnswer(w, r, poll, a)
		return
	}
	g := &pendingPoll{late: s.poll.upgrade != nil, writer: w, answered: make(chan struct{})}
	poll := s.poll
	poll.get = g
	s.srv.wheel.Disarm(&poll.stall)
	end := s.sealed && poll.answering == nil
	s.mu.Unlock()
	if end {
		s.end(ending{}) // and that answers the poll
	}
	s.awaitAnswer(w, r, poll, g)
}

// awaitAnswer waits for the answer of a poll and writes it.
func (s *Session) awaitAnswer(w http.ResponseWriter, r *http.Request, poll *pollState, g *pendingPoll) {
	clearDeadlines(w)
	select {
	case <-g.answered:
	case <-r.Context().Done():
		if s.abortPoll(g) {
			return
		}
		<-g.answered // at the last moment
	}
	switch {
	case g.refused != nil:
		s.srv.refuse(w, r, false, g.refused)
	case g.frames != nil:
		s.writeAnswer(w, r, poll, g.frames)
	default:
		if err := s.srv.writePoll(w, r, nil, g.final, false); err != nil {
			s.failAnswer(err)
		}
	}
}

// writeAnswer writes the answer of a poll, which takeAnswer has returned.
func (s *Session) writeAnswer(w http.ResponseWriter, r *http.Request, poll *pollState, a *answer) {
	err := ErrPanic // unless writePoll returns: Options.Header may panic
	defer func() {
		if err != nil {
			s.failAnswer(err)
		}
		s.answered(poll, a, err)
	}()
	if !a.small {
		s.srv.output.Relieve()
	}
	err = s.srv.writePoll(w, r, a.queue, nil, false)
}

// failAnswer ends the session because the answer of a poll could not be written.
func (s *Session) failAnswer(err error) {
	if s.Transport() == Polling {
		s.end(ending{reason: reasonOfWrite(err), err: detailOfWrite(err)})
	}
}

// answered is called when an answer has been written, or could not be.
func (s *Session) answered(poll *pollState, a *answer, err error) {
	s.mu.Lock()
	poll.answering = nil
	if err == nil {
		s.srv.freeQueue(a.queue, nil)
	} else {
		// The frames are not used again: with HTTP/2 they may still be being written to a
		// stream that the client has cancelled.
		s.srv.loseQueue(a.queue)
	}
	stopped := a.stopped
	s.goOn(poll)
	if stopped != nil {
		<-stopped
		_ = http.NewResponseController(a.writer).SetWriteDeadline(time.Time{})
	}
	*a = answer{}
	s.srv.answers.Put(a)
}

// goOn does what has waited for the end of an answer. It is called with mu held and
// returns without it.
func (s *Session) goOn(poll *pollState) {
	if s.poll != poll || s.State() == StateClosed {
		s.mu.Unlock()
		return
	}
	if q := s.queue; q != nil {
		q.taken(0)
		if q.empty() { // It had marks only.
			s.srv.freeQueue(s.takeQueue(), nil)
		}
	}
	if poll.get != nil {
		s.answerPoll()
		return
	}
	if s.sealed {
		s.srv.timers.write.Arm(&s.heartbeat)
		s.expectLastPoll()
	}
	poll.expectPoll()
	s.mu.Unlock()
}

// expectPoll begins the time in which a client has to poll for what waits, unless
// something else is to be waited for first. A ping alone is left to the heartbeat. The
// session's mu is held.
func (p *pollState) expectPoll() {
	s := p.session
	if p.get != nil || p.answering != nil || p.upgrade != nil || s.queue.empty() || s.srv.wheel.Armed(&p.stall) {
		return
	}
	if s.queue.holdsMore(s.srv.frames.ping) {
		s.srv.timers.write.Arm(&p.stall)
	}
}

// Expire ends the session of a client that has not polled for what waits for it.
func (p *pollState) Expire(*wheel.Entry) {
	s := p.session
	s.mu.Lock()
	stalled := s.poll == p && p.get == nil && p.answering == nil && p.upgrade == nil && !s.queue.empty() && !s.srv.wheel.Armed(&p.stall)
	s.mu.Unlock()
	if stalled {
		s.end(ending{reason: SlowConsumer, err: ErrNoProgress})
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

// answerSize is about how much is sent in the answer to one poll. The rest waits for the
// next poll, which shows that the client makes progress.
const answerSize = 1 << 20

// takeAnswer takes what is queued, or as much of it as belongs into one answer, which is
// counted unless it is small. The caller calls writeAnswer. mu is held.
func (s *Session) takeAnswer(w http.ResponseWriter) *answer {
	s.srv.wheel.Disarm(&s.poll.stall)
	if s.sealed {
		s.srv.timers.write.Arm(&s.heartbeat)
	}
	q := s.takeQueue()
	if !q.small() {
		s.begin(q)
	}
	part := q.split(s.srv, answerSize)
	if part != q {
		s.queue = q
	}
	a, ok := s.srv.answers.Get().(*answer)
	if !ok {
		a = new(answer)
	}
	a.queue, a.small, a.writer = part, part.small(), w
	s.poll.answering = a
	return a
}

// small reports whether the frames make an answer that is written at once.
func (q *queue) small() bool {
	n := 0
	for _, f := range q.waiting() {
		if n += f.Len(); n > smallAnswer {
			return false
		}
	}
	return true
}

// answerPoll gives what is queued to the pending poll. A session that is to end
// tells so in the answer to the poll after that: the JavaScript client acts upon
// a close packet before it has seen the messages in front of it. answerPoll is
// called with mu held and returns without it.
func (s *Session) answerPoll() {
	switch {
	case s.poll == nil || s.poll.get == nil || s.poll.answering != nil:
	case !s.queue.empty():
		s.poll.answer(s.takeAnswer(s.poll.get.writer), nil)
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
