package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// send queues a message and writes what the connection takes.
func (s *swarm) send(c *client, m message) error {
	s.queue(c, m)
	return s.flush(c)
}

// queue queues a message for the next flush.
func (s *swarm) queue(c *client, m message) {
	if !c.polling {
		c.main.out = append(c.main.out, m.frames...)
		return
	}
	if len(c.pending) > 0 {
		c.pending = append(c.pending, separator...)
	}
	c.pending = append(c.pending, m.packet...)
}

// flush writes what is queued for c. A client that polls has one POST request
// under way at a time.
func (s *swarm) flush(c *client) error {
	if !c.polling {
		return s.flushLink(c.main)
	}
	if len(c.pending) == 0 || c.posting {
		return s.flushLink(c.main)
	}
	if c.posts == nil {
		target, err := s.poller.target(c.main.fd)
		if err != nil {
			return err
		}
		if c.posts, err = s.dial(c, target); err != nil {
			return err
		}
	}
	c.posts.out = appendPost(c.posts.out, c.sid, c.pending)
	c.pending, c.posting = c.pending[:0], true
	if err := s.flushLink(c.posts); err != nil {
		return err
	}
	return s.flushLink(c.main)
}

// flushLink writes what is queued for one connection, unless its socket is known
// to be full.
func (s *swarm) flushLink(l *link) error {
	if l.blocked || len(l.out) == 0 {
		return nil
	}
	n, err := s.poller.write(l.fd, l.out)
	if err != nil {
		return err
	}
	l.out = l.out[:copy(l.out, l.out[n:])]
	if len(l.out) == 0 {
		return nil
	}
	l.blocked = true
	return s.poller.notifyWritable(l.fd, true)
}

// handle reads from and writes to one socket that is ready.
func (s *swarm) handle(fd int, readable, writable bool) error {
	l := s.byFD[fd]
	if l == nil {
		return nil
	}
	if writable && l.blocked {
		l.blocked = false
		if err := s.poller.notifyWritable(fd, false); err != nil {
			return err
		}
		if err := s.flushLink(l); err != nil {
			return err
		}
	}
	if readable {
		if err := s.receive(l); err != nil {
			return fmt.Errorf("client in phase %d: %w", l.owner.phase, err)
		}
	}
	return s.flush(l.owner)
}

// receive reads once and handles all that has arrived completely.
func (s *swarm) receive(l *link) error {
	kept := copy(s.buf, l.in)
	n, err := s.poller.read(l.fd, s.buf[kept:])
	if errors.Is(err, io.EOF) && l == l.owner.posts && !l.owner.posting {
		// A server may end a connection on which nothing has been asked for some time.
		l.owner.posts = nil
		return s.drop(l)
	}
	if err != nil {
		return err
	}
	b := s.buf[:kept+n]
	if l.owner.polling {
		b, err = s.responses(l, b)
	} else {
		b, err = s.stream(l.owner, b)
	}
	if err != nil {
		return err
	}
	l.in = append(l.in[:0], b...)
	return nil
}

// stream handles what has arrived on a WebSocket and returns the rest.
func (s *swarm) stream(c *client, b []byte) (rest []byte, err error) {
	if c.phase == upgrading {
		n, err := parseUpgrade(b, s.accept)
		if err != nil || n == 0 {
			return b, err
		}
		c.phase = opening
		b = b[n:]
		if s.eager {
			s.greet(c)
		}
	}
	for {
		f, n, err := parseFrame(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
		if !f.final || f.op == opMore {
			if f, err = c.assemble(f); err != nil {
				return nil, err
			}
		}
		switch f.op {
		case opMore:
		case opText:
			err = s.packet(c, f.payload)
		case opBinary:
			err = s.binary(c, f.payload)
		case opPing:
			c.main.out = appendFrame(c.main.out, opPong, f.payload)
		case opPong:
		default:
			err = fmt.Errorf("%w: frame of kind %#x: %q", errHungUp, f.op, f.payload)
		}
		if err != nil {
			return nil, err
		}
	}
}

// assemble keeps a fragment and, if it is the last, returns the whole message as
// one frame.
func (c *client) assemble(f frame) (frame, error) {
	switch first := f.op != opMore; {
	case first == (len(c.fragments) > 0), f.op >= opClose, len(c.fragments)+len(f.payload) > maxPayload:
		return frame{}, fmt.Errorf("%w: frame of kind %#x", errFragments, f.op)
	case first:
		c.fragments = append(c.fragments, f.op)
	}
	c.fragments = append(c.fragments, f.payload...)
	if !f.final {
		return frame{op: opMore}, nil
	}
	whole := frame{op: c.fragments[0], final: true, payload: c.fragments[1:]}
	c.fragments = c.fragments[:0]
	return whole, nil
}

// responses handles the complete HTTP responses in b and returns the rest. A poll
// that has been answered is followed by the next.
func (s *swarm) responses(l *link, b []byte) (rest []byte, err error) {
	for len(b) > 0 {
		body, n, err := parseResponse(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
		c := l.owner
		if l != c.main {
			c.posting = false
			continue
		}
		for packet := range bytes.SplitSeq(body, []byte(separator)) {
			if err := s.packet(c, packet); err != nil {
				return nil, err
			}
		}
		l.out = appendGet(l.out, c.sid)
	}
	return b, nil
}

// greet queues the CONNECT packet.
func (s *swarm) greet(c *client) {
	c.phase = connecting
	s.queue(c, s.greeting)
}

// packet handles one message. What it queues is flushed by the caller.
func (s *swarm) packet(c *client, msg []byte) error {
	switch {
	case string(msg) == startedMessage && s.onStart != nil:
		return s.onStart(c)
	case bytes.HasPrefix(msg, []byte(eventMessage)) && s.onEvent != nil:
		sequence, err := parseEvent(msg, s.size)
		if err != nil {
			return err
		}
		return s.onEvent(c, sequence)
	case bytes.HasPrefix(msg, []byte(binaryOpening)) && !c.attachment:
		c.attachment = true
	case bytes.HasPrefix(msg, []byte(ackMessage)) && s.onAck != nil:
		id, args, err := parseAck(msg)
		if err != nil {
			return err
		}
		return s.onAck(c, id, args)
	case bytes.HasPrefix(msg, []byte("40")) && c.phase == connecting:
		c.phase = connected
		s.ready++
	case string(msg) == "2":
		s.queue(c, s.pong)
	case bytes.HasPrefix(msg, []byte("0{")) && c.phase != connected:
		return s.open(c, msg)
	default:
		return fmt.Errorf("%w: message %.120q in phase %d", errHungUp, msg, c.phase)
	}
	return nil
}

// open handles the open packet.
func (s *swarm) open(c *client, msg []byte) (err error) {
	if c.polling {
		if c.sid, err = parseOpen(msg); err != nil {
			return err
		}
	}
	if c.phase == opening {
		s.greet(c)
	}
	return nil
}

// binary handles the payload of a binary event.
func (s *swarm) binary(c *client, payload []byte) error {
	if !c.attachment || s.onEvent == nil {
		return fmt.Errorf("%w: binary message %.120q", errUnexpectedEvent, payload)
	}
	c.attachment = false
	sequence, err := parsePayload(payload, s.size)
	if err != nil {
		return err
	}
	return s.onEvent(c, sequence)
}
