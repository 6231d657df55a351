// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
)

const (
	exitFailed    = 1
	exitNotStruck = 2
	exitUsage     = 2
	exitBroken    = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	go func() {
		<-ctx.Done()
		stop() // a second interrupt ends it at once
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags that do not change what is run.
type options struct {
	json, quiet, verbose bool
}

// run is the command, but for its process. It returns the exit status.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	config, options, err := parse(arguments, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "soak:", err)
		return exitUsage
	}
	if options.verbose {
		config.Log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	if !options.quiet {
		config.Progress = func(p Progress) { fmt.Fprintln(stderr, p) }
	}
	report, err := Run(ctx, config)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return exitBroken
	}
	return conclude(report, options, stdout, stderr)
}

// parse reads the flags.
func parse(arguments []string, stderr io.Writer) (Config, options, error) {
	c, o := DefaultConfig(), options{}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&c.For, "for", c.For, "how long messages are sent and networks fail")
	flags.IntVar(&c.Clients, "clients", c.Clients, "how many clients receive messages")
	flags.IntVar(&c.Senders, "senders", c.Senders, "how many clients send them")
	flags.Float64Var(&c.Rate, "rate", c.Rate, "how many messages to send per second, in all")
	flags.DurationVar(&c.Every, "every", c.Every, "the time between two faults of one client's network, on average")
	flags.DurationVar(&c.Delay, "delay", c.Delay, "how long bytes take one way, on average of connections")
	flags.DurationVar(&c.Jitter, "jitter", c.Jitter, "how much longer they may take, on average of connections")
	flags.IntVar(&c.Bandwidth, "bandwidth", c.Bandwidth, "bytes per second of a connection; each has from a quarter to twice that; 0: no limit")
	flags.Float64Var(&c.Loss, "loss", c.Loss, "the part of packets that TCP has to send again")
	flags.DurationVar(&c.Late, "late", c.Late, "how much later than asked for a connection may reach the server")
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "what the faults, their moments and the choice of recipients depend on")
	flags.DurationVar(&c.AckWait, "ack-wait", c.AckWait, "how long the cache waits for a receipt before it asks whether the client is there")
	flags.DurationVar(&c.ProbeWait, "probe-wait", c.ProbeWait, "how long it waits for that answer")
	flags.DurationVar(&c.PersistAfter, "persist-after", c.PersistAfter, "when the cache writes what waits to its store (in memory): 0 before it is delivered, below 0 never")
	flags.DurationVar(&c.Patience, "patience", c.Patience, "how long nothing must happen at the end before what is missing counts as lost")
	flags.Var(&c.Memory, "memory", "how much memory may be resident, such as 256MiB; more is a failure; 0: no limit")
	flags.IntVar(&c.Traced, "traced", c.Traced, "how many events to remember of each client, to be shown if something goes wrong")
	flags.DurationVar(&c.Interval, "interval", c.Interval, "the time between two lines of progress")
	flags.BoolVar(&o.quiet, "quiet", false, "no progress on standard error")
	flags.BoolVar(&o.json, "json", false, "write the result as JSON")
	flags.BoolVar(&o.verbose, "verbose", false, "log what happens to standard error")
	if err := flags.Parse(arguments); err != nil {
		return c, o, err
	}
	if flags.NArg() > 0 {
		return c, o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, o, c.validate()
}

// conclude writes the result and returns the exit status.
func conclude(report *Report, options options, stdout, stderr io.Writer) int {
	write := func() error { return report.WriteTable(stdout) }
	if options.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		write = func() error { return encoder.Encode(report) }
	}
	if err := write(); err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return exitBroken
	}
	if failures := report.Failures(); len(failures) > 0 {
		for _, trouble := range report.Trouble {
			fmt.Fprintln(stderr, trouble)
		}
		fmt.Fprintln(stderr, "soak:", strings.Join(failures, ", "))
		return exitFailed
	}
	if !report.Struck() {
		fmt.Fprintln(stderr, "soak: the faults never struck")
		return exitNotStruck
	}
	return 0
}
