package engine

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tandem-go/tandem/socketio/internal/exec"
	"github.com/tandem-go/tandem/socketio/internal/park"
)

// parking is how a server reads connections that have no goroutine while they
// are idle: a poller notices input, and a goroutine of the pool reads it.
type parking struct {
	poller  *park.Poller
	readers *exec.Pool
	inputs  sync.Pool // of *input
}

// newParking returns nil where connections cannot be parked.
func newParking() *parking {
	poller, err := park.New()
	if err != nil {
		return nil
	}
	return &parking{poller: poller, readers: exec.NewPool()}
}

// close ends the goroutines. No connection is left by then.
func (p *parking) close() {
	if p == nil {
		return
	}
	_ = p.readers.Close(context.Background())
	p.poller.Close()
}

// The states of a connection's reading. The zero value is that of a connection
// that is being read, as by its goroutine from the beginning. At any time at most
// one goroutine reads a connection, and none while it is parked.
const (
	parkedIdle  int32 = -1 // nobody reads
	parkedBusy  int32 = 0  // somebody reads
	parkedAgain int32 = 1  // somebody reads, and something has happened since
)

// parked is what a connection needs in order to be read without a goroutine.
type parked struct {
	token park.Token // of the poller; owned by whoever reads
	state atomic.Int32
	// ended is set when the peer has closed its side: the end is there to be read
	// behind the data, and there will be no other notice.
	ended atomic.Bool
	// What follows is owned by whoever reads.
	wakes uint8 // since the last heartbeat
	quiet bool  // there was no message since the last heartbeat
	idle  bool  // nor before that, since the one before
}

// busyWakes is the number of times that a parked connection is woken up between two
// heartbeats before it gets a goroutine, which costs less as long as there is
// something to read all the time. It is parked again when nothing but heartbeats
// has come for a while.
const busyWakes = 16

// Readable starts the reading of input, unless that is under way and will notice.
// The poller calls it, and whoever closes the connection.
func (c *wsConn) Readable(ended bool) {
	if ended {
		c.parked.ended.Store(true)
	}
	for {
		switch was := c.parked.state.Load(); {
		case was == parkedAgain:
			return
		case !c.parked.state.CompareAndSwap(was, was+1):
			// Somebody was quicker: look again.
		case was == parkedIdle:
			c.srv.parking.readers.Go(c)
			return
		default:
			return
		}
	}
}

// Run reads what has arrived. It is a task of the pool of readers.
func (c *wsConn) Run() {
	var err error
	if c.parked.token == 0 {
		err = c.park()
	} else {
		err = c.readParked()
	}
	if err != nil {
		c.finish(err)
	}
}

// park gives the connection to the poller and reads what has arrived before. If it
// returns nil, somebody else may be reading by then.
func (c *wsConn) park() error {
	if err := c.watch(); err != nil {
		return err
	}
	return c.readParked()
}

// watch gives the connection to the poller.
func (c *wsConn) watch() error {
	c.parked.wakes = 0
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		c.parked.token, failed = c.srv.parking.poller.Add(int(fd), c)
	})
	return errors.Join(err, failed)
}

// readParked reads until there is nothing more, and then lets go of the
// connection. If it returns nil, somebody else may be reading by then.
func (c *wsConn) readParked() error {
	for {
		err := c.readAvailable()
		if err != nil {
			c.yield()
			return err
		}
		if c.parked.wakes++; c.parked.wakes >= busyWakes {
			c.yield()
			if err := c.readBusy(); err != nil {
				return err
			}
			continue
		}
		task := c.task
		c.task = nil
		if c.parked.state.CompareAndSwap(parkedBusy, parkedIdle) {
			// The connection is not ours any more, so the task may take its time.
			if task != nil {
				task.Run()
			}
			return nil
		}
		c.task = task
		c.yield()
		c.parked.state.Store(parkedBusy)
	}
}

// readBusy reads with a goroutine, the caller's, until the connection is idle, and
// parks it again.
func (c *wsConn) readBusy() error {
	_ = c.raw.Control(func(fd uintptr) { c.srv.parking.poller.Release(int(fd), c.parked.token) })
	c.parked.token = 0
	for src := c.source(); !c.parked.idle; {
		b, err := src.next()
		if len(b) > 0 {
			ferr := c.parser.Feed(b, c.srv.limits, c)
			src.release()
			if ferr != nil {
				return ferr
			}
		}
		if err != nil {
			return err
		}
	}
	return c.watch()
}

// noteTraffic tells idle connections from busy ones.
func (c *wsConn) noteTraffic(heartbeat bool) {
	p := &c.parked
	p.idle = heartbeat && p.quiet
	p.quiet = heartbeat
	if heartbeat {
		p.wakes = 0
	}
}

// yield starts what was to run once reading is done on another goroutine, because
// reading goes on.
func (c *wsConn) yield() {
	if c.task != nil {
		c.srv.parking.readers.Go(c.task)
		c.task = nil
	}
}

// readAvailable reads until the socket is empty.
func (c *wsConn) readAvailable() error {
	in := c.srv.parking.input()
	defer c.srv.parking.inputs.Put(in)
	for {
		if err := c.raw.Read(in.fill); err != nil {
			return err
		}
		switch {
		case errors.Is(in.err, syscall.EAGAIN):
			return nil
		case in.err != nil:
			return in.err
		case in.n == 0:
			return io.EOF
		}
		if err := c.parser.Feed(in.buf[:in.n], c.srv.limits, c); err != nil {
			return err
		}
		// Less than there was room for: the socket is empty, and the poller tells
		// of what comes from now on. Only the end may be there unannounced.
		if in.n < len(in.buf) && !c.parked.ended.Load() {
			return nil
		}
		c.yield()
	}
}

// input is a buffer with the function that fills it without waiting, which is
// made once so that reading does not allocate.
type input struct {
	buf  readBuffer
	n    int
	err  error
	fill func(fd uintptr) bool
}

// input takes one out of the pool.
func (p *parking) input() *input {
	if in, ok := p.inputs.Get().(*input); ok {
		return in
	}
	in := new(input)
	in.fill = func(fd uintptr) bool {
		in.n, in.err = readFD(int(fd), in.buf[:])
		return true
	}
	return in
}
