package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// volley is how many messages are sent, and how many sockets are dealt with,
	// before the client that is timed has its turn: what the load generator itself
	// adds to a round trip stays far below a millisecond.
	volley = 16
	// aftermath is how much longer than the handlers wait the client is timed.
	aftermath = 500 * time.Millisecond
	// spinTick is how often events whose handlers spin are sent.
	spinTick = time.Millisecond
)

// waitScenario measures what handlers that wait cost everybody else.
func waitScenario(z sizes) scenario {
	handlers := fmt.Sprintf("%s handlers that wait %g s", thousands(z.waiting), z.wait.Seconds())
	return scenario{
		name:  "wait",
		setup: func(ctx context.Context, r *rig) error { return setUpCrowd(ctx, r, z.waiting) },
		steps: []step{{
			rows: []row{
				{title: "longest round trip of a client beside " + handlers + ", ms", format: "%.1f", main: true},
				{title: "latest start of one of " + handlers + ", after its event was sent, ms", format: "%.1f", main: true},
			},
			measure: measureWaiting,
		}},
	}
}

// spinScenario measures what handlers that compute cost everybody else.
func spinScenario(z sizes) scenario {
	title := fmt.Sprintf("longest round trip of a client beside %s events a second whose handlers spin for %d µs, ms", thousands(z.spins), z.spin.Microseconds())
	return scenario{
		name:  "spin",
		setup: func(ctx context.Context, r *rig) error { return setUpCrowd(ctx, r, z.ackClients) },
		steps: []step{{rows: []row{{title: title, format: "%.1f", main: true}}, measure: measureSpinning}},
	}
}

// setUpCrowd connects size clients and one more, which is to be timed, and makes the
// server used to round trips.
func setUpCrowd(ctx context.Context, r *rig, size int) error {
	in, err := r.start(ctx)
	if err != nil {
		return err
	}
	if err := r.swarm.connect(ctx, in.addr, size+1); err != nil {
		return err
	}
	_, err = r.swarm.echo(ctx, 1, usualSize, r.sizes.span/3)
	return err
}

// measureWaiting returns the longest round trip, and the longest time from an event
// to the start of its handler, in milliseconds.
func measureWaiting(ctx context.Context, r *rig) ([]float64, error) {
	crowd, p := newProbe(r.swarm)
	defer p.close()
	m := waitMessage(r.sizes.wait)
	sent, started := 0, 0
	sentAt := make(map[*client]time.Time, len(crowd))
	latest := time.Duration(0)
	r.swarm.onStart = func(c *client) error {
		started++
		latest = max(latest, time.Since(sentAt[c]))
		return nil
	}
	r.swarm.tick = 0
	longest, err := p.during(ctx, r.sizes.wait+aftermath, func() (bool, error) {
		for range min(volley, len(crowd)-sent) {
			sentAt[crowd[sent]] = time.Now()
			if err := r.swarm.send(crowd[sent], m); err != nil {
				return false, err
			}
			if sent++; sent == len(crowd) {
				r.swarm.tick = usualTick
			}
		}
		return started == len(crowd), nil
	})
	return []float64{milliseconds(longest), milliseconds(latest)}, err
}

// measureSpinning returns the longest round trip in milliseconds. The clients of the
// crowd send by turns and by the clock, whether or not the server keeps up.
func measureSpinning(ctx context.Context, r *rig) ([]float64, error) {
	crowd, p := newProbe(r.swarm)
	defer p.close()
	m, marker := spinMessage(r.sizes.spin), echoMessage(0, "")
	start, sent, marked, handled := time.Now(), 0, 0, 0
	total := int(r.sizes.wait.Seconds() * float64(r.sizes.spins))
	p.others = func(*client) { handled++ }
	longest, err := p.during(ctx, r.sizes.wait, func() (bool, error) {
		due := min(total, int(time.Since(start).Seconds()*float64(r.sizes.spins)))
		for i := 0; i < volley && sent < due; i++ {
			if err := r.swarm.send(crowd[sent%len(crowd)], m); err != nil {
				return false, err
			}
			sent++
		}
		r.swarm.tick = 0
		if sent == due {
			r.swarm.tick = spinTick
		}
		// The acknowledgements tell that a server has taken all of it.
		for ; sent == total && marked < len(crowd); marked++ {
			if err := r.swarm.send(crowd[marked], marker); err != nil {
				return false, err
			}
		}
		return handled == len(crowd), nil
	})
	return []float64{milliseconds(longest)}, err
}

// probe is a client whose round trips are timed, one after another.
type probe struct {
	swarm   *swarm
	client  *client
	message message
	sentAt  time.Time
	waiting bool // for an acknowledgement
	longest time.Duration
	// others, if not nil, is called with each other client that gets an
	// acknowledgement.
	others func(c *client)
}

// newProbe returns a probe that is the last client of the swarm, and the others.
func newProbe(s *swarm) (crowd []*client, p *probe) {
	last := len(s.clients) - 1
	p = &probe{swarm: s, client: s.clients[last], message: echoMessage(0, "")}
	s.onAck = p.answered
	s.poller.batch(volley)
	return s.clients[:last], p
}

// close leaves the swarm as it was.
func (p *probe) close() {
	p.swarm.onAck, p.swarm.onStart = nil, nil
	p.swarm.tick = usualTick
	p.swarm.poller.batch(usualBatch)
}

// during makes round trips for some time and calls load, by turns, until that has
// nothing left to do. It returns the longest round trip.
func (p *probe) during(ctx context.Context, span time.Duration, load func() (done bool, err error)) (time.Duration, error) {
	end := time.Now().Add(span)
	err := p.swarm.run(ctx, func() (bool, error) {
		done, err := load()
		switch {
		case err != nil || p.waiting:
			return false, err
		case time.Now().Before(end):
			p.waiting, p.sentAt = true, time.Now()
			return false, p.swarm.send(p.client, p.message)
		}
		return done, nil
	})
	return p.longest, err
}

// answered takes note of an acknowledgement.
func (p *probe) answered(c *client, _ int, _ []byte) error {
	if c == p.client {
		p.waiting, p.longest = false, max(p.longest, time.Since(p.sentAt))
	} else if p.others != nil {
		p.others(c)
	}
	return nil
}
