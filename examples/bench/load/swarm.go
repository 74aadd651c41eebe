package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// dialing is how many clients may be on their way in at a time.
const dialing = 64

// tolerance is how long a client waits for a server that is allowed to have flaws.
const tolerance = 2 * time.Second

// errStalled is returned when the server has been silent for longer than the
// time it is given.
var errStalled = errors.New("the server has stopped answering")

// swarm runs any number of clients on one thread. What a scenario is about is in
// its two callbacks and in the step function of run.
type swarm struct {
	poller   *poller
	patience time.Duration // how long run waits for anything at all to happen
	clients  []*client
	byFD     []*client
	ready    int    // clients that have been connected
	eager    bool   // send CONNECT without waiting for the open packet
	flaws    *flaws // nil if the server is to be without any
	buf      []byte // what one read fills
	request  []byte
	accept   []byte
	greet    []byte // the CONNECT frame
	pong     []byte // the answer to a heartbeat

	// onEvent is called with each event, as it was sent.
	onEvent func(c *client, msg []byte) error
	// onAck is called with each acknowledgement.
	onAck func(c *client, id int, args []byte) error
}

// flaws counts what a server has got wrong. It is there for the peer: without
// tolerance there would be no figure of it to compare with.
type flaws struct {
	hung      int // clients that were never answered, and replaced by others
	reordered int // deliveries before or after their turn
}

// newSwarm returns a swarm without clients, for one or more instances of s.
func newSwarm(l *lab, s *server) (*swarm, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &swarm{
		poller:   p,
		patience: l.patience,
		flaws:    s.flaws,
		buf:      make([]byte, 256<<10),
		request:  request(),
		accept:   acceptValue(),
		greet:    textFrame("40"),
		pong:     textFrame("3"),
	}, nil
}

// close hangs up all clients.
func (s *swarm) close() error {
	return errors.Join(s.hangUp(), s.poller.close())
}

// hangUp closes all connections without a word, as a client that dies does.
func (s *swarm) hangUp() error {
	errs := make([]error, 0, len(s.clients))
	for _, c := range s.clients {
		errs = append(errs, s.poller.hangUp(c.fd))
		s.byFD[c.fd] = nil
	}
	s.clients, s.ready = nil, 0
	return errors.Join(errs...)
}

// run calls step and handles what arrives, by turns, until step says that all is
// done.
func (s *swarm) run(ctx context.Context, step func() (done bool, err error)) error {
	last := time.Now()
	for {
		if done, err := step(); done || err != nil {
			return err
		}
		handled := false
		err := s.poller.wait(100*time.Millisecond, func(fd int, readable, writable bool) error {
			handled = true
			return s.handle(fd, readable, writable)
		})
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case handled:
			last = time.Now()
		case time.Since(last) > s.patience:
			return fmt.Errorf("%w: nothing for %v, %d of %d clients connected", errStalled, s.patience, s.ready, len(s.clients))
		}
	}
}

// connect adds n clients of the server at target, 64 at a time, and returns when
// all of them have been connected. It spreads them over many source addresses,
// each of which has no more than 28,000 ports to offer.
func (s *swarm) connect(ctx context.Context, target netip.AddrPort, n int) error {
	limit := s.ready + n
	return s.run(ctx, func() (bool, error) {
		for len(s.clients) < limit && len(s.clients)-s.ready < dialing {
			source := netip.AddrFrom4([4]byte{127, 0, byte(1 + len(s.clients)%8), 1})
			if err := s.dial(source, target); err != nil {
				return false, err
			}
		}
		return s.ready == limit, s.replaceHung()
	})
}

// replaceHung hangs up the clients that have not been answered for some time, if
// the server is allowed to have flaws. The caller dials again.
func (s *swarm) replaceHung() error {
	if s.flaws == nil {
		return nil
	}
	var errs []error
	s.clients = slices.DeleteFunc(s.clients, func(c *client) bool {
		if c.phase == connected || time.Since(c.dialed) < tolerance {
			return false
		}
		s.flaws.hung++
		s.byFD[c.fd] = nil
		errs = append(errs, s.poller.hangUp(c.fd))
		return true
	})
	return errors.Join(errs...)
}

// dial adds one client.
func (s *swarm) dial(source netip.Addr, target netip.AddrPort) error {
	fd, err := s.poller.dial(source, target)
	if err != nil {
		return err
	}
	c := &client{fd: fd, dialed: time.Now()}
	for fd >= len(s.byFD) {
		s.byFD = append(s.byFD, nil)
	}
	s.byFD[fd] = c
	s.clients = append(s.clients, c)
	return s.send(c, s.request)
}

// join makes the clients join a room and returns when all have been told that
// they are in.
func (s *swarm) join(ctx context.Context, room string, clients ...*client) error {
	frame := textFrame(joinMessage(room))
	sent, joined := 0, 0
	s.onAck = func(*client, int, []byte) error {
		joined++
		return nil
	}
	return s.run(ctx, func() (bool, error) {
		for sent < len(clients) && sent-joined < dialing {
			if err := s.send(clients[sent], frame); err != nil {
				return false, err
			}
			sent++
		}
		return joined == len(clients), nil
	})
}

// send queues b and writes what the socket takes.
func (s *swarm) send(c *client, b []byte) error {
	c.out = append(c.out, b...)
	return s.flush(c)
}

// flush writes what is queued for c, unless its socket is known to be full.
func (s *swarm) flush(c *client) error {
	if c.blocked || len(c.out) == 0 {
		return nil
	}
	n, err := s.poller.write(c.fd, c.out)
	if err != nil {
		return err
	}
	c.out = c.out[:copy(c.out, c.out[n:])]
	if len(c.out) == 0 {
		return nil
	}
	c.blocked = true
	return s.poller.notifyWritable(c.fd, true)
}

// handle reads from and writes to one socket that is ready.
func (s *swarm) handle(fd int, readable, writable bool) error {
	c := s.byFD[fd]
	if c == nil {
		return nil
	}
	if writable && c.blocked {
		c.blocked = false
		if err := s.poller.notifyWritable(fd, false); err != nil {
			return err
		}
	}
	if readable {
		if err := s.receive(c); err != nil {
			return err
		}
	}
	return s.flush(c)
}

// receive reads once and handles all that has arrived completely.
func (s *swarm) receive(c *client) error {
	kept := copy(s.buf, c.in)
	n, err := s.poller.read(c.fd, s.buf[kept:])
	if err != nil {
		return fmt.Errorf("client in phase %d: %w", c.phase, err)
	}
	b := s.buf[:kept+n]
	if c.phase == upgrading {
		n, err := parseResponse(b, s.accept)
		if err != nil {
			return err
		}
		if n > 0 {
			c.phase = opening
			b = b[n:]
			if s.eager {
				s.greetServer(c)
			}
		}
	}
	if c.phase != upgrading {
		if b, err = s.frames(c, b); err != nil {
			return err
		}
	}
	c.in = append(c.in[:0], b...)
	return nil
}

// greetServer queues the CONNECT packet.
func (s *swarm) greetServer(c *client) {
	c.phase = connecting
	c.out = append(c.out, s.greet...)
}

// frames handles the complete frames in b and returns the rest.
func (s *swarm) frames(c *client, b []byte) (rest []byte, err error) {
	for {
		f, n, err := parseFrame(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
		switch f.op {
		case opText:
			err = s.message(c, f.payload)
		case opPing:
			c.out = appendFrame(c.out, opPong, f.payload)
		case opPong:
		default:
			err = fmt.Errorf("%w: frame of kind %#x: %q", errHungUp, f.op, f.payload)
		}
		if err != nil {
			return nil, err
		}
	}
}

// message handles one message. What it queues is flushed by the caller.
func (s *swarm) message(c *client, msg []byte) error {
	switch {
	case bytes.HasPrefix(msg, []byte(eventMessage)) && s.onEvent != nil:
		return s.onEvent(c, msg)
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
		c.out = append(c.out, s.pong...)
	case bytes.HasPrefix(msg, []byte("0{")) && c.phase != connected:
		if c.phase == opening {
			s.greetServer(c)
		}
	default:
		return fmt.Errorf("%w: message %.120q in phase %d", errHungUp, msg, c.phase)
	}
	return nil
}
