package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/flush"
)

// write writes the queue to the WebSocket until it is empty or the socket is
// full. It is called with mu held and the output owned (s.writing), and returns
// without mu.
func (s *Session) write(sc *flush.Scratch) {
	for {
		c := s.conn
		if s.State() == StateClosed {
			s.mu.Unlock()
			c.part()
			return
		}
		q := s.nextBatch()
		if q == nil {
			s.writing = false
			sealed := s.sealed
			s.mu.Unlock()
			if sealed {
				s.end(ending{})
			}
			return
		}
		if !c.link().tries() {
			s.startDrain(c, q, 0)
			return
		}
		s.mu.Unlock()
		n, complete, err := c.tryWrite(sc, q)
		if err != nil {
			s.srv.freeQueue(q)
			s.end(ending{reason: TransportError, err: err, gone: true})
			c.link().close() // which is left to us if something else has ended the session
			return
		}
		s.mu.Lock()
		if !complete {
			s.startDrain(c, q, n)
			return
		}
		s.srv.freeQueue(q)
	}
}

// nextBatch takes what is to be written next; nil if there is nothing. mu is
// held.
func (s *Session) nextBatch() *queue {
	q := s.takeQueue()
	if q != nil && q.pong != nil {
		q.frames = append(q.frames, q.pong)
		q.pong = nil
	}
	return q
}

// tryWrite writes the frames without blocking. It returns the number of bytes
// written and whether that was all.
func (c *wsConn) tryWrite(sc *flush.Scratch, q *queue) (sent int, complete bool, err error) {
	for frames := q.frames; len(frames) > 0; {
		b, n := sc.Gather(frames)
		w, err := c.link().tryWrite(sc, b)
		sent += w
		if err != nil || w < len(b) {
			return sent, false, err
		}
		frames = frames[n:]
	}
	return sent, true, nil
}

// startDrain hands the output over to the slow path, which skips the bytes of q
// that are written already. It is called with mu held and returns without it.
func (s *Session) startDrain(c *wsConn, q *queue, skip int) {
	if s.State() == StateClosed {
		s.mu.Unlock()
		// A part of a frame may have been written: a close frame cannot follow.
		c.link().close()
		return
	}
	s.blocked = true
	s.srv.tasks.Add(1)
	s.mu.Unlock()
	go s.drain(c, q, skip)
}

// drain is the slow path: it writes with blocking calls until the queue is
// empty, and then gives the output back.
func (s *Session) drain(c *wsConn, q *queue, skip int) {
	defer s.srv.tasks.Done()
	for {
		err := c.writeBlocking(q, skip)
		s.srv.freeQueue(q)
		if err != nil {
			s.end(ending{reason: reasonOfWrite(err), err: err, gone: true})
			return
		}
		s.mu.Lock()
		if s.State() == StateClosed {
			s.mu.Unlock()
			c.part()
			return
		}
		skip = 0
		if q = s.nextBatch(); q == nil {
			s.blocked, s.writing = false, false
			sealed := s.sealed
			s.mu.Unlock()
			if sealed {
				s.end(ending{})
			}
			return
		}
		s.mu.Unlock()
	}
}

// writeBlocking writes the frames from the given byte on.
func (c *wsConn) writeBlocking(q *queue, skip int) error {
	srv := c.session.srv
	sc := srv.pool.Borrow()
	defer srv.pool.Return(sc)
	for frames := q.frames; len(frames) > 0; {
		b, n := sc.Gather(frames)
		frames = frames[n:]
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		if err := c.link().write(b[skip:], srv.opts.WriteTimeout); err != nil {
			return err
		}
		skip = 0
	}
	return nil
}
