package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tandem-go/tandem/examples/bench/load/chart"
)

// growth is a cost that is measured while one quantity grows, for a plot.
type growth struct {
	name   string      // of the plot's file; its scenarios are growth/<name>
	chart  chart.Chart // without lines
	points []point
	// scenarios measure the points. Their names are the same.
	scenarios []scenario
}

// point is one value of what grows, and the title of the row with its cost.
type point struct {
	x     int
	title string
}

// add adds a point with a rig of its own. More steps may follow the one that
// measures the cost.
func (g *growth) add(x int, setup func(ctx context.Context, r *rig) error, steps ...step) {
	g.points = append(g.points, point{x, steps[0].rows[0].title})
	needs := feature(0)
	for _, st := range steps {
		needs |= st.needs
	}
	g.scenarios = append(g.scenarios, scenario{name: "growth/" + g.name, needs: needs, steps: steps, setup: setup})
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
		g.points = append(g.points, point{n, title})
		sc.steps = append(sc.steps, step{
			rows: []row{{title: title, format: "%.1f"}},
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
		g.add(n, func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, n, z.smallRoom) }, step{
			rows:    []row{cpu("%.2f", "delivery, growth to %s rooms of %d", thousands(n), z.smallRoom)},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, 32) },
		})
	}
	return g
}

// growthOfMembers measures broadcasts to one room that is larger and larger.
func growthOfMembers(z sizes) *growth {
	g := &growth{name: "members", chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, one room, %d broadcasts in flight", growthWindow),
		X:     "members of the room", Y: "µs of server CPU per delivery", LogX: true, LogY: true,
	}}
	for n := 1; n <= z.rooms[len(z.rooms)-1]; n *= 10 {
		g.add(n, func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, n) }, step{
			rows:    []row{{title: membersTitle(n), format: "%.2f"}},
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, growthWindow) },
		})
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
		g.add(n, func(ctx context.Context, r *rig) error { return setUpAudience(ctx, r, 1, z.roomSize) }, step{
			rows: []row{cpu("%.2f", "delivery, growth to %s bytes", thousands(n))},
			measure: func(ctx context.Context, r *rig) ([]float64, error) {
				r.audience.size = n
				return measureDeliveries(ctx, r, growthWindow)
			},
		})
	}
	return g
}

// growthOfInstances measures broadcasts to one room on more and more instances.
func growthOfInstances(z sizes) *growth {
	g := &growth{name: "instances", chart: chart.Chart{
		Title: fmt.Sprintf("CPU per delivery, room of %s, %d in flight, over Redis", thousands(z.roomSize), growthWindow),
		X:     "instances (one: without Redis)", Y: "µs of server CPU per delivery",
	}}
	for n := 1; n <= 4; n++ {
		steps := []step{{
			rows: []row{{title: instancesTitle(n), format: "%.2f"}}, needs: clusters,
			measure: func(ctx context.Context, r *rig) ([]float64, error) { return measureDeliveries(ctx, r, growthWindow) },
		}}
		if n > 1 {
			steps = append(steps, trafficStep(n, trafficSize(n)))
		}
		g.add(n, func(ctx context.Context, r *rig) error { return setUpCluster(ctx, r, n, z.roomSize) }, steps...)
	}
	// Not for the plot, but for the constants of the model.
	for _, n := range []int{2, 3} {
		g.scenarios = append(g.scenarios, scenario{
			name: "growth/instances", needs: clusters,
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

// plots writes the plot of each growth that has been measured to a folder.
func (r *results) plots(folder string, measured []*growth) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making a folder for the plots: %w", err)
	}
	for _, g := range measured {
		c := g.chart
		for _, s := range r.servers {
			line := chart.Line{Name: s.title}
			for _, p := range g.points {
				if figure, ok := r.figure(p.title, s); ok {
					line.Points = append(line.Points, chart.Point{X: float64(p.x), Y: figure})
				}
			}
			c.Lines = append(c.Lines, line)
		}
		if err := os.WriteFile(filepath.Join(folder, g.name+".svg"), c.SVG(), 0o644); err != nil {
			return fmt.Errorf("writing a plot: %w", err)
		}
	}
	return nil
}
