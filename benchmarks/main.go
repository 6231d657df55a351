// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out, progress io.Writer) error {
	if isCell() {
		return runCell(out)
	}
	p, files, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	r := p.measure(progress)
	if err := files.write(r, out); err != nil {
		return err
	}
	if len(r.failures) > 0 {
		return fmt.Errorf("%d cells failed: %s", len(r.failures), strings.Join(r.failures, "; "))
	}
	return nil
}

// files are where results go, besides the table.
type files struct{ json, svg string }

// parse reads the command line.
func parse(arguments []string, usage io.Writer) (*plan, files, error) {
	var p plan
	var f files
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.BoolVar(&p.quick, "quick", false, "end within a minute: small sizes, few pairs, one round")
	flags.IntVar(&p.rounds, "rounds", 5, "how often each cell is measured")
	flags.IntVar(&p.pairs, "ops", 0, "pairs in each cell (default: as many as fit its size)")
	sizes := flags.String("sizes", "1e3,1e4,1e5,1e6,5e6", "how many packets wait")
	only := flags.String("only", "", "contenders, by name (default: all)")
	flags.StringVar(&f.json, "json", "", "write all results to this file, - for the standard output")
	flags.StringVar(&f.svg, "svg", "", "draw the times into this file")
	if err := flags.Parse(arguments); err != nil {
		return nil, f, err
	}
	if p.rounds < 1 || p.pairs < 0 {
		return nil, f, errors.New("-rounds must be positive, and -ops not negative")
	}
	given := map[string]bool{}
	flags.Visit(func(set *flag.Flag) { given[set.Name] = true })
	if p.quick && !given["rounds"] {
		p.rounds = 1
	}
	if p.quick && !given["sizes"] {
		*sizes = "1e4,1e5"
	}
	return &p, f, errors.Join(p.setSizes(*sizes), p.setOnly(*only))
}

func (p *plan) setSizes(list string) error {
	for _, text := range strings.Split(list, ",") {
		size, err := strconv.ParseFloat(text, 64)
		if err != nil || size < 100 || size > 1e8 {
			return fmt.Errorf("-sizes: %q is no number from 100 to 1e8", text)
		}
		p.sizes = append(p.sizes, int(size))
	}
	slices.Sort(p.sizes)
	return nil
}

func (p *plan) setOnly(list string) error {
	if list == "" {
		return nil
	}
	p.only = strings.Split(list, ",")
	for _, name := range p.only {
		if _, ok := entrantNamed(name); !ok && name != erlangName {
			return fmt.Errorf("-only: no contender is called %q", name)
		}
	}
	return nil
}

// write writes the results.
func (f files) write(r *results, out io.Writer) error {
	if f.json == "-" {
		if err := r.writeJSON(out); err != nil {
			return err
		}
	} else if err := errors.Join(create(f.json, r.writeJSON), r.writeText(out)); err != nil {
		return err
	}
	return create(f.svg, r.writeSVG)
}

// create makes a file, unless it has no name.
func create(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
