package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// burstSize is the length of the payloads of a burst.
	burstSize = 50
	// A server gets used to bursts with so many small ones.
	smallBursts, smallBurst = 10, 1000
)

var errWrongEvent = errors.New("event of a burst lost, repeated or out of order")

// burstScenario measures many small events that are emitted at once to one client,
// which reads.
func burstScenario(z sizes) scenario {
	title := fmt.Sprintf("%s events of %d bytes emitted at once to one client: ", thousands(z.burst), burstSize)
	return scenario{
		name: "burst",
		setup: func(ctx context.Context, r *rig) error {
			in, err := r.start(ctx)
			if err != nil {
				return err
			}
			if err := r.swarm.connect(ctx, in.addr, 1); err != nil {
				return err
			}
			for range smallBursts {
				if _, err := r.swarm.burst(ctx, smallBurst); err != nil {
					return err
				}
			}
			return nil
		},
		steps: []step{{
			rows: []row{
				{title: title + "until it has them all, ms", format: "%.0f", main: true},
				{title: title + "peak of the resident memory added, MB", format: "%.1f", main: true},
			},
			measure: measureBurst,
		}},
	}
}

// measureBurst returns the milliseconds until the client has everything, and the
// megabytes by which the server has grown meanwhile.
func measureBurst(ctx context.Context, r *rig) ([]float64, error) {
	pid := r.instances[0].pid()
	if err := resetPeak(pid); err != nil {
		return nil, err
	}
	before, err := residentSize(pid)
	if err != nil {
		return nil, err
	}
	took, err := r.swarm.burst(ctx, r.sizes.burst)
	if err != nil {
		return nil, err
	}
	peak, err := peakSize(pid)
	return []float64{milliseconds(took), float64(max(0, peak-before)) / (1 << 20)}, err
}

// burst asks for events and returns how long it takes until the first client has
// them all, in order.
func (s *swarm) burst(ctx context.Context, count int) (time.Duration, error) {
	received := 0
	s.size = burstSize
	s.onEvent = func(_ *client, sequence int) error {
		if received++; sequence != received {
			return fmt.Errorf("%w: %d instead of %d", errWrongEvent, sequence, received)
		}
		return nil
	}
	start := time.Now()
	if err := s.send(s.clients[0], burstMessage(count, burstSize)); err != nil {
		return 0, err
	}
	err := s.run(ctx, func() (bool, error) { return received == count, nil })
	return time.Since(start), err
}
