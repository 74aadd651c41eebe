package engine

import "time"

// SetPollPatience changes how long polls are pending before they are held. It must be
// called before the first session.
func (srv *Server) SetPollPatience(d time.Duration) { srv.holding.init(srv.wheel, d, d) }

// SetBusyPollPatience is SetPollPatience for sessions to which much is sent.
func (srv *Server) SetBusyPollPatience(d time.Duration) { srv.holding.setBusy(srv.wheel, d) }

// SetPollingGrace changes how long a closing session waits for its client's next poll.
// It must be called before the first session is closed.
func (srv *Server) SetPollingGrace(d time.Duration) { srv.timers.pollingGrace = srv.wheel.Class(d) }

// StopWatching makes parking fail: connections are adopted, but cannot be watched.
func (srv *Server) StopWatching() {
	if p := srv.park(); p != nil {
		p.poller.Close()
	}
}

// HeldPolls returns the number of polls that are pending without a handler.
func (srv *Server) HeldPolls() int {
	return srv.countPolls(func(g *pendingPoll) bool { return g.held != nil })
}

// SettledPolls returns the number of polls whose handler has been told that it could
// hold them.
func (srv *Server) SettledPolls() int {
	return srv.countPolls(func(g *pendingPoll) bool { return g.settled && len(g.news) == 0 })
}

func (srv *Server) countPolls(which func(g *pendingPoll) bool) (n int) {
	for s := range srv.Sessions() {
		s.mu.Lock()
		if s.poll != nil && s.poll.get != nil && which(s.poll.get) {
			n++
		}
		s.mu.Unlock()
	}
	return n
}
