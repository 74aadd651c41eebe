package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-go/tandem/examples/bench/load/chart"
)

// growth is a cost that is measured while one quantity grows, for a plot.
type growth struct {
	name   string      // of the plot's file, and of what grows; its scenarios are growth/<name>
	chart  chart.Chart // without lines
	needs  feature
	points []point
	// scenarios measure the points. Their names are the same.
	scenarios []scenario
}

// point is one value of what grows.
type point struct {
	x     int
	title string // of the row with its cost
}

// add adds a point with a rig of its own. More steps may follow the one that
// measures the cost.
func (g *growth) add(p point, setup func(ctx context.Context, r *rig) error, steps ...step) {
	g.points = append(g.points, p)
	g.scenarios = append(g.scenarios, scenario{name: "growth/" + g.name, needs: g.needs, steps: steps, setup: setup})
}

// step returns the one that measures a point with broadcasts in flight.
func (g *growth) step(p point, window int) step {
	return step{
		rows: []row{{title: p.title, format: "%.2f"}}, series: g.name,
		measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, window) },
	}
}

// growthWindow is how many broadcasts are in flight where that is not what grows.
const growthWindow = 4

// growths lists all of them.
func growths(z sizes) []*growth {
	return []*growth{growthOfClients(z), growthOfRooms(z), growthOfMembers(z), growthOfMessages(z), growthOfInstances(z)}
}

// growthOfClients measures idle clients that grow more and more on one server.
func growthOfClients(z sizes) *growth {
	g := &growth{name: "clients", chart: chart.Chart{Title: "Resident memory of idle clients, each in one room", X: "clients", Y: "MB"}}
	sc := scenario{name: "growth/clients", needs: heartbeats, setup: func(ctx context.Context, r *rig) error {
		r.lab = r.settlingFor(z.settle / 2)
		return setUpIdle(ctx, r)
	}}
	for _, n := range z.growingClients {
		title := clientsTitle(n)
		g.points = append(g.points, point{x: n, title: title})
		sc.steps = append(sc.steps, step{
			rows: []row{{title: title, format: "%.1f"}}, series: g.name,
			measure: func(ctx context.Context, r *rig) ([]float64, error) {
				figures, err := r.growTo(ctx, n)
				if err != nil {
					return nil, err
				}
				return []float64{figures[0] * float64(n) / 1024}, nil
			},
		})
	}
	g.scenarios = []scenario{sc}
	return g
}

// clientsTitle is a row of growthOfClients.
func clientsTitle(n int) string {
	return fmt.Sprintf("resident memory of %s idle clients, MB", thousands(n))
}

// growthOfRooms measures broadcasts to more and more small rooms.
func growthOfRooms(z sizes) *growth {
	g := &growth{name: "rooms", chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, rooms of %d by turns, 32 broadcasts in flight", z.smallRoom),
		X:     "rooms", Y: "µs of server CPU per delivery", LogX: true,
	}}
	for n := 1; n <= z.manyRooms; n *= 10 {
		p := point{x: n, title: cpu("", "delivery, growth to %s rooms of %d", thousands(n), z.smallRoom).title}
		g.add(p, func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, n, z.smallRoom) }, g.step(p, 32))
	}
	// The fewer rooms there are, the closer the broadcasts to one of them follow
	// each other: many rooms come first.
	slices.Reverse(g.scenarios)
	return g
}

// growthOfMembers measures broadcasts to one room that is larger and larger.
func growthOfMembers(z sizes) *growth {
	g := &growth{name: "members", chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, one room, %d broadcasts in flight", growthWindow),
		X:     "members of the room", Y: "µs of server CPU per delivery", LogX: true, LogY: true,
	}}
	for n := 1; n <= z.largeRoom; n *= 10 {
		p := point{x: n, title: membersTitle(n)}
		g.add(p, func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, n) }, g.step(p, growthWindow))
	}
	return g
}

// membersTitle is a row of growthOfMembers.
func membersTitle(n int) string {
	return cpu("", "delivery, growth to a room of %s", thousands(n)).title
}

// growthOfMessages measures broadcasts of longer and longer messages.
func growthOfMessages(z sizes) *growth {
	g := &growth{name: "bytes", chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, room of %s, %d broadcasts in flight", thousands(z.roomSize), growthWindow),
		X:     "bytes of payload", Y: "µs of server CPU per delivery", LogX: true, LogY: true,
	}}
	for _, n := range []int{16, 64, 256, 1024, 4096, 16_384} {
		p := point{x: n, title: cpu("", "delivery, growth to %s bytes", thousands(n)).title}
		g.add(p, func(ctx context.Context, r *rig) error {
			err := setUpAudience(ctx, r, 1, z.roomSize)
			if err == nil {
				r.audience.size = n
			}
			return err
		}, g.step(p, growthWindow))
	}
	return g
}

// growthOfInstances measures broadcasts to one room on more and more instances.
func growthOfInstances(z sizes) *growth {
	g := &growth{name: "instances", needs: clusters, chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, room of %s, %d in flight, over Redis", thousands(z.roomSize), growthWindow),
		X:     "instances (one: without Redis)", Y: "µs of server CPU per delivery",
	}}
	for n := 1; n <= 4; n++ {
		p := point{x: n, title: instancesTitle(n)}
		steps := []step{g.step(p, growthWindow)}
		if n > 1 {
			steps = append(steps, trafficStep(n, trafficSize(n)))
		}
		g.add(p, func(ctx context.Context, r *rig) error { return setUpCluster(ctx, r, n, z.roomSize) }, steps...)
	}
	// Not for the plot, but for the constants of the model.
	for _, n := range []int{2, 3} {
		g.scenarios = append(g.scenarios, scenario{
			name: "growth/instances", needs: g.needs,
			setup: func(ctx context.Context, r *rig) error { return setUpCluster(ctx, r, n, fewMembers) },
			steps: []step{{
				rows:    []row{{title: fewTitle(n), format: "%.2f"}},
				measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, growthWindow) },
			}},
		})
	}
	return g
}

// instancesTitle is a row of growthOfInstances.
func instancesTitle(n int) string { return cpu("", "delivery, growth to %d instances", n).title }

// fewMembers are so few that delivering to them is little beside the rest of what
// a broadcast costs a cluster.
const fewMembers = 6

// fewTitle is a row for the model.
func fewTitle(n int) string {
	return cpu("", "delivery, room of %d on %d instances", fewMembers, n).title
}

// trafficSize is the payload whose traffic is measured with n instances. With the
// most of them it is another, so that the model has something to predict.
func trafficSize(n int) int {
	if n == 4 {
		return 1024
	}
	return usualSize
}
