// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The plot in pixels. Its background is that of the page, so it has only colours that
// can be seen on white and on black.
const (
	plotWidth, plotHeight = 760, 440
	plotLeft, plotRight   = 60, 600
	plotTop, plotBottom   = 40, 390
	labelHeight           = 15
	grey                  = "#808080"
	ourColour             = "#e0524a"
	svgHead               = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="` + grey + `">`
)

var plotColours = []string{"#3b82c4", "#2f9e6e", "#9a6dd7", "#c98a1b", "#c2559d", "#2aa3b0", "#7f9a2b", "#8c7b6b", "#5f7fae", "#b0714f", "#6f8f8f"}

// A line is one contender's in the plot.
type line struct {
	name    string
	colour  string
	sizes   []int
	times   []float64
	labelAt float64
}

// A plot has logarithmic axes: packets that wait, and nanoseconds of a pair.
type plot struct {
	lines           []line
	fewest, most    float64
	shortest, worst float64
}

// plotted returns the plot of what was measured one by one and in order.
func (r *results) plotted() *plot {
	p := &plot{fewest: math.Inf(1), shortest: math.Inf(1)}
	for _, e := range entrants {
		if e.isNull() {
			continue
		}
		l := line{name: e.name, colour: ourColour}
		for _, size := range r.sizes {
			if t, ok := r.net(e.name, ordered, size, "wall ns"); ok && t > 0 {
				l.sizes, l.times = append(l.sizes, size), append(l.times, t)
				p.fewest, p.most = min(p.fewest, float64(size)), max(p.most, float64(size))
				p.shortest, p.worst = min(p.shortest, t), max(p.worst, t)
			}
		}
		if len(l.sizes) == 0 {
			continue
		}
		if !strings.HasPrefix(e.name, untilackName) {
			l.colour = plotColours[len(p.lines)%len(plotColours)]
		}
		p.lines = append(p.lines, l)
	}
	p.label()
	return p
}

func (p *plot) x(size float64) float64 {
	return plotLeft + (plotRight-plotLeft)*math.Log(size/p.fewest)/max(1, math.Log(p.most/p.fewest))
}

func (p *plot) y(time float64) float64 {
	return plotBottom - (plotBottom-plotTop)*math.Log(time/p.shortest)/max(1, math.Log(p.worst/p.shortest))
}

// label finds a place for each name beside the end of its line, and none on another.
func (p *plot) label() {
	slices.SortFunc(p.lines, func(a, b line) int { return cmp.Compare(b.times[len(b.times)-1], a.times[len(a.times)-1]) })
	above := float64(plotTop - labelHeight)
	for i := range p.lines {
		l := &p.lines[i]
		l.labelAt = max(p.y(l.times[len(l.times)-1]), above+labelHeight)
		above = l.labelAt
	}
}

// writeSVG draws the plot.
func (r *results) writeSVG(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, svgHead+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, "<title>Time to put one packet and settle another</title>\n")
	if p := r.plotted(); len(p.lines) > 0 {
		p.drawAxes(&b, r.sizes)
		for _, l := range p.lines {
			p.drawLine(&b, l)
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (p *plot) drawAxes(b *strings.Builder, sizes []int) {
	fmt.Fprintf(b, "<text x=\"%d\" y=\"20\">ns for one packet put and one settled, net of the harness</text>\n", plotLeft)
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">packets that wait</text>\n", plotRight, plotBottom+38)
	for _, size := range sizes {
		fmt.Fprintf(b, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", p.x(float64(size)), plotBottom+20, short(size))
	}
	for power := 1.0; power <= p.worst; power *= 10 {
		for _, time := range []float64{power, 2 * power, 5 * power} {
			if time >= p.shortest && time <= p.worst {
				y := p.y(time)
				fmt.Fprintf(b, "<path d=\"M%d %.0fH%d\" stroke=\"%s\" stroke-opacity=\".3\"/>\n", plotLeft, y, plotRight, grey)
				fmt.Fprintf(b, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.0f</text>\n", plotLeft-8, y+4, time)
			}
		}
	}
}

func (p *plot) drawLine(b *strings.Builder, l line) {
	width := 1.5
	if l.name == untilackName {
		width = 3.5
	}
	var points []string
	for i, size := range l.sizes {
		points = append(points, fmt.Sprintf("%.0f,%.1f", p.x(float64(size)), p.y(l.times[i])))
	}
	fmt.Fprintf(b, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", strings.Join(points, " "), l.colour, width)
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n", plotRight+12, l.labelAt+4, l.colour, l.name)
}
