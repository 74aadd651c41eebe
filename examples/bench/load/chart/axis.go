package chart

import (
	"math"
	"strconv"
	"strings"
)

// axis maps values to positions between 0 and 1.
type axis struct {
	log       bool
	low, high float64
	ticks     []float64
}

// newAxis returns an axis on which all points find room: from zero, or from one
// step of 1, 2, 5, 10 to another if it is logarithmic.
func newAxis(log bool, lines []Line, value func(Point) float64) axis {
	smallest, largest := math.Inf(1), 0.0
	for _, line := range lines {
		for _, p := range line.Points {
			smallest, largest = min(smallest, value(p)), max(largest, value(p))
		}
	}
	switch {
	case largest == 0:
		return axis{high: 1, ticks: []float64{0, 1}}
	case log:
		return logarithmic(smallest, largest)
	default:
		return linear(largest)
	}
}

// linear returns an axis with about five round ticks.
func linear(largest float64) axis {
	step := math.Pow(10, math.Floor(math.Log10(largest/4)))
	for _, factor := range []float64{2, 2.5, 5, 10} {
		if largest/step <= 6 {
			break
		}
		step = math.Pow(10, math.Floor(math.Log10(largest/4))) * factor
	}
	a := axis{}
	for i := 0; a.high < largest; i++ {
		a.high = float64(i) * step
		a.ticks = append(a.ticks, a.high)
	}
	return a
}

// logarithmic returns an axis with a tick at each power of ten, and between them
// if there are few.
func logarithmic(smallest, largest float64) axis {
	factors := []float64{1, 2, 5}
	if largest/smallest > 3000 {
		factors = []float64{1}
	}
	a := axis{log: true, low: smallest, high: largest}
	for exponent := math.Floor(math.Log10(smallest)); ; exponent++ {
		for _, factor := range factors {
			// The exact value of the literal, not 10 raised to something.
			tick, _ := strconv.ParseFloat(strconv.FormatFloat(factor, 'f', 0, 64)+"e"+strconv.Itoa(int(exponent)), 64)
			switch {
			case tick <= smallest:
				a.low, a.ticks = tick, []float64{tick}
			default:
				a.high, a.ticks = tick, append(a.ticks, tick)
			}
			if tick >= largest && len(a.ticks) > 1 {
				return a
			}
		}
	}
}

// position returns where a value is.
func (a axis) position(v float64) float64 {
	if a.log {
		return math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

// label writes a tick: 18,000 or 0.05.
func label(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	whole, fraction, found := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return whole + "." + fraction
	}
	return whole
}
