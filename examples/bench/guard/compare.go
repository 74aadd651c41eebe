package main

import (
	"fmt"
	"math"
	"slices"
)

// change is how a figure differs from the recorded one.
type change struct {
	name string
	kind string
	was  recorded
	now  float64
	new  bool // nothing is recorded
}

// compare returns the figures that have risen beyond their tolerance, or are not
// recorded, and those that have fallen by more than their tolerance. A recorded figure that was
// not measured is no change.
func compare(r *record, name string, now figures) (risen, fallen []change) {
	l := r.find(name)
	for _, kind := range kinds {
		value, measured := now[kind]
		if !measured {
			continue
		}
		c := change{name: name, kind: kind, now: value}
		known := false
		if l != nil {
			c.was, known = l.figures[kind]
		}
		switch {
		case !known:
			c.new = true
			risen = append(risen, c)
		// Half of the last digit of the record is nobody's change.
		case value > c.was.value+c.was.tolerance+rounding:
			risen = append(risen, c)
		case value < c.was.value-c.was.tolerance-rounding:
			fallen = append(fallen, c)
		}
	}
	return risen, fallen
}

// rounding is what the record leaves off a figure.
const rounding = 0.005

// String says what has changed.
func (c change) String() string {
	switch {
	case c.new:
		return fmt.Sprintf("%s: %s %s, of which nothing is recorded", c.name, number(c.now), c.kind)
	case c.now > c.was.value:
		return fmt.Sprintf("%s: %s %s have risen to %s", c.name, c.was, c.kind, number(c.now))
	default:
		return fmt.Sprintf("%s: %s %s have fallen to %s", c.name, c.was, c.kind, number(c.now))
	}
}

// median returns the figures in the middle, kind by kind, of measurements of the same kinds.
func median(all []figures) figures {
	out := make(figures)
	for kind := range all[0] {
		values := make([]float64, len(all))
		for i, f := range all {
			values[i] = f[kind]
		}
		slices.Sort(values)
		out[kind] = values[len(values)/2]
	}
	return out
}

// least returns the lower of the figures of two measurements, kind by kind.
func least(a, b figures) figures {
	out := make(figures, len(a))
	for kind, v := range a {
		out[kind] = v
		if w, ok := b[kind]; ok {
			out[kind] = math.Min(v, w)
		}
	}
	return out
}
