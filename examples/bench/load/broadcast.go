package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// roomScenario measures broadcasts to one room.
func roomScenario(z sizes) scenario {
	sc := scenario{
		name:  fmt.Sprintf("room/%d", z.roomSize),
		setup: func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, z.roomSize) },
	}
	for _, load := range []struct {
		kind   string
		needs  feature
		window int
	}{{"text", 0, 1}, {"text", 0, growthWindow}, {"text", 0, 32}, {"binary", attaches, growthWindow}} {
		sc.steps = append(sc.steps, step{
			needs: load.needs,
			rows:  []row{{title: roomTitle(z.roomSize, load.kind, load.window), format: "%.2f", main: true}},
			measure: func(ctx context.Context, r *rig) ([]float64, error) {
				r.audience.binary = load.needs == attaches
				return measureDeliveries(ctx, r, load.window)
			},
		})
	}
	return sc
}

// roomTitle is the row of broadcasts to one room.
func roomTitle(members int, kind string, window int) string {
	return cpu("", "delivery, room of %s, %s, %d in flight", thousands(members), kind, window).title
}

// setUpAudience starts one instance and fills the rooms.
func setUpAudience(ctx context.Context, r *rig, rooms, members int) error {
	in, err := r.start(ctx)
	if err != nil {
		return err
	}
	r.audience, err = newAudiences(ctx, r.swarm, rooms, members, in.addr)
	return err
}

// measureDeliveries returns the CPU microseconds for each delivery.
func measureDeliveries(ctx context.Context, r *rig, window int) ([]float64, error) {
	if warmed := warmUpOf(r.audience.binary); r.warmed != warmed {
		r.warmed = warmed
		if _, err := r.audience.broadcast(ctx, window, window, r.sizes.span/3); err != nil {
			return nil, err
		}
	}
	figure, err := r.cost(ctx, func() (int, error) { return r.audience.broadcast(ctx, window, window, r.sizes.span) })
	return []float64{figure}, err
}

// warmUpOf names what a server has to get used to.
func warmUpOf(binary bool) string {
	if binary {
		return "binary broadcasts"
	}
	return "text broadcasts"
}

// latencyScenario measures how long after its publication a broadcast arrives.
func latencyScenario(z sizes) scenario {
	title := "from publishing to a member having it, room of " + thousands(z.largeRoom) + ", 1 in flight, "
	return scenario{
		name:  fmt.Sprintf("room/%d", z.largeRoom),
		setup: func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, z.largeRoom) },
		steps: []step{{
			rows: []row{
				{title: title + "median, ms", format: "%.1f"},
				{title: title + "99th percentile, ms", format: "%.1f", main: true},
			},
			measure: measureLatency,
		}},
	}
}

// measureLatency returns the median and the 99th percentile of the times from a
// publication until a member has it, in milliseconds.
func measureLatency(ctx context.Context, r *rig) ([]float64, error) {
	a := r.audience
	if _, err := a.broadcast(ctx, 1, 1, r.sizes.span/3); err != nil {
		return nil, err
	}
	var delays []float64
	a.observe = func(delay time.Duration) { delays = append(delays, milliseconds(delay)) }
	defer func() { a.observe = nil }()
	if _, err := a.broadcast(ctx, 1, 2, r.sizes.span); err != nil {
		return nil, err
	}
	slices.Sort(delays)
	return []float64{percentile(delays, 50), percentile(delays, 99)}, nil
}

// milliseconds converts a duration for the table.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// percentile returns the smallest of the sorted figures, of which there is at
// least one, that p percent of them do not exceed.
func percentile(sorted []float64, p int) float64 {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
