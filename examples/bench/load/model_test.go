package main

import (
	"math"
	"strings"
	"testing"
)

// lawful returns the results of a server that keeps to the model.
func lawful(z sizes, s *server) *results {
	r := newResults([]*server{s})
	set := func(title string, figure float64) { r.figures[cell{title, s.name}] = []float64{figure} }
	for _, n := range z.growingClients {
		set(clientsTitle(n), 8+float64(n)*2/1024)
	}
	for _, k := range []int{1, 4, 32} {
		set(roomTitle(z.roomSize, "text", k), 0.5+4/float64(k))
	}
	for n := 1; n <= 10_000; n *= 10 {
		set(membersTitle(n), 1.5+20/float64(n))
	}
	for n := 1; n <= 4; n++ {
		cost := 1.5
		set(fewTitle(n), (100+50*float64(n))/fewMembers)
		if n > 1 {
			cost += (100 + 50*float64(n)) / float64(z.roomSize)
			rows := trafficRows(n, trafficSize(n))
			set(rows[1].title, float64(114+trafficSize(n)))
			set(rows[2].title, float64(n*(137+trafficSize(n))))
		}
		set(instancesTitle(n), cost)
	}
	return r
}

func TestModelOfALawfulServer(t *testing.T) {
	z, s := fullSizes(), &server{name: "a", title: "A"}
	predictions := lawful(z, s).model(z, s)
	if len(predictions) != 8 {
		t.Fatalf("%d predictions: %+v", len(predictions), predictions)
	}
	for _, p := range predictions {
		if math.Abs(p.predicted-p.measured) > 1e-6*p.measured || p.measured == 0 {
			t.Errorf("%s: %v instead of %v with %s", p.what, p.predicted, p.measured, p.constants)
		}
	}
	table := modelTable(predictions)
	for _, want := range []string{
		"M = 8.0 MB, m = 2.00 KB, from 1,000 and 5,000 clients: 520,000 clients per GB | 43.16 | 43.16 | +0 % |",
		"e = 0.50 µs, w = 4.00 µs", "b = 20 µs, d = 1.50 µs", "p = 100 µs, q = 50 µs", "payload + 114 bytes in, payload + 137 bytes out",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestModelWithoutFigures(t *testing.T) {
	s := &server{name: "a"}
	if predictions := newResults([]*server{s}).model(fullSizes(), s); len(predictions) != 0 {
		t.Errorf("predicted %+v from nothing", predictions)
	}
}
