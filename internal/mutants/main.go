// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command mutants shows that the tests of this module find the bugs that they are
// there to find. Each file in patches is a bug that somebody could have written: the
// command puts one at a time into a copy of the module, and runs tests until one of
// them fails. A bug that no test notices has survived.
//
//	go run ./internal/mutants             # all of them; takes some minutes
//	go run ./internal/mutants -run wheel  # those whose name matches
//	go run ./internal/mutants -list       # what each of them would do to whom
//
// It works on what git knows of the working tree and on what is new there, and
// changes nothing in it. It needs git and the go command.
//
// A patch begins with a header, which git apply passes over:
//
//	A receipt settles by its id alone
//	Observed: what a sender, a recipient or an operator would see
//	Packages: ./cache .
//
// The packages are those whose tests are run, in this order, until one fails. They
// must pass without the bug. A test that does not build has caught nothing.
//
// The exit status is 0 if every bug was caught; 1 if one survived, does not apply
// or does not build, or if the tests fail without it; and 2 for wrong flags.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

// run is the command, but for its process.
func run(ctx context.Context, w io.Writer) error {
	name := flag.String("run", "", "only those whose name matches this `regexp`")
	workers := flag.Int("n", 1, "how many at once")
	verbose := flag.Bool("v", false, "show what the failing tests print")
	list := flag.Bool("list", false, "list them, and do nothing")
	flag.Parse()
	pattern, err := regexp.Compile(*name)
	if err != nil || flag.NArg() > 0 || *workers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	mutants, err := load()
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !pattern.MatchString(m.name) })
	if *list {
		for _, m := range mutants {
			fmt.Fprintf(w, "%s\n    %s.\n    Observed: %s\n", m.name, m.title, m.observed)
		}
		return nil
	}
	start := time.Now()
	trees, err := plant(ctx, *workers)
	defer func() {
		for _, t := range trees {
			t.remove()
		}
	}()
	if err != nil {
		return err
	}
	if err := trees[0].holds(ctx, mutants); err != nil {
		return err
	}
	fmt.Fprintf(w, "%-44s %-60s %7s\n", "bug", "caught by", "seconds")
	bad := 0
	for o := range tryAll(ctx, trees, mutants) {
		fmt.Fprintf(w, "%-44s %-60s %7.1f\n", o.mutant.name, o.verdict(), o.took.Seconds())
		if *verbose || o.err != nil {
			fmt.Fprintln(w, o.output)
		}
		if !o.caught() {
			bad++
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(w, "%d of %d were caught, in %v\n", len(mutants)-bad, len(mutants), time.Since(start).Round(time.Second))
	if bad > 0 {
		return fmt.Errorf("%d were not caught", bad)
	}
	return nil
}

// tryAll tries the mutants, as many at once as there are trees, and gives what came
// of each as soon as it is known.
func tryAll(ctx context.Context, trees []*tree, mutants []mutant) <-chan outcome {
	next := make(chan mutant)
	outcomes := make(chan outcome)
	go func() {
		defer close(next)
		for _, m := range mutants {
			select {
			case next <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	var working sync.WaitGroup
	for _, t := range trees {
		working.Go(func() {
			for m := range next {
				if o := t.try(ctx, m); ctx.Err() == nil {
					outcomes <- o
				}
			}
		})
	}
	go func() {
		working.Wait()
		close(outcomes)
	}()
	return outcomes
}
