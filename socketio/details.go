package socketio

// details are what a socket has only while it is used for more than receiving what
// is sent to many. Most sockets of a large server have none most of the time, and
// cost a pointer instead. Socket.mu guards them.
type details struct {
	auth   []byte // the payload of the CONNECT packet, never changed
	data   []datum
	rooms  []string // before connecting: those to join; after closing: those it was in
	acks   map[uint64]ackFunc
	space  chan struct{} // closed when there is room in the queue again; nil unless the reader waits
	done   chan struct{} // of the context; nil until asked for
	reason Reason        // after closing
}

// detail returns the details of the socket, for changing them. s.mu is held.
func (s *Socket) detail() *details {
	if s.details == nil {
		s.details = new(details)
	}
	return s.details
}

// look returns the details of the socket for reading them: empty ones if it has
// none. s.mu is held.
func (s *Socket) look() details {
	if s.details == nil {
		return details{}
	}
	return *s.details
}
