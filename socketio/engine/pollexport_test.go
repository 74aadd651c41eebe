package engine

import "time"

// SetPollingGrace changes how long a closing session waits for its client's next poll.
// It must be called before the first session is closed.
func (srv *Server) SetPollingGrace(d time.Duration) { srv.timers.pollingGrace = srv.wheel.Class(d) }

// StopWatching makes parking fail: connections are adopted, but cannot be watched.
func (srv *Server) StopWatching() {
	if p := srv.park(); p != nil {
		p.poller.Close()
	}
}
