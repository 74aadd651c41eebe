package engine

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/park"
)

// input is what a worker reads into, with what is to be done once it has read.
type input struct {
	reading reading
	worker  *park.Worker
	task    Task // see Message.Go
	buf     readBuffer
}

// input takes one out of the pool.
func (p *parking) input(c *wsConn, w *park.Worker) *input {
	in, ok := p.inputs.Get().(*input)
	if !ok {
		in = new(input)
	}
	in.worker = w
	in.reading = reading{conn: c, in: in}
	return in
}

// free returns an input to the pool.
func (p *parking) free(in *input) {
	in.reading, in.worker, in.task = reading{}, nil, nil
	p.inputs.Put(in)
}

// The states of a parked connection's reading. At any time at most one goroutine
// reads a connection, and none while it is idle.
const (
	parkedIdle  int32 = -1 // nobody reads
	parkedBusy  int32 = 0  // somebody reads, or the connection is not to be read yet
	parkedAgain int32 = 1  // somebody reads, and something has happened since
)

// parked is a connection that is read without a goroutine.
type parked struct {
	conn  park.Conn
	state atomic.Int32
	marks atomic.Uint32
}

const (
	// ended is set when the peer has closed its side: the end is there to be read
	// behind the data, and there will be no other notice.
	ended = 1 << iota
	// stopped is set when the session has ended and nothing is to be read any more.
	stopped
	// heard is set when something has come from the client.
	heard
)

func (p *parked) mark(m uint32)        { p.marks.Or(m) }
func (p *parked) unmark(m uint32)      { p.marks.And(^m) }
func (p *parked) marked(m uint32) bool { return p.marks.Load()&m != 0 }

// adopt takes a hijacked connection over, which is parked if possible, and returns
// the link to it. Others may use the link only after they have been told: see share.
//
// A parked connection is watched from now on because writes that wait depend on it. What
// arrives is noted, and read after watch.
func (c *wsConn) adopt(conn net.Conn) link {
	if rawConn(conn) == nil || !c.session.srv.park(conn, c) {
		return newNetLink(conn)
	}
	return (*parkedLink)(c)
}

// share makes the link known. The session's mu is held.
func (c *wsConn) share(l link) {
	c.taken = true
	c.net, _ = l.(*netLink)
}

// isParked reports whether c is read without a goroutine of its own.
func (c *wsConn) isParked() bool { return c.taken && c.net == nil }

// watch lets workers read a connection, which nobody reads.
func (c *wsConn) watch() {
	if !c.parked.state.CompareAndSwap(parkedBusy, parkedIdle) {
		c.parked.state.Store(parkedIdle)
		c.parked.conn.Notify(false) // If it has ended, that has been marked.
	}
}

// Poller returns the server's poller.
func (c *wsConn) Poller() *park.Poller { return c.session.srv.parking.poller.Load() }

// Readable reads input, unless that is under way and will notice.
func (c *wsConn) Readable(w *park.Worker, over bool) {
	if over {
		c.parked.mark(ended)
	}
	for {
		switch was := c.parked.state.Load(); {
		case was == parkedAgain:
			return
		case !c.parked.state.CompareAndSwap(was, was+1):
			// Somebody was quicker: look again.
		case was == parkedIdle:
			c.readParked(w)
			return
		default:
			return
		}
	}
}

// readParked reads until there is nothing more, and then lets go of the connection.
func (c *wsConn) readParked(w *park.Worker) {
	p := &c.session.srv.parking
	in := p.input(c, w)
	for {
		err := c.readAvailable(in)
		task := in.task
		in.task = nil
		if err == nil && c.parked.state.CompareAndSwap(parkedBusy, parkedIdle) {
			// The connection is not ours any more, so the task may take its time.
			p.free(in)
			if task != nil {
				w.RunTask(task)
			}
			return
		}
		if task != nil {
			w.Start(task)
		}
		if err != nil {
			p.free(in)
			c.finish(err)
			return
		}
		c.parked.state.Store(parkedBusy)
	}
}

// readAvailable reads until the socket is empty.
func (c *wsConn) readAvailable(in *input) error {
	for {
		n, err := c.parked.conn.TryRead(in.buf[:])
		if n > 0 {
			c.hear()
			err = c.parser.Feed(in.buf[:n], c.session.srv.limits, &in.reading)
			c.account()
		}
		switch {
		case c.parked.marked(stopped):
			return errEnded
		case errors.Is(err, park.ErrEmpty):
			return nil
		case err != nil:
			return err
		}
		// Less than there was room for: the socket is empty, and the poller tells
		// of what comes from now on. Only the end may be there unannounced.
		if n < len(in.buf) && !c.parked.marked(ended) {
			return nil
		}
		in.start()
	}
}

// hear notes that something has come from the client.
func (c *wsConn) hear() {
	if !c.parked.marked(heard) {
		c.parked.mark(heard)
	}
}

// start starts what was to run once reading is done on another goroutine, because
// reading goes on.
func (in *input) start() {
	if in.task != nil {
		in.worker.Start(in.task)
		in.task = nil
	}
}

// wait starts what was to run, and lets another worker take the place of this one. in may
// be nil: then a goroutine reads that nobody else needs.
func (in *input) wait() {
	if in == nil {
		return
	}
	in.start()
	in.worker.Lend()
}

// parkedLink is a parked connection as a link.
type parkedLink wsConn

func (l *parkedLink) tries() bool { return true }

func (l *parkedLink) tryWrite(_ *flush.Scratch, b []byte) (int, error) {
	return l.parked.conn.TryWrite(b)
}

func (l *parkedLink) writeSome(b []byte, timeout time.Duration) (int, error) {
	return l.parked.conn.WriteSome(b, time.Now().Add(timeout))
}

func (l *parkedLink) halfCloses() bool { return true }

func (l *parkedLink) closeWrite() { _ = l.parked.conn.CloseWrite() }

func (l *parkedLink) interrupt() {
	l.parked.mark(stopped)
	l.parked.conn.Notify(true)
}

func (l *parkedLink) drain(end time.Time) {
	var buf [512]byte
	for time.Now().Before(end) { // Read looks at the clock only when it has to wait.
		if _, err := l.parked.conn.Read(buf[:], end); err != nil {
			return
		}
	}
}

func (l *parkedLink) close() {
	l.parked.conn.Close()
	l.interrupt()
}
