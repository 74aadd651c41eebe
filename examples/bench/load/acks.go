package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// ackScenario measures round trips of `echo` with payloads of several sizes.
func ackScenario(z sizes) scenario {
	sc := scenario{name: "ack", setup: func(ctx context.Context, r *rig) error { return setUpAcks(ctx, r, false) }}
	for _, load := range []struct{ size, inFlight int }{{usualSize, 1}, {usualSize, 16}, {4096, 16}} {
		sc.steps = append(sc.steps, step{
			rows: []row{cpu("%.2f", "ack round trip, %s bytes, %d in flight for each of %d clients", thousands(load.size), load.inFlight, z.ackClients).
				inShort(load.size == usualSize)},
			measure: func(ctx context.Context, r *rig) ([]float64, error) {
				return measureAcks(ctx, r, load.inFlight, load.size)
			},
		})
	}
	return sc
}

// pollingAckScenario measures round trips of clients that poll.
func pollingAckScenario(z sizes) scenario {
	return scenario{
		name: "polling/ack", needs: polls,
		setup: func(ctx context.Context, r *rig) error { return setUpAcks(ctx, r, true) },
		steps: []step{{
			rows:    []row{cpu("%.1f", "ack round trip over polling, 1 in flight for each of %d clients", z.ackClients)},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureAcks(ctx, r, 1, usualSize) },
		}},
	}
}

func setUpAcks(ctx context.Context, r *rig, polling bool) error {
	in, err := r.start(ctx)
	if err != nil {
		return err
	}
	r.swarm.polling = polling
	return r.swarm.connect(ctx, in.addr, r.sizes.ackClients)
}

// measureAcks returns the CPU microseconds for each round trip.
func measureAcks(ctx context.Context, r *rig, inFlight, size int) ([]float64, error) {
	if r.warmed != "acks" {
		r.warmed = "acks"
		if _, err := r.swarm.echo(ctx, inFlight, size, r.sizes.span/3); err != nil {
			return nil, err
		}
	}
	figure, err := r.cost(ctx, func() (int, error) { return r.swarm.echo(ctx, inFlight, size, r.sizes.span) })
	return []float64{figure}, err
}

// echo makes round trips for some time, with inFlight of them at a time for each
// client, and returns how many there have been.
func (s *swarm) echo(ctx context.Context, inFlight, size int, span time.Duration) (done int, err error) {
	payload := strings.Repeat("e", size)
	messages := make([]message, inFlight)
	for id := range messages {
		messages[id] = echoMessage(id, payload)
	}
	answer := `["` + payload + `"]`
	sent, end := 0, time.Now().Add(span)
	s.onAck = func(c *client, id int, args []byte) error {
		if id >= inFlight || string(args) != answer {
			return fmt.Errorf("%w: id %d, %.200q", errUnexpectedAck, id, args)
		}
		done++
		if s.now.Before(end) {
			sent++
			s.queue(c, messages[id])
		}
		return nil
	}
	for _, c := range s.clients {
		for _, m := range messages {
			s.queue(c, m)
			sent++
		}
		if err := s.flush(c); err != nil {
			return 0, err
		}
	}
	err = s.run(ctx, func() (bool, error) { return done == sent, nil })
	return done, err
}
