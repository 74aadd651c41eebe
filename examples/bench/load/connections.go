package main

import (
	"context"
	"time"
)

// measureIdle returns the resident kilobytes for each idle client.
func measureIdle(ctx context.Context, l *lab, s *server) (figures []float64, err error) {
	err = withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		if err := sw.idle(ctx, time.Second); err != nil {
			return err
		}
		before, err := residentSize(in.pid())
		if err != nil {
			return err
		}
		if err := sw.connect(ctx, in.addr, l.sizes.idleClients); err != nil {
			return err
		}
		if err := sw.join(ctx, room, sw.clients...); err != nil {
			return err
		}
		if err := sw.idle(ctx, l.settle); err != nil {
			return err
		}
		after, err := residentSize(in.pid())
		figures = []float64{float64(after-before) / 1024 / float64(l.sizes.idleClients)}
		return err
	})
	return figures, err
}

// idle only answers heartbeats for a while.
func (s *swarm) idle(ctx context.Context, d time.Duration) error {
	// Silence is what is expected here.
	patience := s.patience
	s.patience += d
	defer func() { s.patience = patience }()
	end := time.Now().Add(d)
	return s.run(ctx, func() (bool, error) { return time.Now().After(end), nil })
}

// measureConnect returns the CPU microseconds for each accepted connection.
func measureConnect(ctx context.Context, l *lab, s *server) (figures []float64, err error) {
	err = withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		sw.eager = true
		if err := sw.connect(ctx, in.addr, l.sizes.connectWarmUp); err != nil {
			return err
		}
		if err := sw.hangUp(); err != nil {
			return err
		}
		// What the server does about the lost clients belongs to the warm-up.
		if err := sw.idle(ctx, time.Second); err != nil {
			return err
		}
		figure, err := microsecondsPer(l.sizes.connectClients, []*instance{in}, func() error {
			return sw.connect(ctx, in.addr, l.sizes.connectClients)
		})
		figures = []float64{figure}
		return err
	})
	return figures, err
}

// storm connects and hangs up many clients over and over and returns the first
// failure. Each of them sends its CONNECT before it has seen the open packet.
func storm(ctx context.Context, l *lab, s *server, report func(format string, args ...any)) error {
	return withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		sw.eager, sw.flaws = true, nil
		for i := range l.sizes.stormRounds {
			start := time.Now()
			err := sw.connect(ctx, in.addr, l.sizes.stormClients)
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
	})
}
