package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// dialing is how many clients may be on their way in at a time.
const dialing = 64

const (
	// usualTick is how long run waits for sockets before it calls its step again.
	usualTick = 100 * time.Millisecond
	// usualBatch is how many sockets are reported at a time.
	usualBatch = 1024
)

// errStalled is returned when the server has been silent for longer than the
// time it is given.
var errStalled = errors.New("the server has stopped answering")

// swarm runs any number of clients on one thread. What a scenario is about is in
// its callbacks and in the step function of run.
type swarm struct {
	poller   *poller
	patience time.Duration // how long run waits for anything at all to happen
	tick     time.Duration // how long run waits before it calls its step again
	now      time.Time     // when the last sockets became ready
	clients  []*client
	byFD     []*link
	ready    int    // clients that have been connected
	eager    bool   // send CONNECT without waiting for the open packet
	polling  bool   // new clients poll
	size     int    // of the payloads of events
	buf      []byte // what one read fills
	request  []byte
	accept   []byte
	greeting message // the CONNECT packet
	pong     message // the answer to a heartbeat

	// onEvent is called with the sequence number of each event.
	onEvent func(c *client, sequence int) error
	// onAck is called with each acknowledgement.
	onAck func(c *client, id int, args []byte) error
	// onStart is called when a handler that waits has started.
	onStart func(c *client) error
}

// newSwarm returns a swarm without clients.
func newSwarm(l *lab) (*swarm, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &swarm{
		poller:   p,
		patience: l.patience,
		tick:     usualTick,
		size:     usualSize,
		buf:      make([]byte, 256<<10),
		request:  handshake(),
		accept:   acceptValue(),
		greeting: textMessage("40"),
		pong:     textMessage("3"),
	}, nil
}

// close resets all connections, so that the kernel does not keep tens of
// thousands of them for a minute.
func (s *swarm) close() error {
	errs := make([]error, 0, len(s.byFD)+1)
	for _, l := range s.byFD {
		if l != nil {
			errs = append(errs, s.poller.reset(l.fd))
		}
	}
	s.clients, s.byFD, s.ready = nil, nil, 0
	return errors.Join(append(errs, s.poller.close())...)
}

// hangUp closes all connections without a word, as a client that dies does.
func (s *swarm) hangUp() error {
	errs := make([]error, 0, 2*len(s.clients))
	for _, c := range s.clients {
		errs = append(errs, s.drop(c.main), s.drop(c.posts))
	}
	s.clients, s.ready = nil, 0
	return errors.Join(errs...)
}

// drop closes one connection, if there is one.
func (s *swarm) drop(l *link) error {
	if l == nil {
		return nil
	}
	s.byFD[l.fd] = nil
	return s.poller.hangUp(l.fd)
}

// run calls step and handles what arrives, by turns, until step says that all is
// done.
func (s *swarm) run(ctx context.Context, step func() (done bool, err error)) error {
	s.now = time.Now()
	last := s.now
	for {
		if done, err := step(); done || err != nil {
			return err
		}
		handled := false
		err := s.poller.wait(s.tick, func(fd int, readable, writable bool) error {
			if !handled {
				handled, s.now = true, time.Now()
			}
			return s.handle(fd, readable, writable)
		})
		if !handled {
			s.now = time.Now()
		}
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case handled:
			last = s.now
		case s.now.Sub(last) > s.patience:
			return fmt.Errorf("%w: nothing for %v, %d of %d clients connected", errStalled, s.patience, s.ready, len(s.clients))
		}
	}
}

// idle only answers heartbeats for a while.
func (s *swarm) idle(ctx context.Context, d time.Duration) error {
	// Silence is what is expected here.
	patience := s.patience
	s.patience += d
	defer func() { s.patience = patience }()
	end := time.Now().Add(d)
	return s.run(ctx, func() (bool, error) { return !s.now.Before(end), nil })
}

// connect adds n clients of the server at target, 64 at a time, and returns when
// all of them have been connected.
func (s *swarm) connect(ctx context.Context, target netip.AddrPort, n int) error {
	limit := s.ready + n
	return s.run(ctx, func() (bool, error) {
		for len(s.clients) < limit && len(s.clients)-s.ready < dialing {
			if err := s.add(target); err != nil {
				return false, err
			}
		}
		return s.ready == limit, nil
	})
}

// add adds one client.
func (s *swarm) add(target netip.AddrPort) error {
	c := &client{polling: s.polling}
	main, err := s.dial(c, target)
	if err != nil {
		return err
	}
	c.main = main
	s.clients = append(s.clients, c)
	if c.polling {
		c.phase = opening
		main.out = appendGet(main.out, "")
	} else {
		main.out = append(main.out, s.request...)
	}
	return s.flushLink(main)
}

// dial makes a connection. Connections are spread over many source addresses,
// each of which has no more than 28,000 ports to offer.
func (s *swarm) dial(c *client, target netip.AddrPort) (*link, error) {
	source := netip.AddrFrom4([4]byte{127, 0, byte(1 + len(s.clients)%8), 1})
	fd, err := s.poller.dial(source, target)
	if err != nil {
		return nil, err
	}
	for fd >= len(s.byFD) {
		s.byFD = append(s.byFD, nil)
	}
	s.byFD[fd] = &link{fd: fd, owner: c}
	return s.byFD[fd], nil
}

// join makes the clients join a room and returns when all have been told that
// they are in.
func (s *swarm) join(ctx context.Context, room string, clients ...*client) error {
	m := joinMessage(room)
	sent, joined := 0, 0
	s.onAck = func(*client, int, []byte) error {
		joined++
		return nil
	}
	return s.run(ctx, func() (bool, error) {
		for sent < len(clients) && sent-joined < dialing {
			if err := s.send(clients[sent], m); err != nil {
				return false, err
			}
			sent++
		}
		return joined == len(clients), nil
	})
}
