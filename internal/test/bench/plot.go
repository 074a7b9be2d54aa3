package main

import (
	"image/color"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// drawGrowth draws latency and CPU by the number of jobs, and latency and memory by the size
// of the image; the server with solid lines, the floor with dashed ones.
func drawGrowth(file string, jobs, sizes curves) error {
	panels := make([][]*plot.Plot, 2)
	for i, row := range [][]struct {
		title, x string
		of       figure
		curves   curves
	}{
		{{"p50 by jobs in bucket and queue, ms", "jobs", p50, jobs}, {"CPU of a request by the same, ms", "jobs", cpu, jobs}},
		{{"p50 by size of the image, ms", "bytes", p50, sizes}, {"Peak memory by size of the image, MiB", "bytes", peakRSS, sizes}},
	} {
		for _, d := range row {
			p, err := panel(d.title, d.x, d.of, d.curves)
			if err != nil {
				return err
			}
			panels[i] = append(panels[i], p)
		}
	}
	c := vgsvg.New(24*vg.Centimeter, 17*vg.Centimeter)
	canvases := plot.Align(panels, draw.Tiles{
		Rows: 2, Cols: 2, PadX: vg.Centimeter, PadY: vg.Centimeter,
		PadTop: vg.Millimeter, PadBottom: vg.Millimeter, PadLeft: vg.Millimeter, PadRight: 5 * vg.Millimeter,
	}, draw.New(c))
	for i := range panels {
		for j := range panels[i] {
			panels[i][j].Draw(canvases[i][j])
		}
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// panel draws one figure with logarithmic axes.
func panel(title, x string, of figure, c curves) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, x
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = decades{}
	for _, points := range c {
		var ticks plot.ConstantTicks
		for _, at := range points {
			ticks = append(ticks, plot.Tick{Value: at.x, Label: label(at.x)})
		}
		p.X.Tick.Marker = ticks // all curves have the same places
	}
	p.Title.Padding = vg.Millimeter
	p.Legend.Left, p.Legend.Top = true, true
	p.Add(plotter.NewGrid())
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i, what := range slices.Sorted(maps.Keys(c)) {
		for _, who := range []side{server, floor} {
			var points plotter.XYs
			for _, at := range c[what] {
				f := at.Server
				if who == floor {
					f = at.Floor
				}
				if y, ok := f[of]; ok && y > 0 {
					points = append(points, plotter.XY{X: at.x, Y: y})
					lowest, highest = min(lowest, y), max(highest, y)
				}
			}
			if len(points) == 0 {
				continue
			}
			line, dots, err := plotter.NewLinePoints(points)
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
			dots.Color, dots.Shape = line.Color, draw.CircleGlyph{}
			name := what
			if who == floor {
				line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
				name += ", floor"
			}
			p.Add(line, dots)
			p.Legend.Add(name, line)
		}
	}
	// Whole decades, and room for the legend.
	p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(lowest))), math.Pow(10, math.Ceil(math.Log10(highest)+0.5))
	p.BackgroundColor = color.White
	return p, nil
}

// decades marks powers of ten, and nine lines between each two.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(lowest, highest float64) []plot.Tick {
	var ticks []plot.Tick
	for d := math.Pow(10, math.Floor(math.Log10(lowest))); d <= highest*1.001; d *= 10 {
		for i := 1.0; i < 10; i++ {
			v := i * d
			if v < lowest*0.999 || v > highest*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if i == 1 {
				t.Label = label(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// label abbreviates a number.
func label(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.of*0.999 {
			return strconv.FormatFloat(math.Round(v/unit.of), 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
