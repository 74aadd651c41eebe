package socketio

import (
	"bytes"
	"context"

	"github.com/tandem-go/tandem/adapter"
	"github.com/tandem-go/tandem/socketio/engine"
)

// Emit emits an event to the client. It queues the event and does not wait; it
// returns an error, and emits nothing, if the arguments cannot be encoded or the
// socket has disconnected. Events reach the client in the order in which they
// were emitted.
func (s *Socket) Emit(event string, args ...any) error { return s.emit(0, event, args) }

// EmitWithAck emits an event and returns the client's answer; see [As]. It may be
// called in a handler of the same socket, whose further events wait meanwhile: see
// [Socket.Call] for asking without holding them up. If ctx ends first it returns an
// [*AckTimeoutError]; if the socket disconnects it returns [ErrDisconnected]
// at once. If ctx has no deadline, [Options].AckTimeout is one. In a handler it should be
// short: if the client sends more than [Options].MaxPendingBytes of events before its
// answer, the answer is not read until the handler returns.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return s.emitWithAck(ctx, 0, event, args)
}

// Volatile returns an emitter to the client whose events may be dropped if the
// client cannot receive them right now: because it is slow to read, or because its
// long poll is not open. A client is slow if the operating system has not taken all that
// was sent to it before, which is known for a burst only when its buffers are full. (The
// Node.js server drops the second of two volatile events that are emitted at once over
// WebSocket; here both arrive.)
func (s *Socket) Volatile() Unicast { return Unicast{s: s}.Volatile() }

// Compress returns an emitter to the client whose events may, or may not, be
// compressed.
func (s *Socket) Compress(on bool) Unicast { return Unicast{s: s}.Compress(on) }

// Unicast emits to one client in a certain way. It is an immutable value that may
// be kept and shared.
type Unicast struct {
	s    *Socket
	opts engine.SendOption
}

// Volatile lets the events be dropped; see [Socket.Volatile].
func (u Unicast) Volatile() Unicast {
	u.opts |= engine.Volatile
	return u
}

// Compress tells whether the events may be compressed. The default is true,
// where the transport compresses at all.
func (u Unicast) Compress(on bool) Unicast {
	u.opts &^= engine.NoCompress
	if !on {
		u.opts |= engine.NoCompress
	}
	return u
}

// Emit emits an event to the client; see [Socket.Emit].
func (u Unicast) Emit(event string, args ...any) error { return u.s.emit(u.opts, event, args) }

// EmitWithAck emits an event to the client and returns its answer; see
// [Socket.EmitWithAck].
func (u Unicast) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return u.s.emitWithAck(ctx, u.opts, event, args)
}

func (s *Socket) emit(o engine.SendOption, event string, args []any) error {
	d := s.nsp.server.newDraft()
	defer s.nsp.server.freeDraft(d)
	if err := d.event(s.nsp, event, args); err != nil {
		return err
	}
	return s.send(&d.packet, o, event)
}

// send sends an event of this server's to the client.
func (s *Socket) send(p *adapter.Packet, o engine.SendOption, event string) error {
	s.nsp.observeOutgoing(event, p)
	more, err := s.sendable()
	if err != nil {
		return err
	}
	srv := s.nsp.server
	if fns := srv.observe.emitted; len(fns) > 0 {
		tell(srv, fns, EmittedInfo{Namespace: s.nsp, Event: event, Bytes: len(p.Data), Sockets: 1})
	}
	return s.conn.send(p, o|more)
}

// sendable reports whether the socket is connected, and how to send to it: while
// more events wait for its handlers, more is likely to be sent after this.
func (s *Socket) sendable() (engine.SendOption, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.currentState() == stateClosed:
		return 0, ErrDisconnected
	case s.waits():
		return engine.Coalesce, nil
	}
	return 0, nil
}

// ackFunc gets the answer to one event; false means that there will be none.
type ackFunc func(r adapter.Reply, ok bool)

// awaitAck registers fn to be called exactly once, unless takeAck comes first.
func (s *Socket) awaitAck(id uint64, fn ackFunc) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.currentState() == stateClosed {
		return ErrDisconnected
	}
	d := s.detail()
	if len(d.acks) >= s.nsp.server.opts.MaxPendingAcks {
		return ErrTooManyAcks
	}
	if d.acks == nil {
		d.acks = make(map[uint64]ackFunc)
	}
	d.acks[id] = fn
	return nil
}

// takeAck removes and returns what has been registered for an acknowledgement,
// nil if there is nothing.
func (s *Socket) takeAck(id uint64) ackFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.details.Load()
	if d == nil {
		return nil
	}
	fn := d.acks[id]
	delete(d.acks, id)
	if len(d.acks) == 0 {
		d.acks = nil
	}
	return fn
}

// receiveAck handles an acknowledgement on the reader, never behind a handler, so
// that a handler may wait for one. Those behind more events than may wait are not read
// before these have been handled.
// Unknown and late ones are ignored.
func (s *Socket) receiveAck(p *adapter.Packet) {
	if fn := s.takeAck(p.ID); fn != nil {
		fn(adapter.Reply{Data: bytes.Clone(p.Data), Attachments: p.Attachments}, true)
	}
}

// sendAck answers an event of the client's.
func (s *Socket) sendAck(id uint64, args []any) error {
	d := s.nsp.server.newDraft()
	defer s.nsp.server.freeDraft(d)
	if err := d.ack(s.nsp, id, args); err != nil {
		return err
	}
	return s.sendAnswer(d)
}

// sendAnswer sends an acknowledgement.
func (s *Socket) sendAnswer(d *draft) error {
	more, err := s.sendable()
	if err != nil {
		return err
	}
	return s.conn.send(&d.packet, more)
}
