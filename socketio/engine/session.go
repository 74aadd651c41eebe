package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/logonce"
	"github.com/tandem-go/tandem/socketio/internal/budget"
	"github.com/tandem-go/tandem/socketio/internal/flush"
	"github.com/tandem-go/tandem/socketio/internal/packet"
	"github.com/tandem-go/tandem/socketio/internal/wheel"
)

// Receiver gets what a session receives. Its methods are called one at a time. They
// must return: the session of one that ends its goroutine is never closed, as with
// [runtime.Goexit] and FailNow of package testing.
type Receiver interface {
	// OnMessage is called with each message, in order, on the goroutine that
	// has read it. m.Data is valid only during the call. While the call lasts
	// nothing more is read from the client, and its heartbeat is suspended: it
	// may block to slow the client down. A call that may block for long should
	// also watch [Session.Done], because OnClose waits for it.
	OnMessage(s *Session, m Message)
	// OnClose is called exactly once, after the last OnMessage. err is the
	// detail of the reason, or nil.
	OnClose(s *Session, reason Reason, err error)
}

// Accept is called once for each new session, before anything is read that the
// client has sent after its handshake. It returns the receiver of the session.
// The session is complete: frames sent from within Accept follow the handshake's
// answer, and the session may be closed.
type Accept func(s *Session) Receiver

// State is the state of a session.
type State uint32

// The states, in the order in which a session passes through them.
const (
	// StateOpen: messages are sent and received.
	StateOpen State = iota
	// StateClosing: Close has been called, and queued messages are being sent.
	StateClosing
	// StateClosed: the session has ended.
	StateClosed
)

// Session is the connection to one client, over one transport at a time. Its
// methods may be called concurrently.
type Session struct {
	srv       *Server
	handshake Handshake // holds the id as well

	// recvMu is held while the receiver runs: a request body and a WebSocket
	// may deliver at the same time for a moment during an upgrade.
	recvMu sync.Mutex
	recv   Receiver // guarded by recvMu

	state    atomic.Uint32 // a State; changed with mu held
	awaiting atomic.Bool   // a ping has not been answered yet
	shard    uint16        // never changes

	// The rest is guarded by mu. A session that is idle should be small: what is
	// needed rarely is behind a pointer.
	refreshed bool  // the deadline of this ping has been extended
	sealed    bool  // nothing more is queued: the session ends when the queue is empty
	touched   bool  // a flush is due
	writing   bool  // someone owns the connection's output
	blocked   bool  // that is the slow path
	alone     uint8 // frames that were written alone since the client was heard, up to aloneMax
	mu        sync.Mutex
	heartbeat wheel.Entry
	queue     *queue
	conn      *wsConn    // nil while on polling
	poll      *pollState // nil while on WebSocket
	extra     *extra     // made on demand
}

// extra is what few sessions need at a time.
type extra struct {
	reason Reason // set by Close, and when the session ends
	err    error
	done   chan struct{}   // made on demand
	input  budget.Account  // see Hold
	output budget.Account  // what waits for the client, see queue
	values context.Context //nolint:containedctx // only its values count, see Options.ConnContext
}

// more returns the extra of the session. mu is held.
func (s *Session) more() *extra {
	if s.extra == nil {
		s.extra = new(extra)
	}
	return s.extra
}

// newSession returns a session that is not registered yet.
func (srv *Server) newSession(h Handshake) *Session {
	s := &Session{srv: srv, handshake: h, shard: uint16(srv.pool.Assign())}
	s.heartbeat.Init((*heartbeat)(s))
	return s
}

// ID returns the id of the session, which is a secret between server and
// client. It is a part of what the handshake is kept in, so whoever needs it for longer
// than the session should clone it.
func (s *Session) ID() string { return s.handshake.id() }

// Handshake returns the request that opened the session.
func (s *Session) Handshake() *Handshake { return &s.handshake }

// RemoteAddr returns the address of the peer that opened the session as
// "host:port".
func (s *Session) RemoteAddr() string { return s.handshake.RemoteAddr() }

// State returns the current state.
func (s *Session) State() State { return State(s.state.Load()) }

// Transport returns the name of the current transport: [Polling] or
// [WebSocket].
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return WebSocket
	}
	return Polling
}

// Done returns a channel that is closed when the session has ended. That is
// before Receiver.OnClose is called.
func (s *Session) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.more()
	if o.done == nil {
		o.done = make(chan struct{})
		if s.State() == StateClosed {
			close(o.done)
		}
	}
	return o.done
}

// accept asks the server's owner for the receiver.
func (s *Session) accept() {
	s.recvMu.Lock()
	s.acceptLocked()
}

// acceptLocked is accept with recvMu held, which it releases.
func (s *Session) acceptLocked() {
	defer s.recvMu.Unlock()
	defer s.recoverPanic()
	s.recv = s.srv.accept(s)
}

// receive handles one packet from the client. in is what it has been read into, if
// the connection is parked.
func (s *Session) receive(p packet.Packet, in *input) {
	if !s.recvMu.TryLock() {
		in.wait() // The receiver is busy with a message of the other transport.
		s.recvMu.Lock()
	}
	defer s.recvMu.Unlock()
	switch s.State() {
	case StateClosed:
		return
	case StateClosing:
		if p.Type == packet.Close {
			s.end(ending{noop: true}) // the client is not there to wait for
		}
		return
	}
	if p.Type != packet.Pong && s.awaiting.Load() {
		s.refreshDeadline()
	}
	switch p.Type {
	case packet.Message:
		if s.recv != nil {
			defer s.recoverPanic()
			s.recv.OnMessage(s, Message{Data: p.Data, Binary: p.Binary, in: in})
		}
	case packet.Pong:
		s.onPong()
	case packet.Ping:
		s.end(ending{reason: TransportError, err: ErrHeartbeatDirection})
	case packet.Close:
		s.end(ending{reason: TransportClose, noop: true})
	}
}

// notify tells the receiver that the session has ended. It is called once.
func (s *Session) notify() {
	defer s.srv.tasks.Done()
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	if s.recv == nil {
		return
	}
	defer s.recoverPanic()
	s.recv.OnClose(s, s.extra.reason, s.extra.err)
}

// recoverPanic ends the session whose receiver has panicked. It is deferred.
func (s *Session) recoverPanic() {
	v := recover()
	if v == nil {
		return
	}
	s.srv.logs.Error("engine: receiver panicked", "remote", s, "err", logonce.Cut(fmt.Sprint(v)), "stack", logonce.Stack{})
	s.end(ending{reason: TransportError, err: ErrPanic})
}

// endOnPanic ends a session whose handshake is ended by a panic of the user's code,
// such as Options.Header, which net/http will report. Unless the receiver is to
// be told by the session itself, nobody is. It is deferred.
func (s *Session) endOnPanic(untold bool) {
	if v := recover(); v != nil {
		s.end(ending{reason: TransportError, err: ErrPanic})
		if untold {
			s.srv.tasks.Done()
		}
		panic(v) //nolint:forbidigo // it is not ours
	}
}

// sink is the face of a session that the flush shards see.
type sink Session

// Append queues frames.
func (k *sink) Append(frames []*packet.Frame, flags uint8) bool {
	return (*Session)(k).enqueue(frames, flags)
}

// Write writes a frame at once if nothing is queued.
func (k *sink) Write(f *packet.Frame) bool {
	k.mu.Lock()
	return (*Session)(k).sendAlone(f)
}

// Flush writes what is queued.
func (k *sink) Flush(sc *flush.Scratch) { (*Session)(k).flush(sc) }
