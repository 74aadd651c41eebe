package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/socketio/internal/wsframe"
)

// ending describes how a session ends.
type ending struct {
	reason Reason
	err    error
	code   ws.StatusCode // of the WebSocket close frame; 0 sends an empty one
	gone   bool          // nothing can be sent any more
	noop   bool          // a pending poll is told nothing: the client closed
}

// faults are what clients do that ends their sessions, besides what is a ParseError.
var faults = [...]error{
	ErrPollOverlap, ErrDataOverlap, ErrDataTimeout, ErrPayloadTooLarge, ErrTooManyChunks, ErrInvalidContent, ErrHeartbeatDirection, ErrTooManyPackets,
}

// isFault reports whether the client has violated the protocol or a limit.
func (e ending) isFault() bool {
	if _, ok := errors.AsType[*wsframe.CloseError](e.err); ok || e.reason == ParseError {
		return true
	}
	return e.reason == TransportError && slices.ContainsFunc(faults[:], func(fault error) bool { return errors.Is(e.err, fault) })
}

// endingOfRead classifies what ended the reading of a WebSocket.
func endingOfRead(err error) ending {
	if ce, ok := errors.AsType[*wsframe.CloseError](err); ok {
		if ce.Code == ws.StatusMessageTooBig {
			err = fmt.Errorf("%w: %w", ErrPayloadTooLarge, err)
		}
		return ending{reason: TransportError, err: err, code: ce.Code}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return ending{reason: TransportClose, err: err, gone: true}
}

// reasonOfWrite classifies what ended the writing of what takes longer.
func reasonOfWrite(err error) Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return SlowConsumer
	}
	return TransportError
}

// detailOfWrite returns the detail for that reason.
func detailOfWrite(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrNoProgress
	}
	return err
}

// Close ends the session once the frames sent before have been written, or
// polled for, but after Options.WriteTimeout at the latest, or somewhat later if an
// upgrade or a poll comes in the last moment. A client that has no poll pending has a
// second to send one if nothing but its end is to be told, or if the server shuts down.
// Nothing more is sent or received. It does not wait. Only the first call counts; its reason is passed
// to Receiver.OnClose.
func (s *Session) Close(reason Reason) {
	s.mu.Lock()
	if s.State() != StateOpen {
		s.mu.Unlock()
		return
	}
	s.state.Store(uint32(StateClosing))
	s.more().reason = reason
	s.srv.timers.write.Arm(&s.heartbeat)
	s.mu.Unlock()
	// Frames may still be on their way to the queue: the end goes behind them.
	s.srv.pool.Send(int(s.shard), (*sink)(s), nil, seal)
}

// Discard ends the session at once. Frames that have not been written are
// dropped. The receiver is told on another goroutine.
func (s *Session) Discard(reason Reason) {
	s.end(ending{reason: reason})
}

// end ends the session, once; later calls do nothing. It never blocks. The
// receiver is told by the goroutine that reads the connection, or by one of its
// own if there is no connection.
func (s *Session) end(e ending) {
	s.mu.Lock()
	if s.State() == StateClosed {
		s.mu.Unlock()
		return
	}
	o := s.more()
	if s.State() != StateClosing { // or Close has said why
		o.reason, o.err = e.reason, e.err
	}
	if e.isFault() {
		s.srv.faults.Add(1)
	}
	s.state.Store(uint32(StateClosed))
	s.srv.freeQueue(s.takeQueue(), ErrSessionClosed)
	if o.done != nil {
		close(o.done)
	}
	s.srv.wheel.Disarm(&s.heartbeat)
	try, conn := s.trying(), s.conn
	departs := e.noop && s.poll != nil && s.poll.get == nil
	if try != nil && try.probed && s.poll.get == nil && !e.noop {
		try.outlive()
		try = nil
	}
	var stop func()
	if s.poll != nil {
		s.poll.upgrade = nil
		stop = s.poll.finish(s.srv, e.noop)
	}
	farewell := nothing
	if conn != nil {
		farewell = s.chooseFarewell(e)
	}
	s.srv.unregister(s, departs)
	s.mu.Unlock()

	if stop != nil {
		stop()
	}
	if try != nil {
		try.cancel()
	}
	switch farewell {
	case cut:
		conn.link().close()
	case cutAside:
		go func() {
			defer s.srv.tasks.Done()
			conn.link().interrupt() // Its reader does not wait until it is closed.
			conn.link().close()
		}()
	case hangUp:
		conn.hangUp()
	case hangUpAside:
		go func() {
			defer s.srv.tasks.Done()
			conn.hangUp()
		}()
	}
	if conn == nil {
		go s.notify()
	}
}

// farewell is what becomes of the WebSocket of an ended session.
type farewell int

const (
	nothing     farewell = iota // its writer will see to it
	cut                         // closed without a word
	cutAside                    // the same on a goroutine, because it may block
	hangUp                      // closed with a close frame, which does not block
	hangUpAside                 // the same on a goroutine, because it may block
)

// chooseFarewell decides how the connection is closed, and takes its output
// over if nobody owns it. mu is held.
func (s *Session) chooseFarewell(e ending) farewell {
	c := s.conn
	c.code = e.code
	switch {
	case !c.taken:
		return nothing // The handshake goes on, and sees it when the answer is written.
	case e.gone || s.blocked:
		if c.link().tries() {
			return cut
		}
		s.srv.tasks.Add(1) // Closing a connection with TLS may wait for the peer.
		return cutAside
	case s.writing:
		c.lingers = c.halfCloses()
		return nothing
	}
	s.writing = true
	c.lingers = c.halfCloses()
	if c.link().tries() {
		return hangUp
	}
	s.srv.tasks.Add(1)
	return hangUpAside
}
