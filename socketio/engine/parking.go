package engine

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/park"
)

// parking is how a server reads plain connections on Linux: without a goroutine for
// each of them. See package park. The zero value is ready; the poller is opened for the
// first connection.
type parking struct {
	poller atomic.Pointer[park.Poller] // nil until it has been opened
	inputs sync.Pool                   // of *input

	failure atomic.Pointer[error] // why the last connection could not be parked; nil if it could

	mu    sync.Mutex // held while the poller is opened
	next  time.Time  // when that is tried again
	cause error      // why it has failed
}

// retryParking is how long opening the poller is not tried again after it has failed.
const retryParking = time.Second

// park parks a connection. It reports false, and does nothing, if that is not possible.
func (srv *Server) park(conn net.Conn, c *wsConn) bool {
	if srv.opts.DisableParking {
		return false
	}
	err := srv.parking.adopt(conn, c)
	if err != nil && !errors.Is(err, park.ErrUnsupported) {
		srv.logs.Warn("engine: a goroutine reads a connection that cannot be parked", "err", err)
	}
	return err == nil
}

// adopt parks a connection.
func (p *parking) adopt(conn net.Conn, c *wsConn) error {
	poller, err := p.open()
	if err == nil {
		err = poller.Adopt(&c.parked.conn, conn, c)
	}
	switch {
	case err != nil:
		failure := err // which alone is allocated
		p.failure.Store(&failure)
	case p.failure.Load() != nil:
		p.failure.Store(nil)
	}
	return err
}

// open returns the poller, which it opens if that has not failed just now.
func (p *parking) open() (*park.Poller, error) {
	if poller := p.poller.Load(); poller != nil {
		return poller, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if poller := p.poller.Load(); poller != nil {
		return poller, nil
	}
	now := time.Now()
	if now.Before(p.next) {
		return nil, p.cause
	}
	poller, err := park.New()
	if err != nil {
		p.next, p.cause = now.Add(retryParking), err
		return nil, err
	}
	p.poller.Store(poller)
	return poller, nil
}

// err returns why connections are not parked; nil if they are, or if there is nothing
// wrong.
func (p *parking) err() error {
	failure := p.failure.Load()
	if poller := p.poller.Load(); poller != nil && poller.Err() != nil {
		return poller.Err()
	}
	if failure == nil || errors.Is(*failure, park.ErrUnsupported) {
		return nil
	}
	return *failure
}

// heldUp returns the number of times that code of the application has held up others.
func (p *parking) heldUp() uint64 {
	if poller := p.poller.Load(); poller != nil {
		return poller.HeldUp()
	}
	return 0
}

// close ends the goroutines. No connection is left by then, and none can come.
func (p *parking) close() {
	if poller := p.poller.Load(); poller != nil {
		poller.Close()
	}
}
