package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// The heartbeats of idle clients are measured at a shorter interval than the
// default of 25 s.
const (
	pingInterval    = 5 * time.Second
	defaultInterval = 25 * time.Second
)

// idleTitle is the row of the memory that n idle clients use.
func idleTitle(n int) string {
	return fmt.Sprintf("resident memory per idle client, in one room (%s clients), KB", thousands(n))
}

// idleScenario measures clients that do nothing.
func idleScenario(z sizes) scenario {
	heartbeat := row{
		title:  fmt.Sprintf("share of a core for the heartbeats of %s idle clients, at 25 s each, %%", thousands(z.idle[1])),
		format: "%.2f", main: true,
	}
	sc := scenario{name: "idle", needs: heartbeats, setup: setUpIdle}
	for _, n := range z.idle {
		sc.steps = append(sc.steps, step{
			rows:    []row{{title: idleTitle(n), format: "%.1f", main: true}},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return r.growTo(ctx, n) },
		})
	}
	sc.steps = append(sc.steps, step{rows: []row{heartbeat}, measure: measureHeartbeats})
	return sc
}

// goroutinesScenario is the same with a goroutine for each connection.
func goroutinesScenario(z sizes) scenario {
	sc := scenario{name: "goroutines", needs: goroutines, setup: func(ctx context.Context, r *rig) error {
		return setUpIdleWith(ctx, r, "TANDEM_PARKING=off")
	}}
	for _, n := range z.idle {
		sc.steps = append(sc.steps, step{
			rows: []row{{
				title:  fmt.Sprintf("resident memory per idle client with a goroutine for each connection (%s clients), KB", thousands(n)),
				format: "%.1f", against: idleTitle(n), main: true,
			}},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return r.growTo(ctx, n) },
		})
	}
	return sc
}

func setUpIdle(ctx context.Context, r *rig) error { return setUpIdleWith(ctx, r) }

// setUpIdleWith starts the server and reads how large it is without clients.
func setUpIdleWith(ctx context.Context, r *rig, env ...string) error {
	in, err := r.start(ctx, append(env, "PING_INTERVAL="+strconv.FormatInt(pingInterval.Milliseconds(), 10))...)
	if err != nil {
		return err
	}
	if err := r.swarm.idle(ctx, time.Second); err != nil {
		return err
	}
	r.before, err = residentSize(in.pid())
	return err
}

// growTo connects clients until there are n, makes them join the room and, when
// they have settled, returns the resident kilobytes for each.
func (r *rig) growTo(ctx context.Context, n int) ([]float64, error) {
	had := len(r.swarm.clients)
	if err := r.swarm.connect(ctx, r.addr(), n-had); err != nil {
		return nil, err
	}
	if err := r.swarm.join(ctx, hall, r.swarm.clients[had:]...); err != nil {
		return nil, err
	}
	if err := r.swarm.idle(ctx, r.sizes.settle); err != nil {
		return nil, err
	}
	after, err := residentSize(r.instances[0].pid())
	if err != nil {
		return nil, err
	}
	return []float64{float64(after-r.before) / 1024 / float64(n)}, r.snapshot(ctx)
}

// measureHeartbeats returns the percentage of a core that the connected clients
// would cost at the default interval.
func measureHeartbeats(ctx context.Context, r *rig) ([]float64, error) {
	const intervals = 1
	// Any span of an interval holds one heartbeat of each client.
	figure, err := r.cost(ctx, func() (int, error) { return intervals, r.swarm.idle(ctx, intervals*pingInterval) })
	return []float64{figure / float64(defaultInterval.Microseconds()) * 100}, err
}

// connectScenario measures clients on their way in.
func connectScenario() scenario {
	return scenario{
		name:  "connect",
		steps: []step{{rows: []row{cpu("%.0f", "accepted connection").inShort(true)}, measure: measureConnects}},
		setup: func(ctx context.Context, r *rig) error {
			in, err := r.start(ctx)
			if err != nil {
				return err
			}
			r.swarm.eager = true
			if err := r.swarm.connect(ctx, in.addr, r.sizes.connectWarmUp); err != nil {
				return err
			}
			return r.swarm.leave(ctx)
		},
	}
}

// leave hangs up all clients and waits until the server has dealt with that, so
// that it is in no figure.
func (s *swarm) leave(ctx context.Context) error {
	if err := s.hangUp(); err != nil {
		return err
	}
	return s.idle(ctx, time.Second)
}

// measureConnects returns the CPU microseconds for each accepted connection.
func measureConnects(ctx context.Context, r *rig) ([]float64, error) {
	figure, err := r.cost(ctx, func() (int, error) {
		return r.sizes.connects, r.swarm.connect(ctx, r.addr(), r.sizes.connects)
	})
	return []float64{figure}, err
}

// startupScenario measures how long a server takes until it serves, and how large
// a program it makes.
func startupScenario() scenario {
	return scenario{
		name:  "startup",
		setup: func(context.Context, *rig) error { return nil },
		steps: []step{
			{rows: []row{{title: "start of the process to its first client connected, ms", format: "%.0f", main: true}}, measure: measureStarts},
			{rows: []row{{title: "binary of a minimal server, MB", format: "%.1f", main: true}}, measure: measureBinary},
		},
	}
}

// measureStarts returns the median of several starts.
func measureStarts(ctx context.Context, r *rig) ([]float64, error) {
	var figures []float64
	for range r.sizes.starts {
		began := time.Now()
		fresh := &rig{lab: r.lab, server: r.server}
		in, err := fresh.start(ctx)
		if err == nil {
			err = fresh.swarm.connect(ctx, in.addr, 1)
		}
		took := time.Since(began)
		if err := cmp.Or(err, fresh.close()); err != nil {
			return nil, err
		}
		figures = append(figures, float64(took.Microseconds())/1000)
	}
	return []float64{median(figures)}, nil
}

// measureBinary returns the size of the file. A server that needs a runtime has
// no figure.
func measureBinary(_ context.Context, r *rig) ([]float64, error) {
	if r.server.minimal == "" {
		return nil, nil
	}
	info, err := os.Stat(r.server.minimal)
	if err != nil {
		return nil, fmt.Errorf("measuring the binary: %w", err)
	}
	return []float64{float64(info.Size()) / 1e6}, nil
}

// storm connects and hangs up many clients over and over and returns the first
// failure. Each of them sends its CONNECT before it has seen the open packet.
func storm(ctx context.Context, l *lab, s *server, report func(format string, args ...any)) (err error) {
	r := &rig{lab: l, server: s}
	if _, err := r.start(ctx); err != nil {
		return cmp.Or(err, r.close())
	}
	defer func() { err = cmp.Or(r.explain(err), r.close()) }()
	sw := r.swarm
	sw.eager = true
	for i := range l.sizes.stormRounds {
		start := time.Now()
		err := sw.connect(ctx, r.addr(), l.sizes.stormClients)
		report("storm %d on %s: %d of %d clients connected in %v", i+1, s.title, sw.ready, l.sizes.stormClients,
			time.Since(start).Round(time.Millisecond))
		if err != nil {
			return err
		}
		if err := sw.hangUp(); err != nil {
			return err
		}
	}
	return nil
}
