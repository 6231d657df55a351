// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// writeText writes everything for people.
func (r *results) writeText(out io.Writer) error {
	fmt.Fprintf(out, "%s, %s/%s, %d CPUs; medians of %d rounds; times are for a pair,\n"+
		"one packet put and one settled, and net of the harness\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), r.rounds)
	for _, w := range ways {
		for _, size := range r.sizesOf(w) {
			if err := r.writeWay(out, w, size); err != nil {
				return err
			}
		}
	}
	if err := r.writeOthers(out); err != nil {
		return err
	}
	if err := r.writeBars(out); err != nil {
		return err
	}
	for _, failure := range r.failures {
		fmt.Fprintln(out, "failed:", failure)
	}
	return nil
}

// writeWay writes what was measured in a way with so many packets.
func (r *results) writeWay(out io.Writer, w way, size int) error {
	fmt.Fprintf(out, "\n%s waiting; %s\n", short(size), titles[w])
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%-18s\twall ns\tCPU ns\tuntilack's wall\tCPU\tallocs\tB\tB/packet\tlater\tGC ms\t\n", "")
	ours, _ := r.net(untilackName, w, size, "wall ns")
	oursCPU, _ := r.net(untilackName, w, size, "cpu ns")
	for _, e := range entrants {
		c := r.cell(e.name, w, size)
		if len(r.measured[c]) == 0 {
			continue
		}
		value := func(name string) float64 { v, _ := r.value(c, name); return v }
		if e.isNull() {
			fmt.Fprintf(table, "%-18s\t(%s)\t(%s)\t\t\t\t\t\t\t\t\n", e.name, figure(value("wall ns")), figure(value("cpu ns")))
			continue
		}
		wall, _ := r.net(e.name, w, size, "wall ns")
		cpu, _ := r.net(e.name, w, size, "cpu ns")
		fmt.Fprintf(table, "%-18s\t%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%s\t%s\t\n", e.name, figure(wall), figure(cpu),
			ratio(ours, wall), ratio(oursCPU, cpu), value("allocs"), figure(value("bytes")),
			figure(value("memory")), figure(value("memory after")), figure(value("gc ms")))
	}
	return table.Flush()
}

// ratio returns the quotient of two times for people.
func ratio(ours, theirs float64) string {
	if ours <= 0 || theirs <= 0 {
		return "–"
	}
	return fmt.Sprintf("× %.2f", ours/theirs)
}

// writeOthers writes what was measured besides.
func (r *results) writeOthers(out io.Writer) error {
	fmt.Fprintf(out, "\n%d deadlines a second: how late they are acted on, in ms\n", expiriesPerSecond)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%-18s\tp50\tp99\tmax\tearly\tnever\t\n", "")
	for _, name := range lateNames {
		c := r.lateness(name)
		if len(r.measured[c]) == 0 {
			continue
		}
		fmt.Fprintf(table, "%-18s\t", name)
		for _, value := range []string{"p50 ms", "p99 ms", "max ms", "early", "undelivered"} {
			v, _ := r.value(c, value)
			fmt.Fprintf(table, "%s\t", figure(v))
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	r.writeLine(out, r.burst(), short(r.reference())+" due at once: %s ns of CPU for each that is dropped, "+
		"%s for each that is looked at; longest wait of another goroutine %s ms (%s without)",
		"drop cpu ns", "loop cpu ns", "longest wait ms", "longest wait, idle, ms")
	r.writeLine(out, r.kept(), "a minute after "+short(r.reference())+" were settled: %s %% of the heap kept", "percent")
	r.writeLine(out, r.empty(), "an empty cache: %s B", "bytes")
	if !hasErlang() {
		fmt.Fprintln(out, "Erlang: not measured, for there is no erl on the PATH")
	}
	r.writeLine(out, r.erlang(), "Erlang, "+short(r.reference())+" in order: %s ns for a pair, "+
		"%s of them the harness's; %s B for each packet that waits",
		"wall ns", "null ns", "memory")
	return nil
}

// writeLine writes the values of a cell into a sentence, if there are any.
func (r *results) writeLine(out io.Writer, c cell, format string, names ...string) {
	if len(r.measured[c]) == 0 {
		return
	}
	var figures []any
	for _, name := range names {
		v, _ := r.value(c, name)
		figures = append(figures, figure(v))
	}
	fmt.Fprintf(out, format+"\n", figures...)
}

// A cellReport is a cell and all that was measured in it.
type cellReport struct {
	Cell    cell     `json:"cell"`
	Medians values   `json:"medians"`
	Rounds  []values `json:"rounds"`
}

// writeJSON writes everything for programs.
func (r *results) writeJSON(out io.Writer) error {
	report := struct {
		Go       string       `json:"go"`
		Platform string       `json:"platform"`
		CPUs     int          `json:"cpus"`
		Cells    []cellReport `json:"cells"`
		Bars     []bar        `json:"bars"`
		Failures []string     `json:"failures,omitempty"`
	}{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, runtime.NumCPU(), nil, r.bars(), r.failures}
	for _, c := range r.cells() {
		if rounds := r.measured[c]; len(rounds) > 0 {
			medians := values{}
			for name := range rounds[0] {
				medians[name], _ = r.value(c, name)
			}
			report.Cells = append(report.Cells, cellReport{c, medians, rounds})
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "\t")
	return encoder.Encode(report)
}
