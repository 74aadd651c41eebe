package main

import (
	"context"
	"fmt"
)

// redisScenario measures broadcasts to one room on two instances.
func redisScenario(z sizes) scenario {
	sc := scenario{
		name: "redis", needs: clusters,
		setup: func(ctx context.Context, r *rig) error { return setUpCluster(ctx, r, 2, z.roomSize) },
	}
	for _, window := range []int{1, 4, 32} {
		sc.steps = append(sc.steps, step{
			rows:    []row{cpu("%.2f", "delivery, room of %s on two instances over Redis, %d in flight", thousands(z.roomSize), window).inShort(window == growthWindow)},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, window) },
		})
	}
	sc.steps = append(sc.steps, trafficStep(2, usualSize))
	return sc
}

// setUpCluster starts instances on one Redis and spreads the members of a room
// over them. One instance has no Redis.
func setUpCluster(ctx context.Context, r *rig, instances, members int) (err error) {
	var env []string
	if instances > 1 {
		if r.redis, err = startRedis(ctx, r.dir); err != nil {
			return err
		}
		env = append(env, "REDIS_URL=redis://"+r.redis.addr.String()+"/0")
	}
	for range instances {
		if _, err := r.start(ctx, env...); err != nil {
			return err
		}
	}
	r.audience, err = newAudience(ctx, r.swarm, members, r.targets()...)
	return err
}

// trafficRows are what a broadcast makes Redis do.
func trafficRows(instances, size int) []row {
	of := fmt.Sprintf(" per broadcast of %s bytes to %d instances", thousands(size), instances)
	return []row{
		{title: "commands that Redis gets" + of, format: "%.2f"},
		{title: "bytes that Redis gets" + of, format: "%.0f"},
		{title: "bytes that Redis sends" + of, format: "%.0f"},
	}
}

// trafficStep measures what broadcasts of the given size make Redis do.
func trafficStep(instances, size int) step {
	return step{rows: trafficRows(instances, size), measure: func(ctx context.Context, r *rig) ([]float64, error) {
		r.audience.size = size
		return measureTraffic(ctx, r)
	}}
}

// measureTraffic returns what one broadcast makes Redis receive and send.
func measureTraffic(ctx context.Context, r *rig) ([]float64, error) {
	before, err := redisTraffic(ctx, r.redis.addr)
	if err != nil {
		return nil, err
	}
	if _, err := r.audience.broadcast(ctx, 4, 8, r.sizes.span/3); err != nil {
		return nil, err
	}
	after, err := redisTraffic(ctx, r.redis.addr)
	if err != nil {
		return nil, err
	}
	// The question for the counters is a command itself, and its answer some
	// kilobytes: they are spread over many broadcasts, and measured to be left out.
	again, err := redisTraffic(ctx, r.redis.addr)
	if err != nil {
		return nil, err
	}
	asking, grown, n := again.minus(after), after.minus(before), float64(len(r.audience.reached))
	return []float64{
		float64(grown.commands-asking.commands) / n,
		float64(grown.in-asking.in) / n,
		float64(grown.out-asking.out) / n,
	}, nil
}
