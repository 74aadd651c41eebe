package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

var errWrongDelivery = errors.New("broadcast repeated or out of order")

// measureRoom returns the CPU microseconds for each delivery with 1, 4 and 32
// broadcasts in flight.
func measureRoom(ctx context.Context, l *lab, s *server) (figures []float64, err error) {
	err = withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		figures, err = measureDeliveries(ctx, l, sw, []*instance{in}, 1, 4, 32)
		return err
	})
	return figures, err
}

// measureRedis returns the CPU microseconds that two instances use together for
// each delivery, with 4 broadcasts in flight.
func measureRedis(ctx context.Context, l *lab, s *server) (figures []float64, err error) {
	redis, url, err := startRedis(ctx, l.dir)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	first, err := s.start(ctx, "REDIS_URL="+url)
	if err != nil {
		return nil, err
	}
	defer first.stop()
	second, err := s.start(ctx, "REDIS_URL="+url)
	if err != nil {
		return nil, err
	}
	defer second.stop()
	sw, err := newSwarm(l, s)
	if err != nil {
		return nil, err
	}
	figures, err = measureDeliveries(ctx, l, sw, []*instance{first, second}, 4)
	if err != nil {
		err = first.explain(second.explain(err))
	}
	return figures, errors.Join(err, sw.close())
}

// measureDeliveries fills the room evenly from all instances and measures it with
// each of the windows.
func measureDeliveries(ctx context.Context, l *lab, sw *swarm, instances []*instance, windows ...int) ([]float64, error) {
	targets := make([]netip.AddrPort, 0, len(instances))
	for _, in := range instances {
		targets = append(targets, in.addr)
	}
	r, err := newAudience(ctx, sw, l.sizes.roomSize, targets...)
	if err != nil {
		return nil, err
	}
	var figures []float64
	for _, window := range windows {
		if err := r.broadcast(ctx, window, max(window, l.sizes.roomWarmUp)); err != nil {
			return nil, err
		}
		n := l.sizes.broadcasts
		figure, err := microsecondsPer(n*len(r.members), instances, func() error { return r.broadcast(ctx, window, n) })
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure)
	}
	return figures, nil
}

// audience is a room with its members and a publisher outside it.
type audience struct {
	swarm     *swarm
	members   []*client
	publisher *client
	published int   // sequence number of the last broadcast
	reached   []int // members that have received each broadcast of the current run
	complete  int   // broadcasts that all members have received
}

// newAudience connects size members, spread evenly over the targets, and a
// publisher, which is connected to the first of them.
func newAudience(ctx context.Context, sw *swarm, size int, targets ...netip.AddrPort) (*audience, error) {
	for i, target := range targets {
		share := size*(i+1)/len(targets) - size*i/len(targets)
		if err := sw.connect(ctx, target, share); err != nil {
			return nil, err
		}
	}
	members := sw.clients[:size:size]
	if err := sw.join(ctx, room, members...); err != nil {
		return nil, err
	}
	if err := sw.connect(ctx, targets[0], 1); err != nil {
		return nil, err
	}
	return &audience{swarm: sw, members: members, publisher: sw.clients[size]}, nil
}

// broadcast publishes n times with window broadcasts in flight and returns when
// all members have received all of them.
func (a *audience) broadcast(ctx context.Context, window, n int) error {
	base := a.published
	a.reached = make([]int, n)
	a.swarm.onEvent = func(c *client, msg []byte) error {
		sequence, err := parseEvent(msg)
		if err != nil {
			return err
		}
		c.received++
		if err := a.checkOrder(c, sequence, base); err != nil {
			return err
		}
		if a.reached[sequence-base-1]++; a.reached[sequence-base-1] == len(a.members) {
			a.complete++
		}
		return nil
	}
	return a.swarm.run(ctx, func() (bool, error) {
		for a.published < base+n && a.published-a.complete < window {
			a.published++
			a.publisher.out = appendFrame(a.publisher.out, opText, []byte(pubMessage(a.published)))
		}
		return a.complete == base+n, a.swarm.flush(a.publisher)
	})
}

// checkOrder checks the sequence number of the event that c has just received in
// the run that follows broadcast base.
func (a *audience) checkOrder(c *client, sequence, base int) error {
	if sequence == c.received && sequence <= a.published {
		return nil
	}
	if a.swarm.flaws != nil && sequence > base && sequence <= a.published && a.reached[sequence-base-1] < len(a.members) {
		a.swarm.flaws.reordered++
		return nil
	}
	return fmt.Errorf("%w: %d instead of %d", errWrongDelivery, sequence, c.received)
}
