// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command lossylink shows what a link that fails in silence does to messages,
// and what untilack does about it.
//
// On loopback it runs a small XMPP relay, a client that sends a thousand
// messages, and a client that receives them through a link. When the recipient
// has read half of them, the link goes dark; some seconds later the recipient
// logs in anew. It does all this twice, first with a relay that trusts the
// network as most servers do, then with the same relay and untilack's cache, and
// ends with a table that compares the two. Neither client knows of the cache:
// both speak XEP-0184, Message Delivery Receipts, as most clients do.
//
// What waits is kept in memory, or with -store in a database:
//
//	go run ./examples/lossylink -store mail.db
//	go run ./examples/lossylink -store postgres://user@localhost/mail -persist-after 200ms
//
// What an earlier run has left in it is delivered as well, and counted as unknown.
//
// The exit status is 0 if all went as it should; 1 if with the cache a message
// was lost or altered, a receipt was forged, or a message came again although its
// receipt had reached the relay; 2 for wrong flags, or if without the cache
// nothing was lost although the link failed in silence; and 3 if the
// demonstration itself broke down. (The go run command shows it, and exits with 1
// for all of them.)
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
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags that do not change what is run.
type options struct {
	json, verbose bool
}

// run is the command, but for its process. It returns the exit status.
func run(ctx context.Context, arguments []string, stdout, stderr *os.File) int {
	config, options, err := parse(arguments, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "lossylink:", err)
		return exitUsage
	}
	if options.verbose {
		config.Log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	shown := stdout
	if options.json {
		shown = stderr
	}
	printer := newPrinter(shown)
	config.Show = printer.show
	if !options.json {
		introduce(stdout, config)
	}
	report, err := Run(ctx, config)
	printer.end()
	if err != nil {
		fmt.Fprintln(stderr, "lossylink:", err)
		return exitBroken
	}
	return conclude(report, options, stdout, stderr)
}

// parse reads the flags.
func parse(arguments []string, stderr io.Writer) (Config, options, error) {
	c, o := DefaultConfig(), options{}
	flags := flag.NewFlagSet("lossylink", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.Messages, "messages", c.Messages, "how many messages to send")
	flags.Float64Var(&c.Rate, "rate", c.Rate, "how many to send per second")
	flags.StringVar((*string)(&c.Fault), "fault", string(c.Fault), "how the link fails: swallow, stall, rst, fin or flap")
	flags.DurationVar(&c.Outage, "outage", c.Outage, "how long the link is dark")
	flags.StringVar(&c.Resource, "resource", c.Resource, "the resource the recipient comes back with: same or different")
	flags.StringVar(&c.To, "to", c.To, "the recipient's address that the sender writes to: bare or full")
	flags.StringVar((*string)(&c.Transport), "transport", string(c.Transport), "how the clients connect: tcp or websocket")
	flags.StringVar(&c.Runs, "runs", c.Runs, "what to run: both, without or with the cache")
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "what the moments of flapping and the ids depend on")
	flags.DurationVar(&c.AckWait, "ack-wait", c.AckWait, "how long the cache waits for a receipt before it asks whether the client is there")
	flags.DurationVar(&c.ProbeWait, "probe-wait", c.ProbeWait, "how long it waits for that answer")
	flags.StringVar(&c.Store, "store", c.Store, "where the cache keeps what has to last: a file of SQLite, or postgres://...; empty: in memory")
	flags.DurationVar(&c.PersistAfter, "persist-after", c.PersistAfter, "how long a message may wait in memory alone before it is also written to -store; 0: it is written there first, below 0: never")
	flags.DurationVar(&c.Quiet, "quiet", c.Quiet, "how long nothing must happen before the rest counts as lost")
	flags.BoolVar(&o.json, "json", false, "write the result as JSON, and the progress to standard error")
	flags.BoolVar(&o.verbose, "verbose", false, "log what happens to standard error")
	if err := flags.Parse(arguments); err != nil {
		return c, o, err
	}
	if flags.NArg() > 0 {
		return c, o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, o, c.validate()
}

// introduce says what is about to happen.
func introduce(out io.Writer, c Config) {
	fmt.Fprintf(out, "%s sends %d messages to %s, %g a second, over %s. When half are read, %s for %s;\nthen %s logs in anew, with %s resource.\n\n",
		senderName, c.Messages, recipientName, c.Rate, c.Transport, describe(c.Fault), c.Outage, recipientName,
		map[string]string{Same: "the same", Different: "another"}[c.Resource])
}

// describe says what a fault does.
func describe(fault Fault) string {
	return map[Fault]string{
		Swallow: "the link swallows every byte and says nothing,",
		Stall:   "the link stops reading and says nothing,",
		Reset:   "the link is reset, and gone",
		Finish:  "the link is closed in order, and gone",
		Flap:    "the link fails over and over,",
	}[fault]
}

// conclude writes the result and returns the exit status.
func conclude(report Report, options options, stdout, stderr io.Writer) int {
	if options.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			fmt.Fprintln(stderr, "lossylink:", err)
			return exitBroken
		}
	} else {
		fmt.Fprintln(stdout)
		if err := report.WriteTable(stdout); err != nil {
			return exitBroken
		}
	}
	if failures := report.Failures(); len(failures) > 0 {
		fmt.Fprintln(stderr, "lossylink: with untilack:", strings.Join(failures, ", "))
		return exitFailed
	}
	if !report.Struck() {
		fmt.Fprintln(stderr, "lossylink: nothing was lost without untilack: the fault never struck")
		return exitNotStruck
	}
	return 0
}
