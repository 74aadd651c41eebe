package engine

import (
	"github.com/tandem-go/tandem/socketio/internal/budget"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// queue holds the frames that wait for a session, first in, first out. It comes from a
// pool; a session on which nothing happens has none.
//
// While the transport takes frames as fast as they come, a queue lives for one write and
// its memory is not counted. It is counted from the moment on that the frames have to
// wait for the client, until the last one has been taken.
type queue struct {
	frames   []*packet.Frame
	head     int           // of the frames; those before it have been taken out
	skip     int           // bytes of the first frame that have been written already
	pong     *packet.Frame // the answer to the latest WebSocket ping
	compress bool          // not all frames were sent with NoCompress

	in, out uint64 // frames that have been put in, and that the transport has taken
	marks   []mark // see Session.Flush

	counted bool
	lent    bool // a writer has some of its frames
	account budget.Account
}

// mark is a place in a queue that somebody waits for.
type mark struct {
	at      uint64 // frames of the queue in front of it
	receipt *receipt
}

// receipt tells those who wait for a mark what has become of the frames in front of it.
type receipt struct {
	done chan struct{}
	err  error // set before done is closed
}

// settle ends the waiting.
func (r *receipt) settle(err error) {
	r.err = err
	close(r.done)
}

// maxIdleQueue is the number of frames up to which an empty queue is pooled.
const maxIdleQueue = 256

// place is the memory that a frame's place in a queue takes, room to grow included.
const place = 16

// newQueue takes an empty queue out of the pool.
func (srv *Server) newQueue() *queue {
	if q, ok := srv.queues.Get().(*queue); ok {
		return q
	}
	return &queue{frames: make([]*packet.Frame, 0, 4)}
}

// freeQueue ends a queue whose frames are not used any more, and returns it to the pool.
// err says why the frames have not been taken; nil if they have. q may be nil.
func (srv *Server) freeQueue(q *queue, err error) {
	if q == nil {
		return
	}
	srv.letGo(q, q.waiting())
	srv.endQueue(q, err)
	if cap(q.frames) > maxIdleQueue || q.lent {
		return
	}
	clear(q.frames)
	*q = queue{frames: q.frames[:0]}
	srv.queues.Put(q)
}

// loseQueue ends a queue whose frames may still be in use.
func (srv *Server) loseQueue(q *queue) {
	if q == nil {
		return
	}
	if q.counted {
		srv.uncount(q, q.waiting())
	}
	srv.endQueue(q, ErrSessionClosed)
}

// endQueue tells what has become of the frames, and ends the counting.
func (srv *Server) endQueue(q *queue, err error) {
	for _, m := range q.marks {
		m.receipt.settle(err)
	}
	q.marks = nil
	if q.counted {
		srv.output.Close(&q.account)
	}
}

// waiting are the frames that are still in the queue.
func (q *queue) waiting() []*packet.Frame { return q.frames[q.head:] }

// empty reports whether there is nothing to be written.
func (q *queue) empty() bool { return q == nil || q.head == len(q.frames) && q.pong == nil }

// append puts frames in.
func (q *queue) append(srv *Server, frames []*packet.Frame) {
	if q.head > 0 && len(q.frames)+len(frames) > cap(q.frames) && q.head >= len(q.frames)/2 {
		n := copy(q.frames, q.waiting())
		clear(q.frames[n:])
		q.frames, q.head = q.frames[:n], 0
	}
	q.frames = append(q.frames, frames...)
	q.in += uint64(len(frames))
	if q.counted {
		srv.count(q, frames)
	}
}

// take moves the first n frames to dst. They are to be given to letGo.
func (q *queue) take(dst []*packet.Frame, n int) []*packet.Frame {
	frames := q.frames[q.head : q.head+n]
	dst = append(dst, frames...)
	clear(frames)
	q.head += n
	return dst
}

// advance takes out what n more written bytes complete, and remembers the rest of them.
func (q *queue) advance(srv *Server, n int) {
	done := 0
	for q.skip += n; ; done++ {
		f := q.frames[q.head+done]
		if q.skip < f.Len() {
			break
		}
		q.skip -= f.Len()
		if q.head+done+1 == len(q.frames) {
			done++
			break
		}
	}
	frames := q.frames[q.head : q.head+done]
	srv.letGo(q, frames)
	clear(frames)
	q.head += done
	q.taken(done)
}

// begin begins to count the queue of a client that cannot take it at once.
func (srv *Server) begin(q *queue, s *Session) {
	if q.counted {
		return
	}
	q.counted = true
	srv.output.Open(&q.account, (*outputOwner)(s))
	srv.count(q, q.waiting())
}

// count adds frames to what the queue takes.
func (srv *Server) count(q *queue, frames []*packet.Frame) {
	var own, shared int64
	for _, f := range frames {
		n := f.Memory()
		own += n + place
		shared += place
		if f.Hold() {
			shared += n
		}
	}
	q.account.Charge(own)
	srv.output.Use(shared)
}

// uncount is the opposite of count.
func (srv *Server) uncount(q *queue, frames []*packet.Frame) {
	var own, shared int64
	for _, f := range frames {
		n := f.Memory()
		own += n + place
		shared += place
		if f.Drop() {
			shared += n
		}
	}
	q.account.Charge(-own)
	srv.output.Use(-shared)
}

// letGo gives up frames of the queue, and recycles those that nobody else has.
func (srv *Server) letGo(q *queue, frames []*packet.Frame) {
	if q.counted {
		srv.uncount(q, frames)
	}
	for _, f := range frames {
		srv.recycle(f)
	}
}

// recycle returns a frame to its pool if nobody else has it.
func (srv *Server) recycle(f *Frame) {
	if f.Recyclable() {
		srv.once.Put(f)
	}
}

// taken notes that the transport has taken so many frames more.
func (q *queue) taken(n int) {
	q.out += uint64(n)
	if q.counted {
		q.account.Progress()
	}
	passed := 0
	for passed < len(q.marks) && q.marks[passed].at <= q.out {
		q.marks[passed].receipt.settle(nil)
		passed++
	}
	q.marks = append(q.marks[:0], q.marks[passed:]...)
}

// join appends what another queue of the session holds, which was filled later, and
// ends that one.
func (q *queue) join(srv *Server, later *queue) {
	if later == nil {
		return
	}
	for _, m := range later.marks {
		q.marks = append(q.marks, mark{q.in + m.at, m.receipt})
	}
	frames := later.waiting()
	q.append(srv, frames)
	if later.pong != nil {
		q.pong = later.pong
	}
	q.compress = q.compress || later.compress
	if later.counted {
		srv.uncount(later, frames)
	}
	later.marks, later.head, later.pong = nil, len(later.frames), nil
	srv.freeQueue(later, nil)
}

// split takes out the frames of one answer to a poll, of about size bytes, as a queue.
// It returns q itself if that is all there is.
func (q *queue) split(srv *Server, s *Session, size int) *queue {
	n := 0
	for _, f := range q.waiting() {
		if size -= f.Len(); size < 0 && n > 0 {
			break
		}
		n++
	}
	if n == len(q.waiting()) {
		return q
	}
	part := srv.newQueue()
	part.compress, part.counted = q.compress, q.counted
	part.frames = q.take(part.frames, n)
	if q.counted {
		bytes := memory(part.frames)
		srv.output.Open(&part.account, (*outputOwner)(s))
		part.account.Charge(bytes)
		q.account.Charge(-bytes)
	}
	q.out += uint64(n)
	passed := 0
	for passed < len(q.marks) && q.marks[passed].at <= q.out {
		passed++
	}
	part.marks = append(part.marks, q.marks[:passed]...)
	q.marks = append(q.marks[:0], q.marks[passed:]...)
	return part
}
