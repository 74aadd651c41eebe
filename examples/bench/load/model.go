package main

import (
	"fmt"
	"math"
	"strings"
)

// prediction is a figure that the model of MODEL.md gives, beside what was
// measured and not used for its constants.
type prediction struct {
	what                string
	constants           string
	predicted, measured float64
}

// model works out the predictions for a server, as far as it has been measured.
func (r *results) model(z sizes, s *server) []prediction {
	m := modeler{results: r, server: s}
	m.memory(z)
	m.windows(z)
	m.members(z)
	m.cluster(z)
	m.redis()
	return m.predictions
}

// modeler collects predictions.
type modeler struct {
	results     *results
	server      *server
	predictions []prediction
}

// measured returns what the rows with the given titles hold; ok tells whether
// they all hold something.
func (m *modeler) measured(titles ...string) (figures []float64, ok bool) {
	for _, title := range titles {
		figure, ok := m.results.figure(title, m.server)
		if !ok {
			return nil, false
		}
		figures = append(figures, figure)
	}
	return figures, true
}

// add adds a prediction.
func (m *modeler) add(what string, predicted, measured float64, constants string, args ...any) {
	m.predictions = append(m.predictions, prediction{what, fmt.Sprintf(constants, args...), predicted, measured})
}

// memory: a server takes M when it has begun to work and m for each client.
func (m *modeler) memory(z sizes) {
	n := z.growingClients
	few, some, many := n[0], n[len(n)/2], n[len(n)-1]
	f, ok := m.measured(clientsTitle(few), clientsTitle(some), clientsTitle(many))
	if !ok {
		return
	}
	each := (f[1] - f[0]) / float64(some-few)
	base := f[0] - each*float64(few)
	m.add(fmt.Sprintf("MB for %s idle clients", thousands(many)), base+each*float64(many), f[2],
		"M = %.1f MB, m = %.2f KB, from %s and %s clients: %s clients per GB", base, each*1024, thousands(few), thousands(some),
		thousands(int((1024-base)/each)/1000*1000))
}

// windows: a delivery costs e and, shared by those of the k broadcasts in flight
// that leave in one write call, w.
func (m *modeler) windows(z sizes) {
	f, ok := m.measured(roomTitle(z.roomSize, "text", 1), roomTitle(z.roomSize, "text", 32), roomTitle(z.roomSize, "text", growthWindow))
	if !ok {
		return
	}
	w := (f[0] - f[1]) * 32 / 31
	e := f[0] - w
	m.add(fmt.Sprintf("µs per delivery, %d in flight", growthWindow), e+w/growthWindow, f[2],
		"e = %.2f µs, w = %.2f µs, from 1 and 32 in flight: %s to %s deliveries per second and core", e, w,
		thousands(int(1e6/f[0])), thousands(int(1e6/f[1])))
}

// members: a broadcast costs b and, for each of its members, d.
func (m *modeler) members(z sizes) {
	largest := 1
	for largest*10 <= z.largeRoom {
		largest *= 10
	}
	f, ok := m.measured(membersTitle(10), membersTitle(1000), membersTitle(100), membersTitle(largest))
	if !ok {
		return
	}
	// Per broadcast: 10 f0 = b + 10 d and 1000 f1 = b + 1000 d.
	d := (1000*f[1] - 10*f[0]) / 990
	b := 10 * (f[0] - d)
	const constants = "b = %.0f µs, d = %.2f µs, from rooms of 10 and 1,000"
	m.add("µs per delivery, room of 100", d+b/100, f[2], constants, b, d)
	if largest > 1000 {
		m.add("µs per delivery, room of "+thousands(largest), d+b/float64(largest), f[3], constants, b, d)
	}
}

// cluster: on top of its deliveries a broadcast costs p once and q on each
// instance.
func (m *modeler) cluster(z sizes) {
	f, ok := m.measured(fewTitle(2), fewTitle(3), instancesTitle(1), instancesTitle(2), instancesTitle(4))
	if !ok {
		return
	}
	q := (f[1] - f[0]) * fewMembers
	p := f[0]*fewMembers - 2*q
	for i, instances := range []float64{2, 4} {
		m.add(fmt.Sprintf("µs per delivery, %.0f instances", instances), f[2]+(p+instances*q)/float64(z.roomSize), f[3+i],
			"%.2f µs on one, p = %.0f µs, q = %.0f µs, from a room of %d on 2 and 3 instances", f[2], p, q, fewMembers)
	}
}

// redis: a broadcast is one message into Redis and one to each instance, all of
// them as long as the payload and a fixed part.
func (m *modeler) redis() {
	two, four := trafficRows(2, trafficSize(2)), trafficRows(4, trafficSize(4))
	f, ok := m.measured(two[1].title, two[2].title, four[1].title, four[2].title)
	if !ok {
		return
	}
	in, out := f[0]-float64(trafficSize(2)), f[1]/2-float64(trafficSize(2))
	const constants = "payload + %.0f bytes in, payload + %.0f bytes out to each instance, from %d bytes and 2 instances"
	what := fmt.Sprintf("bytes %%s Redis, %s bytes, 4 instances", thousands(trafficSize(4)))
	m.add(fmt.Sprintf(what, "into"), float64(trafficSize(4))+in, f[2], constants, in, out, trafficSize(2))
	m.add(fmt.Sprintf(what, "out of"), 4*(float64(trafficSize(4))+out), f[3], constants, in, out, trafficSize(2))
}

// modelTable writes predictions as a Markdown table.
func modelTable(predictions []prediction) string {
	var b strings.Builder
	b.WriteString("| | constants | predicted | measured | off by |\n| --- | --- | ---: | ---: | ---: |\n")
	for _, p := range predictions {
		digits := 2
		if math.Abs(p.measured) >= 100 {
			digits = 0
		}
		fmt.Fprintf(&b, "| %s | %s | %.*f | %.*f | %+.0f %% |\n", p.what, p.constants, digits, p.predicted, digits, p.measured,
			(p.predicted/p.measured-1)*100)
	}
	return b.String()
}
