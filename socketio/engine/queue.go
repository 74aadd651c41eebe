package engine

import (
	"slices"

	"github.com/tandem-go/tandem/socketio/internal/budget"
	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// queue holds the frames that wait for a session, first in, first out. It comes from a
// pool; a session on which nothing happens has none.
//
// While the transport takes frames as fast as they come, a queue lives for one write and
// its memory is not counted. It is counted from the moment on that the frames have to
// wait for the client, until the last one has been taken. A queue that is counted is
// changed with the session's mu held.
type queue struct {
	frames   []*packet.Frame
	head     int           // of the frames; those before it have been taken out
	skip     int           // bytes of the first frame that have been written already
	pong     *packet.Frame // the answer to the latest WebSocket ping
	compress bool          // not all frames were sent with NoCompress

	in, out uint64 // frames that have been put in, and that the transport has taken
	marks   []mark // see Session.Flush, in order

	counting *Session        // the one whose account the queue is counted on; nil if it is not
	lent     []*packet.Frame // a writer has these, which are still counted
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

// freeQueue ends a queue, and returns it to the pool unless a writer has some of its
// frames. err says why the others have not been taken; nil if they have. q may be nil.
func (srv *Server) freeQueue(q *queue, err error) {
	if q == nil {
		return
	}
	srv.letGo(q, q.waiting())
	q.settle(err)
	if cap(q.frames) > maxIdleQueue || q.lent != nil {
		q.frames, q.head, q.pong = nil, 0, nil
		return
	}
	clear(q.frames)
	*q = queue{frames: q.frames[:0]}
	srv.queues.Put(q)
}

// loseQueue ends a queue whose frames may still be in use.
func (srv *Server) loseQueue(q *queue) {
	srv.uncount(q, q.waiting())
	q.settle(ErrSessionClosed)
}

// settle tells all who wait what has become of the frames.
func (q *queue) settle(err error) {
	for _, m := range q.marks {
		m.receipt.settle(err)
	}
	q.marks = nil
}

// waiting are the frames that are still in the queue.
func (q *queue) waiting() []*packet.Frame { return q.frames[q.head:] }

// empty reports whether there is nothing to be written.
func (q *queue) empty() bool { return q == nil || q.head == len(q.frames) && q.pong == nil }

// holdsMore reports whether a frame other than pings waits. q may be nil.
func (q *queue) holdsMore(ping *packet.Frame) bool {
	return q != nil && slices.ContainsFunc(q.waiting(), func(f *packet.Frame) bool { return f != ping })
}

// append puts frames in.
func (q *queue) append(srv *Server, frames []*packet.Frame) {
	if q.head > 0 && len(q.frames)+len(frames) > cap(q.frames) && q.head >= len(q.frames)/2 {
		n := copy(q.frames, q.waiting())
		clear(q.frames[n:])
		q.frames, q.head = q.frames[:n], 0
	}
	q.frames = append(q.frames, frames...)
	q.in += uint64(len(frames))
	srv.count(q, frames)
}

// insert puts a frame in front of those that have not been begun.
func (q *queue) insert(srv *Server, f *packet.Frame) {
	i := q.head
	if q.skip > 0 {
		i++
	}
	place := q.in - uint64(len(q.frames)-i)
	for j := range q.marks {
		if q.marks[j].at > place {
			q.marks[j].at++
		}
	}
	q.frames = slices.Insert(q.frames, i, f)
	q.in++
	srv.count(q, []*packet.Frame{f})
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
// There is more in the queue than has been written.
func (q *queue) advance(srv *Server, n int) {
	q.skip += n
	done := 0
	for _, f := range q.waiting() {
		if q.skip < f.Len() {
			break
		}
		q.skip -= f.Len()
		done++
	}
	frames := q.frames[q.head : q.head+done]
	srv.letGo(q, frames)
	clear(frames)
	q.head += done
	q.taken(done)
}

// begin begins to count the queue of a client that cannot take it at once. The session's
// mu is held.
func (s *Session) begin(q *queue) {
	if q.counting == nil {
		q.counting = s
		s.srv.count(q, q.waiting())
	}
}

// account is what waits for the session. mu is held.
func (s *Session) account() *budget.Account { return &s.more().output }

// count adds frames to what the queue takes, if it is counted.
func (srv *Server) count(q *queue, frames []*packet.Frame) {
	if q.counting == nil || len(frames) == 0 {
		return
	}
	a := q.counting.account()
	if a.Bytes() == 0 {
		srv.output.Open(a, (*outputOwner)(q.counting))
	}
	var own, used int64
	for _, f := range frames {
		n := f.Memory()
		own += n + place
		used += place
		if f.Hold() {
			used += n
		}
	}
	a.Charge(own)
	srv.output.Use(used)
}

// uncount is the opposite of count.
func (srv *Server) uncount(q *queue, frames []*packet.Frame) {
	if q.counting == nil || len(frames) == 0 {
		return
	}
	var own, used int64
	for _, f := range frames {
		n := f.Memory()
		own += n + place
		used += place
		if f.Drop() {
			used += n
		}
	}
	a := q.counting.account()
	a.Charge(-own)
	srv.output.Use(-used)
	if a.Bytes() == 0 {
		srv.output.Close(a)
	}
}

// memory is what frames take in a queue.
func memory(frames []*packet.Frame) (n int64) {
	for _, f := range frames {
		n += f.Memory() + place
	}
	return n
}

// letGo gives up frames of the queue, and recycles those that nobody else has. Frames that
// have been counted are left to the collector: their pool would keep what a slow client
// had waiting.
func (srv *Server) letGo(q *queue, frames []*packet.Frame) {
	if q.counting != nil {
		srv.uncount(q, frames)
		return
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
	if q.counting != nil {
		q.counting.account().Progress()
	}
	passed := q.passed()
	for _, m := range passed {
		m.receipt.settle(nil)
	}
	q.marks = append(q.marks[:0], q.marks[len(passed):]...)
}

// passed are the marks in front of which there is no frame any more.
func (q *queue) passed() []mark {
	n := 0
	for n < len(q.marks) && q.marks[n].at <= q.out {
		n++
	}
	return q.marks[:n]
}

// join appends what another queue of the session holds, which was filled later, and
// ends that one. Nothing has been taken out of it.
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
	srv.uncount(later, frames)
	later.marks, later.head = nil, len(later.frames)
	srv.freeQueue(later, nil)
}

// split takes out the frames of one answer to a poll, of about size bytes, as a queue.
// It returns q itself if that is all there is.
func (q *queue) split(srv *Server, size int) *queue {
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
	part.compress, part.counting = q.compress, q.counting
	part.frames = q.take(part.frames, n)
	part.in = uint64(n)
	q.out += uint64(n)
	passed := q.passed()
	part.marks = append(part.marks, passed...)
	q.marks = append(q.marks[:0], q.marks[len(passed):]...)
	return part
}
