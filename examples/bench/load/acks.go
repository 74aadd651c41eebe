package main

import (
	"context"
	"fmt"
)

// measureAcks returns the CPU microseconds for each round trip of `echo`.
func measureAcks(ctx context.Context, l *lab, s *server, inFlight int) (figures []float64, err error) {
	err = withServer(ctx, l, s, func(in *instance, sw *swarm) error {
		if err := sw.connect(ctx, in.addr, l.sizes.ackClients); err != nil {
			return err
		}
		if err := sw.echo(ctx, inFlight, l.sizes.ackWarmUp); err != nil {
			return err
		}
		figure, err := microsecondsPer(l.sizes.acks, []*instance{in}, func() error {
			return sw.echo(ctx, inFlight, l.sizes.acks)
		})
		figures = []float64{figure}
		return err
	})
	return figures, err
}

// echo makes n round trips, with inFlight of them at a time for each client.
func (s *swarm) echo(ctx context.Context, inFlight, n int) error {
	frames := make([][]byte, inFlight)
	for id := range frames {
		frames[id] = textFrame(echoMessage(id))
	}
	answer := `["` + echoPayload() + `"]`
	sent, done := 0, 0
	s.onAck = func(c *client, id int, args []byte) error {
		if id >= inFlight || string(args) != answer {
			return fmt.Errorf("%w: id %d, %q", errUnexpectedAck, id, args)
		}
		done++
		if sent < n {
			sent++
			c.out = append(c.out, frames[id]...)
		}
		return nil
	}
	for _, c := range s.clients {
		for _, frame := range frames[:min(inFlight, n-sent)] {
			c.out = append(c.out, frame...)
			sent++
		}
		if err := s.flush(c); err != nil {
			return err
		}
	}
	return s.run(ctx, func() (bool, error) { return done == n, nil })
}
