package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var errUnknownScenario = errors.New("unknown scenario")

// feature is something that not every server has.
type feature uint8

const (
	clusters   feature = 1 << iota // shares rooms through Redis
	polls                          // offers HTTP long polling
	attaches                       // takes binary payloads
	goroutines                     // can give each connection a goroutine
	heartbeats                     // pings its clients
	isolates                       // keeps clients that do not read from holding up the others
)

// row is one line of the table.
type row struct {
	title  string
	format string // of a figure
	ratio  bool   // the figure is a ratio: one of two such figures says nothing
	main   bool   // the row is in the short table, too
	// against is the row whose figures of the other servers are compared with, if
	// it is not this one.
	against string
}

// step measures one or more rows.
type step struct {
	rows    []row
	needs   feature
	measure func(ctx context.Context, r *rig) ([]float64, error)
	// series names steps of which each is harder than the one before: a server that
	// has failed in some is not tried in the rest of them.
	series string
}

// scenario is a series of steps on one rig.
type scenario struct {
	name  string // as in the -run flag, which takes the part before a slash, too
	needs feature
	steps []step
	// setup starts the servers and connects the clients.
	setup func(ctx context.Context, r *rig) error
}

// cpu is the row of CPU time for each unit of work.
func cpu(format, title string, args ...any) row {
	return row{title: "server CPU per " + fmt.Sprintf(title, args...) + ", µs", format: format}
}

// inShort returns the row, which is in the short table, too, if main says so.
func (r row) inShort(main bool) row {
	r.main = main
	return r
}

// scenarios lists all of them in the order of the table.
func scenarios(z sizes) []scenario {
	return []scenario{
		idleScenario(z),
		goroutinesScenario(z),
		connectScenario(),
		startupScenario(),
		ackScenario(z),
		roomScenario(z),
		latencyScenario(z),
		waitScenario(z),
		spinScenario(z),
		burstScenario(z),
		stuckScenario(z),
		pendingPollScenario(z),
		pollingAckScenario(z),
		pollingRoomScenario(z),
		redisScenario(z),
	}
}

// sizes are the amounts of work that the scenarios do.
type sizes struct {
	idle           [2]int // clients
	pendingPolls   int
	growingClients []int
	connectWarmUp  int
	connects       int // at least, in each measurement
	starts         int
	ackClients     int
	largeRoom      int // members
	roomSize       int // members where the size is not what is measured
	manyRooms      int
	smallRoom      int           // members of each of the many
	waiting        int           // handlers that wait at a time
	wait           time.Duration // of each of them
	spins          int           // events a second
	spin           time.Duration // of the handler of each
	burst          int           // events emitted at once
	span           time.Duration // of measurements that go on for a time
	settle         time.Duration // before the memory of idle clients is read
	stormClients   int
	stormRounds    int
}

// fullSizes are those of the package's documentation.
func fullSizes() sizes {
	return sizes{
		idle:           [2]int{5000, 18_000},
		pendingPolls:   5000,
		growingClients: []int{1000, 2000, 5000, 10_000, 18_000},
		connectWarmUp:  500,
		connects:       3000,
		starts:         5,
		ackClients:     100,
		largeRoom:      10_000,
		roomSize:       1000,
		manyRooms:      1000,
		smallRoom:      10,
		waiting:        1000,
		wait:           2 * time.Second,
		spins:          20_000,
		spin:           50 * time.Microsecond,
		burst:          100_000,
		span:           1200 * time.Millisecond,
		settle:         5 * time.Second,
		stormClients:   3000,
		stormRounds:    10,
	}
}

// shortSizes are for a quick look.
func shortSizes() sizes {
	z := fullSizes()
	z.idle, z.pendingPolls = [2]int{1000, 3000}, 1000
	z.growingClients = []int{500, 1000, 3000}
	z.connects, z.starts = 1000, 3
	z.largeRoom, z.manyRooms = 3000, 300
	z.span, z.settle = 300*time.Millisecond, 3*time.Second
	z.stormClients, z.stormRounds = 1000, 2
	return z
}

// selectGrowths returns those growths of all that the names select.
func selectGrowths(all []*growth, names string) []*growth {
	var selected []*growth
	for _, g := range all {
		for name := range strings.SplitSeq(names, ",") {
			if name == "all" || name == "growth" || name == "growth/"+g.name {
				selected = append(selected, g)
				break
			}
		}
	}
	return selected
}

// selectScenarios returns those of all whose names are listed, in their order.
func selectScenarios(all []scenario, names string) ([]scenario, error) {
	if names == "all" {
		return all, nil
	}
	wanted := map[string]bool{} // whether it has been found
	for name := range strings.SplitSeq(names, ",") {
		if name != "growth" && !strings.HasPrefix(name, "growth/") {
			wanted[name] = false
		}
	}
	var selected []scenario
	for _, sc := range all {
		group, _, _ := strings.Cut(sc.name, "/")
		for _, name := range []string{sc.name, group} {
			if _, ok := wanted[name]; ok {
				wanted[name] = true
				selected = append(selected, sc)
				break
			}
		}
	}
	for name, found := range wanted {
		if !found {
			return nil, fmt.Errorf("%w: %q", errUnknownScenario, name)
		}
	}
	return selected, nil
}
