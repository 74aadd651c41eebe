package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// lab is what all scenarios share.
type lab struct {
	sizes    sizes
	patience time.Duration // how long a server may be silent
	timeout  time.Duration // for one step
	dir      string        // for files of child processes
	profiles string        // the folder for profiles; empty if none are taken
}

// settlingFor returns the same lab with another settling time.
func (l *lab) settlingFor(d time.Duration) *lab {
	other := *l
	other.sizes.settle = d
	return &other
}

// rig is one server that has been started for a scenario, with its clients.
type rig struct {
	*lab
	server    *server
	name      string // of what is measured, for the files of profiles
	instances []*instance
	redis     *instance
	swarm     *swarm
	audience  *audience
	warmed    string // what the server has had time to get used to
	before    int64  // resident size of the server without clients
}

// start starts one more instance of the server, and the swarm if there is none.
func (r *rig) start(ctx context.Context, env ...string) (*instance, error) {
	in, err := r.server.start(ctx, r.profiles != "", env...)
	if err != nil {
		return nil, err
	}
	r.instances = append(r.instances, in)
	if r.swarm == nil {
		r.swarm, err = newSwarm(r.lab)
	}
	return in, err
}

// addr is the address of the first instance.
func (r *rig) addr() netip.AddrPort { return r.instances[0].addr }

// targets are the addresses of all instances.
func (r *rig) targets() []netip.AddrPort {
	targets := make([]netip.AddrPort, 0, len(r.instances))
	for _, in := range r.instances {
		targets = append(targets, in.addr)
	}
	return targets
}

// close ends what the rig has started.
func (r *rig) close() error {
	var err error
	if r.swarm != nil {
		err = r.swarm.close()
	}
	for _, in := range r.instances {
		in.stop()
	}
	if r.redis != nil {
		r.redis.stop()
	}
	return err
}

// explain adds the last output of the instances to an error.
func (r *rig) explain(err error) error {
	for _, in := range r.instances {
		err = in.explain(err)
	}
	return err
}

// cost returns the CPU time that the instances use during work, in microseconds
// for each of the units that work has done.
func (r *rig) cost(ctx context.Context, work func() (units int, err error)) (float64, error) {
	stopProfile, err := r.profile(ctx)
	if err != nil {
		return 0, err
	}
	before, err := totalCPU(r.instances)
	if err != nil {
		return 0, err
	}
	units, err := work()
	if err != nil {
		return 0, errors.Join(err, stopProfile())
	}
	after, err := totalCPU(r.instances)
	if err != nil {
		return 0, errors.Join(err, stopProfile())
	}
	if units == 0 {
		return 0, errors.Join(fmt.Errorf("%w: no work was done", errStalled), stopProfile())
	}
	return float64((after - before).Nanoseconds()) / 1000 / float64(units), stopProfile()
}

// setUp starts a scenario on a server.
func setUp(ctx context.Context, l *lab, sc scenario, s *server) (*rig, error) {
	r := &rig{lab: l, server: s, name: sc.name}
	if err := sc.setup(ctx, r); err != nil {
		return nil, errors.Join(r.explain(err), r.close())
	}
	return r, nil
}
