package socketio

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Call is an event that has been emitted to one client, and whose answer may be waited
// for; see [Socket.Call]. It ends with the answer, with the socket, or, as long as nobody
// waits for it with a deadline, after [Options].AckTimeout.
type Call struct {
	s     *Socket
	event string
	id    uint64
	done  chan struct{}

	mu      sync.Mutex
	timer   *time.Timer // ends it after AckTimeout; nil if its only waiter has a deadline
	waiters int         // with deadlines, which count instead
	ended   bool
	args    Args
	err     error
}

// Call emits an event that is to be answered, and does not wait: what is emitted
// afterwards arrives after it. The answer is to be had from [Call.Wait]; the client need
// not be waited for at all. Call returns the errors of [Socket.Emit], and [ErrTooManyAcks].
func (s *Socket) Call(event string, args ...any) (*Call, error) { return s.startCall(0, event, args) }

// Call emits an event that is to be answered; see [Socket.Call].
func (u Unicast) Call(event string, args ...any) (*Call, error) {
	return u.s.startCall(u.opts, event, args)
}

func (s *Socket) startCall(o engine.SendOption, event string, args []any) (*Call, error) {
	c, err := s.ask(o, event, args)
	if err == nil {
		c.limit()
	}
	return c, err
}

// ask is startCall without a limit of time.
func (s *Socket) ask(o engine.SendOption, event string, args []any) (*Call, error) {
	d := s.nsp.server.newDraft()
	defer s.nsp.server.freeDraft(d)
	if err := d.event(s.nsp, event, args); err != nil {
		return nil, err
	}
	id := s.nsp.ackIDs.Add(1) - 1
	d.packet.ID, d.packet.HasID = id, true
	c := &Call{s: s, event: event, id: id, done: make(chan struct{})}
	if err := s.awaitAck(id, c.answer); err != nil {
		return nil, err
	}
	if err := s.send(&d.packet, o, event); err != nil {
		s.takeAck(id)
		return nil, err
	}
	return c, nil
}

// emitWithAck is a call with its wait. Nobody else knows of the call, so it ends then.
func (s *Socket) emitWithAck(ctx context.Context, o engine.SendOption, event string, args []any) (Args, error) {
	c, err := s.ask(o, event, args)
	if err != nil {
		return Args{}, err
	}
	if _, ok := ctx.Deadline(); !ok {
		c.limit()
	}
	defer c.forget()
	return c.await(ctx)
}

// Done returns a channel that is closed when the call has ended: [Call.Wait] returns at
// once then.
func (c *Call) Done() <-chan struct{} { return c.done }

// Wait waits for the answer; see [As]. If ctx ends first it returns an
// [*AckTimeoutError], and the call goes on: Wait may be called again, and by several
// goroutines. If the socket disconnects it returns [ErrDisconnected]. If ctx has no
// deadline it waits for [Options].AckTimeout since the call was made, and returns an
// AckTimeoutError that wraps [context.DeadlineExceeded] then.
func (c *Call) Wait(ctx context.Context) (Args, error) {
	if _, ok := ctx.Deadline(); ok {
		c.hold()
		defer c.release()
	}
	return c.await(ctx)
}

func (c *Call) await(ctx context.Context) (Args, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // it came in time
		default:
			if c.s.currentState() == stateClosed { // whose context it may be that has ended
				return Args{}, ErrDisconnected
			}
			return Args{}, &AckTimeoutError{Event: c.event, Err: ctx.Err()}
		}
	}
	return c.args, c.err
}

// limit ends the call after a time, unless somebody waits then who has a deadline.
func (c *Call) limit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.timer = time.AfterFunc(c.s.nsp.server.opts.AckTimeout, c.expire)
	}
}

// hold suspends the limit, release brings it back when nobody holds it any more.
func (c *Call) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters++
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *Call) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiters--; c.waiters == 0 && !c.ended && c.timer != nil {
		c.timer.Reset(c.s.nsp.server.opts.AckTimeout)
	}
}

// expire ends the call if its time is over.
func (c *Call) expire() {
	c.mu.Lock()
	held := c.waiters > 0
	c.mu.Unlock()
	if !held && c.s.takeAck(c.id) != nil {
		c.end(Args{}, &AckTimeoutError{Event: c.event, Err: context.DeadlineExceeded})
	}
}

// forget ends the waiting for an answer that nobody wants any more.
func (c *Call) forget() {
	c.s.takeAck(c.id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// answer is the [ackFunc] of the call.
func (c *Call) answer(r adapter.Reply, ok bool) {
	if !ok {
		c.end(Args{}, ErrDisconnected)
		return
	}
	c.end(replyArgs(c.s.nsp.server.coder, r))
}

// end is called once: by who has taken the ackFunc.
func (c *Call) end(a Args, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.args, c.err, c.ended = a, err, true
	if c.timer != nil {
		c.timer.Stop()
	}
	close(c.done)
}

// Starter is what an event can be emitted to for an answer that is not waited for at
// once: [*Socket], [Unicast].
type Starter interface {
	Call(event string, args ...any) (*Call, error)
}

// Pending is a [Call] whose answer is of a type.
type Pending[Res any] struct{ call *Call }

// Start emits the event to one socket and does not wait; see [Socket.Call].
func (c CallOf[Req, Res]) Start(to Starter, req Req) (*Pending[Res], error) {
	call, err := to.Call(string(c), req)
	if err != nil {
		return nil, err
	}
	return &Pending[Res]{call}, nil
}

// Wait waits for the answer; see [Call.Wait]. It may be called by several goroutines.
func (p *Pending[Res]) Wait(ctx context.Context) (Res, error) { return As[Res](p.call.Wait(ctx)) }

// Done returns a channel that is closed when the call has ended; see [Call.Done].
func (p *Pending[Res]) Done() <-chan struct{} { return p.call.Done() }
