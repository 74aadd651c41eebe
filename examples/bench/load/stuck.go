package main

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const (
	// fillerSize is the length of the payloads that fill the buffers of the
	// connection that is not read: one is more than the client's end takes.
	fillerSize = 256 << 10
	// fillerSurplus is how many fillers the server has to keep for that
	// connection beside those that the kernel keeps.
	fillerSurplus = 2
)

// stuckScenario measures what a member that never reads costs the others.
func stuckScenario(z sizes) scenario {
	return scenario{
		name: "stuck", needs: isolates,
		setup: func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, z.roomSize) },
		steps: []step{{
			rows:    []row{{title: "time of a broadcast while one of the room never reads, over the time without", format: "%.2f", ratio: true, main: true}},
			measure: measureStuck,
		}},
	}
}

// measureStuck adds a member that never reads and returns how many times as long
// broadcasts take then.
func measureStuck(ctx context.Context, r *rig) ([]float64, error) {
	a := r.audience
	if _, err := a.timed(ctx, r.sizes.span/3); err != nil {
		return nil, err
	}
	unhindered, err := a.timed(ctx, r.sizes.span)
	if err != nil {
		return nil, err
	}
	if err := a.addStuck(ctx, r.instances[0]); err != nil {
		return nil, err
	}
	with, err := a.timed(ctx, r.sizes.span)
	return []float64{float64(with) / float64(unhindered)}, err
}

// timed returns how long a broadcast takes when there is one after the other.
func (a *audience) timed(ctx context.Context, span time.Duration) (time.Duration, error) {
	start := time.Now()
	_, err := a.broadcast(ctx, 1, 8, span)
	return time.Since(start) / time.Duration(max(1, len(a.reached))), err
}

// addStuck adds a member that does not read and fills its connection.
func (a *audience) addStuck(ctx context.Context, in *instance) error {
	if err := a.swarm.connect(ctx, in.addr, 1); err != nil {
		return err
	}
	c := a.swarm.clients[len(a.swarm.clients)-1]
	room := aside + strconv.Itoa(c.main.fd)
	if err := a.swarm.join(ctx, room, c); err != nil {
		return err
	}
	if err := a.swarm.join(ctx, hall, c); err != nil {
		return err
	}
	if err := a.swarm.poller.mute(c.main.fd); err != nil {
		return err
	}
	end, err := a.swarm.poller.local(c.main.fd)
	if err != nil {
		return err
	}
	return a.fill(ctx, room, func() (int64, error) { return unsent(in.addr, end) })
}

// fill publishes to the room that a stuck member is alone in until the kernel has
// taken nothing of the last fillers.
func (a *audience) fill(ctx context.Context, room string, unsent func() (int64, error)) error {
	filler := textMessage(eventMessage + `["pub","` + room + `","` + strings.Repeat("f", fillerSize) + `"]`)
	// The acknowledgement tells that the filler has been dealt with.
	marker := echoMessage(0, "")
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
		if largest >= fillerSize && surplus >= fillerSurplus {
			return true, nil
		}
		published++
		a.swarm.queue(a.publisher, filler)
		a.swarm.queue(a.publisher, marker)
		return false, a.swarm.flush(a.publisher)
	})
}
