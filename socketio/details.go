package socketio

// details are what a socket has only while it is used for more than receiving what
// is sent to many. Most sockets of a large server have none most of the time, and
// cost a pointer instead. Socket.mu guards them, except for the router.
type details struct {
	router router // of what is registered on the socket itself
	auth   string // the payload of the CONNECT packet, never changed
	data   []datum
	rooms  []string // before connecting: those to join; after closing: those it was in
	acks   map[uint64]ackFunc
	wait   *roomWait // nil unless the reader waits for room in the queue
	ctx    *ctxWatch // nil until somebody waits for the end of the context
	end    *ending   // nil until it is closed
	aside  *aside    // nil until an event runs beside the queue
}

// ending is how a socket has ended.
type ending struct {
	reason Reason
	cause  error  // the detail of the reason, or nil
	event  string // that was being handled
}

// detail returns the details of the socket, for changing them. s.mu is held.
func (s *Socket) detail() *details {
	d := s.details.Load()
	if d == nil {
		d = new(details)
		s.details.Store(d)
	}
	return d
}

// look returns the details of the socket for reading them: empty ones if it has
// none. s.mu is held.
func (s *Socket) look() *details {
	if d := s.details.Load(); d != nil {
		return d
	}
	return new(details)
}

// router returns the router of the socket itself, nil if it has none. It takes no lock,
// since every event passes here.
func (s *Socket) router() *router {
	if d := s.details.Load(); d != nil {
		return &d.router
	}
	return nil
}

// ownRouter returns the router of the socket itself, for registering something.
func (s *Socket) ownRouter() *router {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &s.detail().router
}
