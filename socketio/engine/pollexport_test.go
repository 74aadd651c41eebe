package engine

import "time"

// SetPollPatience changes how long polls are pending before they are held. It must be
// called before the first session.
func (srv *Server) SetPollPatience(d time.Duration) { srv.holding.init(srv.wheel, d, d) }
