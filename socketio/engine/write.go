package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/budget"
	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// The output of a session on WebSocket is in one of these states:
//
//	          writing  blocked  queue
//	idle      no       no       nil, or about to be flushed (touched)
//	writing   yes      no       what has come since the writer took the last one
//	blocked   yes      yes      what the client has not taken, counted
//
// The one who sets writing owns the connection's output, and looks at the queue again
// before giving it up. Nobody waits for the client but the goroutine of the state
// blocked, which ends with the backlog.

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
		q := s.takeQueue()
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
			s.block(c, q)
			return
		}
		q.placePong(s.srv)
		s.mu.Unlock()
		n, complete, err := c.tryWrite(sc, q)
		s.mu.Lock()
		if err != nil {
			s.srv.freeQueue(q, ErrSessionClosed)
			s.mu.Unlock()
			s.end(ending{reason: TransportError, err: err, gone: true})
			c.link().close() // which is left to us if something else has ended the session
			return
		}
		if complete {
			s.srv.freeQueue(q, nil)
			continue
		}
		q.advance(s.srv, n)
		s.block(c, q)
		return
	}
}

// placePong puts the answer to a ping behind the frames.
func (q *queue) placePong(srv *Server) {
	if q.pong != nil {
		q.append(srv, []*packet.Frame{q.pong})
		q.pong = nil
	}
}

// tryWrite writes the frames without blocking. It returns the number of bytes
// written and whether that was all.
func (c *wsConn) tryWrite(sc *flush.Scratch, q *queue) (sent int, complete bool, err error) {
	for frames := q.waiting(); len(frames) > 0; {
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

// block hands the output over to the slow path, which goes on with q, of which
// q.skip bytes have been written, and with what has been queued meanwhile. It is called
// with mu held and the output owned, and returns without mu.
func (s *Session) block(c *wsConn, q *queue) {
	if s.State() == StateClosed {
		s.srv.freeQueue(q, ErrSessionClosed)
		s.mu.Unlock()
		// A part of a frame may have been written: a close frame cannot follow.
		c.link().close()
		return
	}
	q.join(s.srv, s.queue)
	s.queue = q
	s.begin(q)
	s.blocked = true
	s.srv.output.Use(drainCost)
	s.srv.tasks.Add(1)
	s.mu.Unlock()
	go s.drain(c)
	s.srv.output.Relieve()
}

// drainCost is about the memory of the goroutine of a session that is blocked.
const drainCost = 8 << 10

// drain is the slow path: it waits for the client, as long as that takes something,
// until the queue is empty, and then gives the output back.
func (s *Session) drain(c *wsConn) {
	defer s.srv.tasks.Done()
	p := s.srv.newPiece()
	defer s.srv.freePiece(p)
	defer s.srv.output.Use(-drainCost)
	for {
		s.mu.Lock()
		if s.State() == StateClosed {
			s.mu.Unlock()
			c.part()
			return
		}
		q := s.queue
		if q.empty() {
			s.queue, s.blocked, s.writing = nil, false, false
			sealed := s.sealed
			s.srv.freeQueue(q, nil)
			s.mu.Unlock()
			if sealed {
				s.end(ending{})
			}
			return
		}
		p.fill(q)
		q.lent = p.frames
		account := s.account()
		s.mu.Unlock()

		err := p.write(c, account)

		s.mu.Lock()
		s.srv.letGo(q, p.frames)
		if q.lent = nil; err == nil {
			q.taken(len(p.frames))
		}
		s.mu.Unlock()
		if err != nil {
			s.end(ending{reason: reasonOfWrite(err), err: detailOfWrite(err), gone: true})
			return
		}
	}
}

// piece is what the slow path writes at a time: small frames together, or one.
type piece struct {
	frames []*packet.Frame
	pong   *packet.Frame
	skip   int // bytes of the first frame
	buf    []byte
}

// pieceSize is the size up to which frames are written together by the slow path. It is
// small because every client that is blocked has a buffer of this size.
const pieceSize = 4 << 10

func (srv *Server) newPiece() *piece {
	if p, ok := srv.pieces.Get().(*piece); ok {
		return p
	}
	return &piece{buf: make([]byte, 0, pieceSize)}
}

func (srv *Server) freePiece(p *piece) {
	clear(p.frames)
	p.frames, p.pong, p.buf = p.frames[:0], nil, p.buf[:0]
	srv.pieces.Put(p)
}

// fill takes the next frames out of a queue that is not empty. The answer to a ping
// does not wait for the frames, but for the end of one of which a part has been written.
func (p *piece) fill(q *queue) {
	clear(p.frames)
	p.frames, p.skip, p.pong = p.frames[:0], q.skip, nil
	if q.skip == 0 {
		p.pong, q.pong = q.pong, nil
	}
	q.skip = 0
	n, size := 0, 0
	for _, f := range q.waiting() {
		if size += f.Len(); n > 0 && size > pieceSize {
			break
		}
		n++
	}
	p.frames = q.take(p.frames, n)
}

// write writes the piece. Each byte that the transport takes is progress of the session.
func (p *piece) write(c *wsConn, account *budget.Account) error {
	b := p.buf[:0]
	if p.pong != nil {
		b = append(b, p.pong.WebSocket()...)
	}
	if len(p.frames) == 1 && p.frames[0].Len() > pieceSize {
		if err := c.writeAll(b, account); err != nil {
			return err
		}
		b = p.frames[0].WebSocket()[p.skip:]
	} else {
		for i, f := range p.frames {
			w := f.WebSocket()
			if i == 0 {
				w = w[p.skip:]
			}
			b = append(b, w...)
		}
		p.buf = b[:0]
	}
	return c.writeAll(b, account)
}

// writeAll writes b, and goes on as long as the client takes something.
func (c *wsConn) writeAll(b []byte, account *budget.Account) error {
	for len(b) > 0 {
		n, err := c.link().writeSome(b, c.session.srv.opts.WriteTimeout)
		if b = b[n:]; n > 0 {
			account.Progress()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
