package main

import (
	"context"
	"strings"
	"time"
)

const (
	// fillerSize is the length of the payloads that fill the buffers of the
	// connection that is not read.
	fillerSize = 16 << 10
	// fillerSurplus is how many fillers the server has to keep for that
	// connection beside those that the kernel keeps.
	fillerSurplus = 4
)

// measureStuck returns how many times as long broadcasts take with a member that
// never reads.
func measureStuck(ctx context.Context, l *lab, s *server) (figures []float64, err error) {
	err = withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		a, err := newAudience(ctx, sw, l.sizes.roomSize, in.addr)
		if err != nil {
			return err
		}
		if err := a.broadcast(ctx, 1, l.sizes.roomWarmUp); err != nil {
			return err
		}
		without, err := a.timed(ctx, l.sizes.broadcasts)
		if err != nil {
			return err
		}
		if err := a.addStuck(ctx, in); err != nil {
			return err
		}
		with, err := a.timed(ctx, l.sizes.broadcasts)
		figures = []float64{float64(with) / float64(without)}
		return err
	})
	return figures, err
}

// timed returns how long n broadcasts take, one after the other.
func (a *audience) timed(ctx context.Context, n int) (time.Duration, error) {
	start := time.Now()
	err := a.broadcast(ctx, 1, n)
	return time.Since(start), err
}

// addStuck adds a member that does not read and fills its connection.
func (a *audience) addStuck(ctx context.Context, in *instance) error {
	if err := a.swarm.connect(ctx, in.addr, 1); err != nil {
		return err
	}
	c := a.swarm.clients[len(a.swarm.clients)-1]
	if err := a.swarm.join(ctx, aside, c); err != nil {
		return err
	}
	if err := a.swarm.join(ctx, room, c); err != nil {
		return err
	}
	if err := a.swarm.poller.mute(c.fd); err != nil {
		return err
	}
	port, err := a.swarm.poller.localPort(c.fd)
	if err != nil {
		return err
	}
	return a.fill(ctx, func() (int64, error) { return unsent(in.addr.Port(), port) })
}

// fill publishes to the room that the stuck member is alone in until the kernel
// has taken nothing of the last fillers.
func (a *audience) fill(ctx context.Context, unsent func() (int64, error)) error {
	filler := textFrame(eventMessage + `["pub","` + aside + `","` + strings.Repeat("f", fillerSize) + `"]`)
	// The acknowledgement tells that the filler has been dealt with.
	marker := textFrame(echoMessage(0))
	handled, published, surplus := 0, 0, 0
	largest := int64(0)
	a.swarm.onAck = func(*client, int, []byte) error {
		handled++
		return nil
	}
	return a.swarm.run(ctx, func() (bool, error) {
		if handled < published {
			return false, nil
		}
		n, err := unsent()
		if err != nil {
			return false, err
		}
		if surplus++; n > largest {
			largest, surplus = n, 0
		}
		published++
		a.publisher.out = append(append(a.publisher.out, filler...), marker...)
		return largest > 0 && surplus >= fillerSurplus, a.swarm.flush(a.publisher)
	})
}
