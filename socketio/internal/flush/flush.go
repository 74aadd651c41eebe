// Package flush carries frames to sessions in rounds, so that many packets cost
// one write call each session.
//
// A [Pool] has a few shards, each with one goroutine and an inbox; a session
// belongs to one shard for life. In a round a shard takes everything that its
// inbox holds, appends the frames to the queues of their sessions, and then
// flushes each of these sessions once. What arrives during a round is collected
// for the next one. While a shard is idle, a packet for a single session does
// not go through it: the caller appends and flushes by itself, or appends and
// leaves the flush to the shard.
//
// The order of the packets that one goroutine sends to one session is kept:
// whatever it has posted before keeps the shard busy until it is in the queue.
package flush

import (
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/socketio/internal/packet"
)

// Limits of a shard's inbox. Beyond them a caller waits until the shard has
// taken its next round; a round never waits for a peer nor for user code.
const (
	maxJobs  = 8192
	maxBytes = 16 << 20
)

// maxIdle is the number of elements that a slice may keep allocated for the
// next round.
const maxIdle = 8192

// Session is what a shard sees of a session.
type Session interface {
	comparable
	// Append queues the frames without writing them. It reports whether the
	// session has to be flushed and is not already going to be.
	Append(frames []*packet.Frame, flags uint8) bool
	// Write writes a frame at once, as Append and Flush would, if nothing else is
	// queued. It reports false, and does nothing, if it cannot.
	Write(frame *packet.Frame) bool
	// Flush writes what is queued and never blocks.
	Flush(sc *Scratch)
}

// Pool is a set of shards.
type Pool[S Session] struct {
	shards  []shard[S]
	next    atomic.Uint32
	start   sync.Once
	running sync.WaitGroup
	scratch sync.Pool // of *Scratch, for callers that flush by themselves
	lists   sync.Pool // of *list[S]
}

// shard is one inbox and the state of the goroutine that empties it.
type shard[S Session] struct {
	// busy is set while a job is in the inbox or a round is under way. It is
	// changed with mu held.
	busy atomic.Bool
	wake chan struct{} // capacity 1: signalled when awake becomes true

	mu     sync.Mutex
	space  sync.Cond
	inbox  []job[S]
	bytes  int
	due    []S  // sessions to be flushed in the next round
	awake  bool // there is something to do, or a round is under way
	closed bool

	_ [64]byte // keeps the shards' hot fields on cache lines of their own
}

// job is a set of frames for one session or for a list of them.
type job[S Session] struct {
	to    S
	list  *list[S]
	one   [1]*packet.Frame
	many  []*packet.Frame // instead of one, if there are more
	flags uint8
	// passed is closed when the jobs before this one have been appended; such a job
	// does nothing else.
	passed chan<- struct{}
}

// list is a reusable set of recipients.
type list[S Session] struct{ sessions []S }

// NewPool returns a pool of n shards. Start starts them.
func NewPool[S Session](n int) *Pool[S] {
	p := &Pool[S]{shards: make([]shard[S], max(n, 1))}
	for i := range p.shards {
		sh := &p.shards[i]
		sh.wake = make(chan struct{}, 1)
		sh.space.L = &sh.mu
	}
	p.scratch.New = func() any { return NewScratch() }
	p.lists.New = func() any { return new(list[S]) }
	return p
}

// Start starts the goroutines of the shards, once.
func (p *Pool[S]) Start() {
	p.start.Do(func() {
		for i := range p.shards {
			p.running.Go(func() { p.run(&p.shards[i]) })
		}
	})
}

// Close stops the shards after their current round and waits for them. Frames
// that are still in an inbox, and those sent later, are dropped.
func (p *Pool[S]) Close() {
	p.start.Do(func() {})
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		if !sh.closed {
			sh.closed = true
			for _, j := range sh.inbox {
				if j.passed != nil {
					close(j.passed)
				}
			}
			sh.inbox, sh.due = nil, nil
			sh.space.Broadcast()
			close(sh.wake)
		}
		sh.mu.Unlock()
	}
	p.running.Wait()
}

// Assign chooses the shard of a new session.
func (p *Pool[S]) Assign() int {
	return int(p.next.Add(1) % uint32(len(p.shards)))
}

// Idle reports whether nothing is under way through the shard, so that a caller may
// write by itself without overtaking what it has sent before.
func (p *Pool[S]) Idle(shard int) bool { return !p.shards[shard].busy.Load() }

// Send sends the frames to one session of the given shard. The slice is not
// kept.
func (p *Pool[S]) Send(shard int, to S, frames []*packet.Frame, flags uint8) {
	sh := &p.shards[shard]
	if !sh.busy.Load() {
		if to.Append(frames, flags) {
			p.Flush(to)
		}
		return
	}
	j := job[S]{to: to, flags: flags}
	j.set(frames)
	sh.post(j)
}

// SendOne is Send for a single frame. If coalesce is set it goes through the shard
// in any case, which writes it together with what follows.
func (p *Pool[S]) SendOne(shard int, to S, frame *packet.Frame, flags uint8, coalesce bool) {
	sh := &p.shards[shard]
	if !coalesce && !sh.busy.Load() {
		sc := p.Borrow()
		if to.Append(sc.One(frame), flags) {
			to.Flush(sc)
		}
		p.Return(sc)
		return
	}
	sh.post(job[S]{to: to, one: [1]*packet.Frame{frame}, flags: flags})
}

// FlushSoon leaves the flush of a session that Append has asked for to the shard, so that
// what is appended until then is written together. It takes no job's place: the shard stays
// as idle as it is.
func (p *Pool[S]) FlushSoon(shard int, s S) {
	sh := &p.shards[shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.closed {
		sh.due = append(sh.due, s)
		sh.rouse()
	}
}

// Barrier returns a channel that is closed once everything that the caller has sent
// through the shard is in the queues of its sessions; nil if that is so already.
func (p *Pool[S]) Barrier(shard int) <-chan struct{} {
	sh := &p.shards[shard]
	if !sh.busy.Load() {
		return nil
	}
	passed := make(chan struct{})
	if !sh.post(job[S]{passed: passed}) {
		return nil // Closed: nothing is under way any more.
	}
	return passed
}

// Flush flushes a session on the caller's goroutine.
func (p *Pool[S]) Flush(s S) {
	sc := p.Borrow()
	s.Flush(sc)
	p.Return(sc)
}

// Borrow takes a scratch for a caller that writes by itself. It goes back with
// Return.
func (p *Pool[S]) Borrow() *Scratch {
	sc, ok := p.scratch.Get().(*Scratch)
	if !ok {
		return NewScratch()
	}
	return sc
}

// Return returns a borrowed scratch.
func (p *Pool[S]) Return(sc *Scratch) {
	sc.reset()
	p.scratch.Put(sc)
}

// set stores a copy of the frames in the job.
func (j *job[S]) set(frames []*packet.Frame) {
	if len(frames) == 1 {
		j.one[0] = frames[0]
		return
	}
	j.many = append([]*packet.Frame(nil), frames...)
}

// frames returns the frames of the job.
func (j *job[S]) frames() []*packet.Frame {
	if j.many != nil {
		return j.many
	}
	if j.one[0] == nil {
		return nil
	}
	return j.one[:]
}

// size returns the bytes that the job's frames take.
func (j *job[S]) size() (n int) {
	for _, f := range j.frames() {
		n += f.Len()
	}
	return n
}

// post puts a job into the inbox and wakes the shard up if it sleeps. It reports false,
// and drops the job, if the shard is closed.
func (sh *shard[S]) post(j job[S]) bool {
	size := j.size()
	sh.mu.Lock()
	for (len(sh.inbox) >= maxJobs || sh.bytes >= maxBytes) && !sh.closed {
		sh.space.Wait()
	}
	if sh.closed {
		sh.mu.Unlock()
		return false
	}
	sh.inbox = append(sh.inbox, j)
	sh.bytes += size
	if !sh.busy.Load() {
		sh.busy.Store(true)
	}
	sh.rouse()
	sh.mu.Unlock()
	return true
}

// rouse wakes the shard up if it sleeps. mu is held.
func (sh *shard[S]) rouse() {
	if !sh.awake {
		sh.awake = true
		// The shard has taken the last signal before it went to sleep: this never blocks.
		sh.wake <- struct{}{}
	}
}

// take swaps the inbox for an empty one, and moves the sessions that are due to touched.
// ok is false, and the shard asleep, if there is nothing to take.
func (sh *shard[S]) take(empty []job[S], touched []S) (jobs []job[S], due []S, ok bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if due = touched; len(sh.due) > 0 {
		due = append(due, sh.due...)
		sh.due = recycle(sh.due)
	}
	if len(sh.inbox) == 0 {
		sh.busy.Store(false)
		sh.awake = len(due) > 0
		return empty, due, sh.awake
	}
	jobs, sh.inbox, sh.bytes = sh.inbox, empty, 0
	sh.space.Broadcast()
	return jobs, due, true
}

// run is the goroutine of a shard.
func (p *Pool[S]) run(sh *shard[S]) {
	sc := NewScratch()
	var jobs []job[S]
	var touched []S
	for range sh.wake {
		for {
			taken, due, ok := sh.take(jobs, touched)
			if !ok {
				break
			}
			touched = p.round(taken, due, sc)
			jobs = recycle(taken)
			clear(touched)
			touched = recycle(touched)
		}
		sc.reset()
	}
}

// round appends the frames of all jobs and flushes each session once, and those that have
// been touched before.
func (p *Pool[S]) round(jobs []job[S], touched []S, sc *Scratch) []S {
	if len(jobs) == 1 && len(touched) == 0 {
		jobs[0].writeAtOnce()
	}
	for i := range jobs {
		j := &jobs[i]
		if j.passed != nil {
			close(j.passed)
			continue
		}
		frames := j.frames()
		if j.list == nil {
			if j.to.Append(frames, j.flags) {
				touched = append(touched, j.to)
			}
			continue
		}
		for _, s := range j.list.sessions {
			if s.Append(frames, j.flags) {
				touched = append(touched, s)
			}
		}
		p.release(j.list)
	}
	for _, s := range touched {
		s.Flush(sc)
	}
	return touched
}

// writeAtOnce writes the frame of a job that is alone in its round: there is nothing
// for it to be written together with. Only those recipients are left in the list
// that have something queued already.
func (j *job[S]) writeAtOnce() {
	if j.list == nil || len(j.frames()) != 1 {
		return
	}
	rest := j.list.sessions[:0]
	for _, s := range j.list.sessions {
		if !s.Write(j.one[0]) {
			rest = append(rest, s)
		}
	}
	clear(j.list.sessions[len(rest):])
	j.list.sessions = rest
}

// release returns a list of recipients to the pool.
func (p *Pool[S]) release(l *list[S]) {
	clear(l.sessions)
	l.sessions = l.sessions[:0]
	p.lists.Put(l)
}

// recycle empties a slice for its next use, unless it has grown so large that
// it should not stay allocated.
func recycle[T any](s []T) []T {
	if cap(s) > maxIdle {
		return nil
	}
	clear(s)
	return s[:0]
}
