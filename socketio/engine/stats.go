package engine

// Stats are the present numbers of a server's sessions by the way in which they are read,
// and what concerns that.
type Stats struct {
	// Parked is the number of sessions whose WebSocket has no goroutine: it is read by
	// a few that all of them share. See [Options].DisableParking.
	Parked int
	// Reading is the number of sessions whose WebSocket is read by a goroutine of its
	// own, those whose handshake is being answered included.
	Reading int
	// Polling is the number of sessions on polling.
	Polling int
	// HeldUp counts how often code of the application, such as a handler that waits,
	// has kept a shared goroutine from reading other connections for a millisecond or
	// two, since the start of the server. Another goroutine then takes over, and for a
	// second or more all such code runs on goroutines of its own. A machine that is
	// short of processor time looks the same.
	HeldUp uint64
	// ParkingError is why the last connection that might have been parked is read by a
	// goroutine of its own. It is nil if that one is parked, if parking is
	// disabled, and where the platform has none. Parking is tried again for each new
	// connection.
	ParkingError error
	// Refused counts the requests that were refused since the start of the server: those
	// that Options.OnRefused is told of.
	Refused uint64
	// Faults counts the sessions that were ended since the start of the server because
	// their clients violated the protocol or a limit.
	Faults uint64
}

// Stats returns the present numbers. It looks at all sessions.
func (srv *Server) Stats() Stats {
	st := Stats{HeldUp: srv.parking.heldUp(), ParkingError: srv.parking.err(), Refused: srv.refused.Load(), Faults: srv.faults.Load()}
	for s := range srv.Sessions() {
		s.mu.Lock()
		c := s.conn
		switch {
		case c == nil:
			st.Polling++
		case c.isParked():
			st.Parked++
		default:
			st.Reading++
		}
		s.mu.Unlock()
	}
	return st
}
