package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// seal is a flag beside the SendOption bits: it ends the queue, in order behind
// all frames that were sent before.
const seal uint8 = 1 << 7

// Send queues a frame and, unless other frames are on their way, writes it at
// once. Small frames that are sent in a row, with nothing from the client between them,
// are written together, without a delay. It never waits for the client. On a session that
// is not open the frame is dropped silently.
func (s *Session) Send(f *Frame, o SendOption) {
	if s.State() != StateOpen {
		return
	}
	if o&Coalesce == 0 && s.srv.pool.Idle(int(s.shard)) {
		s.mu.Lock()
		if s.streams(f) {
			s.mu.Unlock()
			s.stream(f, o)
			return
		}
		if s.sendAlone(f) {
			return
		}
	}
	s.srv.pool.SendOne(int(s.shard), (*sink)(s), f, uint8(o), o&Coalesce != 0)
}

const (
	// aloneMax is how many small frames in a row are written with a system call each while
	// nothing comes from the client. More of them are a stream, for which fewer calls will do.
	aloneMax = 8
	// streamFrame is the size up to which a frame is small, in bytes.
	streamFrame = 2 << 10
	// streamMax is how many frames of a stream wait before its sender writes them itself.
	streamMax = 64
)

// streams counts a frame that is about to be written alone. It reports whether it should
// not be, because it is one of a stream. mu is held.
func (s *Session) streams(f *Frame) bool {
	if s.conn == nil || f.Len() > streamFrame {
		return false
	}
	if s.conn.parked.marked(heard) {
		s.conn.parked.unmark(heard)
		s.alone = 0
	}
	if s.alone == aloneMax {
		return true
	}
	s.alone++
	return false
}

// stream queues a frame, which the shard writes together with those that follow at once.
func (s *Session) stream(f *Frame, o SendOption) {
	sc := s.srv.pool.Borrow()
	defer s.srv.pool.Return(sc)
	if s.enqueue(sc.One(f), uint8(o)) {
		s.srv.pool.FlushSoon(int(s.shard), (*sink)(s))
		return
	}
	s.mu.Lock()
	if s.conn == nil || s.writing || s.State() == StateClosed || s.queue == nil || len(s.queue.waiting()) < streamMax {
		s.mu.Unlock()
		return
	}
	s.writing = true
	s.write(sc)
}

// sendAlone writes a frame if nothing else is queued or being written, without a
// queue. It reports whether the frame has been taken care of. It is called with mu held
// and returns without it.
func (s *Session) sendAlone(f *Frame) bool {
	c := s.conn
	if c == nil || !c.isParked() || s.writing || s.touched || s.sealed || s.queue != nil || s.State() == StateClosed {
		s.mu.Unlock()
		return false
	}
	s.writing = true
	s.mu.Unlock()
	b := f.WebSocket()
	n, err := c.parked.conn.TryWrite(b)
	if err != nil {
		s.end(ending{reason: TransportError, err: err, gone: true})
		c.link().close() // which is left to us if something else has ended the session
		return true
	}
	s.mu.Lock()
	switch {
	case n < len(b):
		q := s.srv.newQueue()
		q.append(s.srv, []*packet.Frame{f})
		q.skip = n
		s.block(c, q)
	case s.sealed || s.queue != nil || s.State() == StateClosed:
		// Something has come up meanwhile.
		sc := s.srv.pool.Borrow()
		s.write(sc)
		s.srv.pool.Return(sc)
		s.srv.recycle(f)
	default:
		s.writing = false
		s.mu.Unlock()
		s.srv.recycle(f)
	}
	return true
}

// SendAll sends several frames without another one in between. With [Volatile]
// either all or none are sent.
func (s *Session) SendAll(frames []*Frame, o SendOption) {
	if len(frames) > 0 && s.State() == StateOpen {
		s.srv.pool.Send(int(s.shard), (*sink)(s), frames, uint8(o))
	}
}

// Writable reports whether a volatile frame would be sent now: the session is
// open, and the client takes what it is sent. It does not while earlier frames
// wait for the network, while no poll is pending, and during an upgrade.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.State() == StateOpen && s.ready()
}

// ready is Writable without the state. mu is held.
func (s *Session) ready() bool {
	if s.conn != nil {
		return !s.blocked
	}
	return s.poll != nil && s.poll.get != nil && s.poll.answering == nil
}

// enqueue appends frames to the queue. It reports whether the session has to be
// flushed and nobody is about to do that.
func (s *Session) enqueue(frames []*packet.Frame, flags uint8) bool {
	s.mu.Lock()
	if s.sealed || s.State() == StateClosed {
		s.mu.Unlock()
		return false
	}
	if flags&seal != 0 {
		s.sealed = true
		s.expectLastPoll()
	} else if !s.push(frames, SendOption(flags)) {
		s.mu.Unlock()
		if SendOption(flags)&Volatile == 0 {
			s.end(ending{reason: SlowConsumer, err: ErrQueueFull})
		}
		return false
	}
	// The one who is writing looks at the queue again before giving up the output.
	due := !s.touched && !s.writing
	s.touched = s.touched || due
	s.mu.Unlock()
	s.srv.output.Relieve()
	return due
}

// expectLastPoll shortens the time of a closing session whose client has no poll pending,
// unless there are messages that it may still want. mu is held.
func (s *Session) expectLastPoll() {
	p := s.poll
	if p == nil || p.get != nil || p.answering != nil {
		return
	}
	if !s.queue.holdsMore(s.srv.frames.ping) || s.srv.Draining() {
		s.srv.timers.pollingGrace.Arm(&s.heartbeat)
	}
}

// uncountedMax is how many frames a queue may hold uncounted, while whoever writes the
// frames before them is at it, or is kept from it by a busy machine.
const uncountedMax = 256

// push appends frames to the queue unless there is no room for them, or they
// are volatile and the session is not writable. mu is held.
func (s *Session) push(frames []*packet.Frame, o SendOption) bool {
	ready := s.ready()
	if !ready && o&Volatile != 0 {
		return false
	}
	if s.queue == nil {
		s.queue = s.srv.newQueue()
	}
	q := s.queue
	if !ready || len(q.waiting()) >= uncountedMax {
		s.begin(q)
		if held := s.account().Bytes(); held > 0 && held+memory(frames) > int64(s.srv.opts.MaxQueueBytes) {
			return false
		}
	}
	if !ready && frames[0] == s.srv.frames.ping && !q.empty() {
		q.insert(s.srv, frames[0]) // Behind all that waits it might come too late.
	} else {
		q.append(s.srv, frames)
	}
	if o&NoCompress == 0 {
		q.compress = true
	}
	if !ready && s.poll != nil {
		s.poll.expectPoll()
	}
	return true
}

// takeQueue removes and returns the queue; nil if it is empty. mu is held.
func (s *Session) takeQueue() *queue {
	q := s.queue
	s.queue = nil
	return q
}

// flush sends what is queued, by the current transport, without blocking.
func (s *Session) flush(sc *flush.Scratch) {
	s.mu.Lock()
	s.touched = false
	switch {
	case s.State() == StateClosed || s.writing:
		s.mu.Unlock()
	case s.conn == nil:
		s.answerPoll()
	default:
		s.writing = true
		s.write(sc)
	}
}
