package engine

import "time"

// SetPollingGrace changes how long a closing session waits for its client's next poll.
// It must be called before the first session is closed.
func (srv *Server) SetPollingGrace(d time.Duration) { srv.timers.pollingGrace = srv.wheel.Class(d) }

// StopWatching makes parking fail: connections cannot be watched.
func (srv *Server) StopWatching() {
	if poller, err := srv.parking.open(); err == nil {
		poller.Close()
	}
}

// OutputUsed returns the bytes that the server counts as waiting for its clients.
func (srv *Server) OutputUsed() int64 { return srv.output.Used() }
