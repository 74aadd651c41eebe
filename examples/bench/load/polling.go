package main

import "context"

// pendingPollScenario measures the memory of clients that poll. The connections of
// their messages stay open, as browsers keep them.
func pendingPollScenario(z sizes) scenario {
	return scenario{
		name: "polling/idle", needs: polls,
		setup: func(ctx context.Context, r *rig) error {
			// With heartbeats, the memory of their POST requests would be in the figure.
			in, err := r.start(ctx)
			if err != nil {
				return err
			}
			r.swarm.polling = true
			r.before, err = residentSize(in.pid())
			return err
		},
		steps: []step{{
			rows:    []row{{title: "resident memory per pending poll, in one room (" + thousands(z.pendingPolls) + " clients), KB", format: "%.1f", main: true}},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return r.growTo(ctx, z.pendingPolls) },
		}},
	}
}

// pollingRoomScenario measures broadcasts to clients that poll.
func pollingRoomScenario(z sizes) scenario {
	return scenario{
		name: "polling/room", needs: polls,
		setup: func(ctx context.Context, r *rig) error {
			in, err := r.start(ctx)
			if err != nil {
				return err
			}
			r.swarm.polling = true
			r.audience, err = newAudience(ctx, r.swarm, z.roomSize, in.addr)
			return err
		},
		steps: []step{{
			rows:    []row{cpu("%.1f", "delivery over polling, room of %s, 1 in flight", thousands(z.roomSize)).inShort(true)},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, 1) },
		}},
	}
}
