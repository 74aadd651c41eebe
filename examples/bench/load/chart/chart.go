// Package chart draws line charts as SVG: a title, two labelled axes, a legend and
// one line with markers for each series. The drawing follows the colour scheme of
// the reader, light or dark, and each line can be told by its dashes and its
// markers, too.
package chart

import (
	"fmt"
	"html"
	"strings"
)

// Chart is what to draw.
type Chart struct {
	Title string
	X, Y  string // labels of the axes
	LogX  bool   // logarithmic; all values have to be positive then
	LogY  bool
	Lines []Line
	Notes []string // lines of small text under the axis
}

// Line is one series.
type Line struct {
	Name   string
	Points []Point // in the order of their X
}

// Point is one measurement.
type Point struct{ X, Y float64 }

// The measures of the drawing, in pixels at its natural size.
const (
	width, height = 760.0, 430.0
	left, right   = 76.0, 30.0
	top, bottom   = 78.0, 58.0
	// noteHeight is what each note adds to the height.
	noteHeight = 18.0
)

// style holds the colours: for the lines, those of the palette of Okabe and Ito
// that are legible on the ground of their scheme.
const style = `<style>
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.tick,.note{font-size:12px;fill:#59636e}
.ground{fill:#ffffff;stroke:#d1d9e0}.grid{stroke:#e4e8ec}.axis{stroke:#818b98}
.line{fill:none;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}
.c0{stroke:#0072b2}.c1{stroke:#c4540a;stroke-dasharray:9 5}.c2{stroke:#008060;stroke-dasharray:1 5}.c3{stroke:#8d4a7d;stroke-dasharray:10 5 1 5}
.m0{fill:#0072b2}.m1{fill:#c4540a}.m2{fill:#008060}.m3{fill:#8d4a7d}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}.tick,.note{fill:#9198a1}
.ground{fill:#0d1117;stroke:#3d444d}.grid{stroke:#262c34}.axis{stroke:#656c76}
.c0{stroke:#56b4e9}.c1{stroke:#e69f00}.c2{stroke:#1fc29a}.c3{stroke:#cc79a7}
.m0{fill:#56b4e9}.m1{fill:#e69f00}.m2{fill:#1fc29a}.m3{fill:#cc79a7}}
</style>
`

// SVG draws the chart. Lines without points are left out.
func (c Chart) SVG() []byte {
	x := newAxis(c.LogX, c.Lines, func(p Point) float64 { return p.X })
	y := newAxis(c.LogY, c.Lines, func(p Point) float64 { return p.Y })
	total := height + noteHeight*float64(len(c.Notes))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`+"\n",
		width, total, width, total, html.EscapeString(c.Title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<rect class="ground" x="0.5" y="0.5" width="%.0f" height="%.0f" rx="6"/>`+"\n", width-1, total-1)
	text(&b, "title", left, 30, "start", c.Title)
	c.drawAxes(&b, x, y)
	legend := left
	for i, line := range c.Lines {
		if len(line.Points) == 0 {
			continue
		}
		drawLine(&b, i, line, x, y)
		fmt.Fprintf(&b, `<path class="line c%d" d="M%.1f 52h26"/>`, i%4, legend)
		marker(&b, i, legend+13, 52)
		text(&b, "", legend+34, 56.5, "start", line.Name)
		legend += 34 + 7.5*float64(len(line.Name)) + 24
	}
	for i, note := range c.Notes {
		text(&b, "note", left, height+4+noteHeight*float64(i), "start", note)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// drawAxes draws the grid, the ticks and the labels.
func (c Chart) drawAxes(b *strings.Builder, x, y axis) {
	for _, tick := range x.ticks {
		at := horizontal(x, tick)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %.1fV%.1f"/>`, at, top, height-bottom)
		text(b, "tick", at, height-bottom+18, "middle", label(tick))
	}
	for _, tick := range y.ticks {
		at := vertical(y, tick)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %.1fH%.1f"/>`, left, at, width-right)
		text(b, "tick", left-8, at+4, "end", label(tick))
	}
	fmt.Fprintf(b, `<path class="axis" fill="none" d="M%.1f %.1fV%.1fH%.1f"/>`+"\n", left, top, height-bottom, width-right)
	text(b, "", left+(width-left-right)/2, height-16, "middle", c.X)
	fmt.Fprintf(b, `<text transform="translate(20 %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		top+(height-top-bottom)/2, html.EscapeString(c.Y))
}

// drawLine draws one series.
func drawLine(b *strings.Builder, i int, line Line, x, y axis) {
	stops := make([]string, 0, len(line.Points))
	for _, p := range line.Points {
		stops = append(stops, fmt.Sprintf("%.1f %.1f", horizontal(x, p.X), vertical(y, p.Y)))
	}
	fmt.Fprintf(b, `<path class="line c%d" d="M%s"/>`+"\n", i%4, strings.Join(stops, "L"))
	for _, p := range line.Points {
		marker(b, i, horizontal(x, p.X), vertical(y, p.Y))
	}
	b.WriteString("\n")
}

// marker draws the sign of a series: a circle, a square, a triangle or a diamond.
func marker(b *strings.Builder, i int, x, y float64) {
	shapes := []string{
		"m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
		"m-4 -4h8v8h-8z",
		"m0 -5.5l5.2 9.3h-10.4z",
		"m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
	}
	fmt.Fprintf(b, `<path class="m%d" d="M%.1f %.1f%s"/>`, i%4, x, y, shapes[i%len(shapes)])
}

// text writes one line of text.
func text(b *strings.Builder, class string, x, y float64, anchor, s string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, `<text%s x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}

// horizontal and vertical return where a value is in the drawing.
func horizontal(a axis, v float64) float64 { return left + a.position(v)*(width-left-right) }

func vertical(a axis, v float64) float64 {
	return height - bottom - a.position(v)*(height-top-bottom)
}
