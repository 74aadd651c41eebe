package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lineOf(values ...float64) []Line {
	var line Line
	for _, v := range values {
		line.Points = append(line.Points, Point{X: v, Y: v})
	}
	return []Line{line}
}

func TestTicks(t *testing.T) {
	tests := []struct {
		name   string
		log    bool
		values []float64
		want   []float64
	}{
		{"nothing", false, nil, []float64{0, 1}},
		{"nothing, logarithmic", true, nil, []float64{0, 1}},
		{"to a round value", false, []float64{3, 20}, []float64{0, 5, 10, 15, 20}},
		{"beyond a round value", false, []float64{21}, []float64{0, 5, 10, 15, 20, 25}},
		{"small", false, []float64{0.3}, []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3}},
		{"decades", true, []float64{1, 10_000}, []float64{1, 10, 100, 1000, 10_000}},
		{"one decade", true, []float64{2, 15}, []float64{2, 5, 10, 20}},
		{"below one", true, []float64{0.03, 0.4}, []float64{0.02, 0.05, 0.1, 0.2, 0.5}},
		{"a single value", true, []float64{5}, []float64{5, 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAxis(tt.log, lineOf(tt.values...), func(p Point) float64 { return p.X })
			if !slices.EqualFunc(a.ticks, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
				t.Errorf("ticks %v, want %v", a.ticks, tt.want)
			}
			for _, v := range tt.values {
				if at := a.position(v); at < 0 || at > 1+1e-9 {
					t.Errorf("%v is at %v", v, at)
				}
			}
		})
	}
}

func TestPosition(t *testing.T) {
	if at := (axis{log: true, low: 1, high: 100}).position(10); math.Abs(at-0.5) > 1e-9 {
		t.Errorf("10 is at %v between 1 and 100", at)
	}
	if at := (axis{low: 0, high: 8}).position(2); at != 0.25 {
		t.Errorf("2 is at %v between 0 and 8", at)
	}
}

func TestLabel(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.05: "0.05", 18000: "18,000", 1000000: "1,000,000", 2.5: "2.5", 100: "100"} {
		if got := label(v); got != want {
			t.Errorf("label(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSVG(t *testing.T) {
	c := Chart{
		Title: "Cost & <effect>", X: "members", Y: "µs", LogX: true, LogY: true,
		Lines: []Line{
			{Name: "one", Points: []Point{{1, 5}, {10, 2}, {100, 0.5}}},
			{Name: "none"},
			{Name: "three", Points: []Point{{1, 7}, {100, 9}}},
		},
	}
	svg := string(c.SVG())
	for _, want := range []string{"Cost &amp; &lt;effect&gt;", ">members<", ">µs<", ">one<", ">three<", "prefers-color-scheme:dark", ">100<", `role="img"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the drawing", want)
		}
	}
	if strings.Contains(svg, ">none<") {
		t.Error("a line without points is in the legend")
	}
	// Each point has a marker, and so has each entry of the legend.
	for class, want := range map[string]int{`class="m0"`: 4, `class="m2"`: 3, `class="line c0"`: 2, `class="line c1"`: 0} {
		if got := strings.Count(svg, class); got != want {
			t.Errorf("%s occurs %d times, want %d", class, got, want)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a value has no place")
	}
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well formed: %v", err)
		}
	}
}

func TestNotes(t *testing.T) {
	c := Chart{Title: "Cost", Lines: lineOf(1, 2)}
	if svg := string(c.SVG()); strings.Contains(svg, `class="note"`) || !strings.Contains(svg, `viewBox="0 0 760 430"`) {
		t.Errorf("without notes:\n%s", svg)
	}
	c.Notes = []string{"one <is> missing", "so is another"}
	svg := string(c.SVG())
	for _, want := range []string{">one &lt;is&gt; missing<", ">so is another<", `viewBox="0 0 760 466"`, `height="466"`, `height="465" rx`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the drawing", want)
		}
	}
}

func TestEmptyChart(t *testing.T) {
	if svg := string(Chart{Title: "empty", LogX: true}.SVG()); !strings.HasSuffix(svg, "</svg>\n") || strings.Contains(svg, "NaN") {
		t.Errorf("an empty chart is\n%s", svg)
	}
}
