package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var errUnknownScenario = errors.New("unknown scenario")

// row is one line of the table.
type row struct {
	title  string
	format string // of a figure
	ratio  bool   // the figure is a ratio: one of two such figures says nothing
}

// scenario measures one or more rows with one server, started for it.
type scenario struct {
	name    string // as in the -run flag
	cluster bool   // needs a server that can be clustered
	rows    []row
	// measure returns one figure for each of the rows.
	measure func(ctx context.Context, l *lab, s *server) ([]float64, error)
}

// lab is what the scenarios share.
type lab struct {
	sizes    sizes
	settle   time.Duration // before the memory of idle clients is read
	patience time.Duration // how long a server may be silent
	dir      string        // for files of child processes
}

// sizes are the amounts of work that the scenarios do.
type sizes struct {
	idleClients    int
	connectWarmUp  int
	connectClients int
	ackClients     int
	ackWarmUp      int // round trips, of all clients together
	acks           int
	roomSize       int
	roomWarmUp     int // broadcasts
	broadcasts     int
	stormClients   int
	stormRounds    int
}

// fullSizes are those of the package's documentation.
func fullSizes() sizes {
	return sizes{
		idleClients:    5000,
		connectWarmUp:  500,
		connectClients: 3000,
		ackClients:     100,
		ackWarmUp:      20_000,
		acks:           100_000,
		roomSize:       1000,
		roomWarmUp:     64,
		broadcasts:     320,
		stormClients:   3000,
		stormRounds:    10,
	}
}

// shortSizes are for a quick look. Rooms stay as large as they are, since their
// size is part of the figure.
func shortSizes() sizes {
	s := fullSizes()
	s.idleClients, s.connectClients = 1000, 1000
	s.ackWarmUp, s.acks = 5000, 20_000
	s.roomWarmUp, s.broadcasts = 32, 96
	s.stormClients, s.stormRounds = 1000, 2
	return s
}

// scenarios lists all of them in the order of the table.
func scenarios() []scenario {
	cpu := func(what string) row { return row{title: "server CPU per " + what + ", µs", format: "%.2f"} }
	return []scenario{
		{
			name: "idle", measure: measureIdle,
			rows: []row{{title: "resident memory per idle client, KB", format: "%.1f"}},
		},
		{
			name: "connect", measure: measureConnect,
			rows: []row{{title: "server CPU per accepted connection, µs", format: "%.0f"}},
		},
		{
			name: "ack", rows: []row{cpu("ack round trip, 1 in flight for each of 100 clients")},
			measure: func(ctx context.Context, l *lab, s *server) ([]float64, error) { return measureAcks(ctx, l, s, 1) },
		},
		{
			name: "ack16", rows: []row{cpu("ack round trip, 16 in flight for each of 100 clients")},
			measure: func(ctx context.Context, l *lab, s *server) ([]float64, error) { return measureAcks(ctx, l, s, 16) },
		},
		{
			name: "room", measure: measureRoom,
			rows: []row{
				cpu("delivery, room of 1,000, 1 broadcast in flight"),
				cpu("delivery, room of 1,000, 4 broadcasts in flight"),
				cpu("delivery, room of 1,000, 32 broadcasts in flight"),
			},
		},
		{
			name: "redis", cluster: true, measure: measureRedis,
			rows: []row{cpu("delivery, the room on two instances over Redis, 4 in flight")},
		},
		{
			name: "stuck", measure: measureStuck,
			rows: []row{{title: "time of a broadcast while one member never reads, over the time without it", format: "%.2f", ratio: true}},
		},
	}
}

// selectScenarios returns the scenarios with the given names, in the order of the
// table.
func selectScenarios(names string) ([]scenario, error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		wanted[name] = true
	}
	var selected []scenario
	for _, s := range scenarios() {
		if wanted[s.name] {
			selected = append(selected, s)
			delete(wanted, s.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("%w: %q", errUnknownScenario, name)
	}
	return selected, nil
}

// withServer starts the server, calls use with it and a swarm, and stops both.
func withServer(ctx context.Context, l *lab, s *server, use func(in *instance, sw *swarm) error) error {
	in, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer in.stop()
	sw, err := newSwarm(l, s)
	if err != nil {
		return err
	}
	if err := use(in, sw); err != nil {
		return errors.Join(in.explain(err), sw.close())
	}
	return sw.close()
}

// microsecondsPer returns the CPU time that the instances use during work, in
// microseconds for each of n units.
func microsecondsPer(n int, instances []*instance, work func() error) (float64, error) {
	before, err := totalCPU(instances)
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	after, err := totalCPU(instances)
	if err != nil {
		return 0, err
	}
	return float64((after - before).Nanoseconds()) / 1000 / float64(n), nil
}
