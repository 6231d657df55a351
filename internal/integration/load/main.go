// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Load measures examples/server under load: how many messages it brings to their recipients
// in a second, compared with other servers, and what many clients at once cost it.
//
//	go run ./internal/integration/load
//	go run ./internal/integration/load -idle 10000 -chatting 1000 -minutes 10
//
// # Throughput
//
// Each contender runs in a process of its own, on one core; the clients are on another one.
// Half of the clients send messages, each to a client of the other half, which answers each
// with a receipt; a hundred messages of each pair are under way. It counts what was answered,
// and it is an error if one message was not, or came twice, or before an older one. The
// contenders take turns, each with a new process, in as many rounds as are asked for;
// figures are medians of them, and ratios medians of those within each round.
//
// The contenders are, as far as they are installed:
//
//	naive relay   mellium negotiates and parses, and each stanza is encoded and written to its
//	              recipient at once; no limits, no presence, no errors, nothing is kept
//	memory        examples/server -memory, with all of its limits
//	sqlite        examples/server as it is, with each message on the disk before it is delivered
//	sqlite later  the same where a receipt takes more than 200 ms, and else not at all
//	postgres      as sqlite, with PostgreSQL, whose own processes may use all cores
//	prosody       as Debian has it, without the limits on rates
//	ejabberd      likewise
//
// The relay is a program of its own, not our server without the Keeper: what is to be compared is
// all that our server does, its limits before the parser and its queues as well as the Keeper,
// with the least that mellium can do.
//
// Clients log in over TCP without TLS. A latency is from when a message was given to its
// client's buffer to when its receipt was read, with the queues of a full load. CPU time is that
// of the server for a message and its receipt, without that of PostgreSQL; the ratio by it is
// less disturbed by what else the machine does than that by time.
//
// With -rate, so many messages a second are offered and not as many as can be, and with -late one
// in so many receipts comes half a second late, so that a server that waits for receipts before it
// writes to its disk has something to write. Then a latency is that of the delivery: until the
// message was read by its recipient. What waiting for receipts costs a server, to one without a
// disk:
//
//	go run ./internal/integration/load -rate 20000 -late 100 -only 'memory,sqlite later' -rounds 9
//
// # Many clients
//
// With -idle, so many clients log in to examples/server and say no more, while so many others
// send a message each second to another one, which answers. Each minute, memory, goroutines and
// processor time of the server are measured; in the end all connections are closed, and it is an
// error if a message was lost or goroutines are left. The store is SQLite, unless -only says otherwise.
//
// Linux tells what processes use, and pins them with taskset; without it nothing is pinned,
// and the report says so.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/untilack/untilack/internal/integration/postgres"
	"github.com/untilack/untilack/internal/integration/servers"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// A bench is what is to be measured.
type bench struct {
	rounds   int
	clients  int
	window   int
	rate     int // messages offered in a second; 0: as many as can be
	late     int // one in so many receipts is; 0: none
	warmUp   time.Duration
	duration time.Duration // of each measurement

	idle, chatting int
	every          time.Duration // between two messages of a client that chats
	interval       time.Duration // between two measurements

	only     []contender
	json     string
	relay    string // the address of the relay that this process is to be
	accounts int
	pinned   bool
	progress io.Writer
	postgres *postgres.Server // nil: was not needed yet
}

// run measures what the arguments ask for.
func run(args []string, out, progress io.Writer) error {
	b, err := parse(args, progress)
	if err != nil {
		return err
	}
	if b.relay != "" {
		return runRelay(b.relay, os.Stdin, out)
	}
	defer servers.StopShared()
	defer b.stopPostgres()
	if b.isNeeded("postgres") { // before this process is pinned, which would pin the database with it
		if _, err := b.database(); err != nil && !isMissing(err) {
			return err
		}
	}
	if b.pinned = pin(); !b.pinned {
		fmt.Fprintln(progress, "nothing is pinned to a core: there is no taskset, or no second core")
	}
	runtime.GOMAXPROCS(1)
	if b.idle+b.chatting > 0 {
		return b.runEndurance(out)
	}
	return b.runThroughput(out)
}

func (b *bench) stopPostgres() {
	if b.postgres != nil {
		_ = b.postgres.Stop() // its files are left at worst
	}
}

func (b *bench) isNeeded(name string) bool {
	for _, c := range b.only {
		if c.name == name {
			return true
		}
	}
	return false
}

// parse reads the command line.
func parse(args []string, usage io.Writer) (*bench, error) {
	b := &bench{progress: usage, window: 100, warmUp: time.Second, interval: time.Minute, every: time.Second}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(usage)
	quick := flags.Bool("quick", false, "one round of a second each, or with many clients ten seconds")
	flags.IntVar(&b.rounds, "rounds", 5, "how often each contender is measured")
	flags.IntVar(&b.clients, "clients", 20, "how many clients talk, half of them to the other half")
	flags.DurationVar(&b.duration, "for", 5*time.Second, "how long each measurement takes, after a second")
	flags.IntVar(&b.rate, "rate", 0, "how many messages are offered in a second (default: as many as can be)")
	flags.IntVar(&b.late, "late", 0, "one in so many receipts comes late, with -rate (default: none)")
	flags.IntVar(&b.idle, "idle", 0, "how many clients are logged in and silent, for a long run")
	flags.IntVar(&b.chatting, "chatting", 0, "how many send messages, for a long run")
	flags.DurationVar(&b.every, "every", time.Second, "how often each of them does")
	minutes := flags.Int("minutes", 10, "how many minutes a long run takes")
	only := flags.String("only", "", "contenders, by name, with commas (default: all; sqlite for a long run)")
	flags.StringVar(&b.json, "json", "", "write all results to this `file`, - for the standard output instead of the table")
	flags.StringVar(&b.relay, "relay", "", "be nothing but the naive relay, at this `address`, until the input ends")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if b.every <= 0 || b.rounds < 1 || b.clients < 2 || b.clients%2 != 0 || b.duration <= 0 || *minutes < 1 {
		return nil, errors.New("-rounds, -for, -every and -minutes must be positive, -clients even and not 0")
	}
	if b.idle < 0 || b.chatting < 0 || b.chatting%2 != 0 || b.idle > 0 && b.chatting == 0 {
		return nil, errors.New("-idle must not be negative, and goes with -chatting, which must be even")
	}
	if b.rate < 0 || b.late < 0 || b.late > 0 && b.rate == 0 || b.rate > 0 && b.chatting > 0 {
		return nil, errors.New("-rate and -late must not be negative, -late goes with -rate, and -rate not with -chatting")
	}
	given := make(map[string]bool)
	flags.Visit(func(set *flag.Flag) { given[set.Name] = true })
	if *quick {
		b.warmUp = 200 * time.Millisecond
		if !given["rounds"] {
			b.rounds = 1
		}
	}
	long := b.chatting > 0
	switch {
	case long && *quick:
		b.duration, b.interval = 10*time.Second, 5*time.Second
	case long:
		b.duration = time.Duration(*minutes) * time.Minute
	case *quick && !given["for"]:
		b.duration = time.Second
	}
	b.accounts = max(b.clients, b.idle+b.chatting)
	return b, b.choose(*only, long)
}

// choose chooses the contenders.
func (b *bench) choose(only string, long bool) error {
	if only == "" && long {
		only = "sqlite"
	}
	if only == "" {
		b.only = contenders
		return nil
	}
	for _, name := range strings.Split(only, ",") {
		c, err := contenderNamed(name)
		if err != nil {
			return fmt.Errorf("-only: %w", err)
		}
		b.only = append(b.only, c)
	}
	return nil
}

// runThroughput measures all contenders in turns.
func (b *bench) runThroughput(out io.Writer) error {
	r := report{Base: b.only[0].name, Clients: b.clients, Window: b.window, Rate: b.rate, Late: b.late, Pinned: b.pinned, Samples: make(map[string][]sample)}
	missing := make(map[string]bool)
	for round := range b.rounds {
		for _, c := range b.only {
			if missing[c.name] {
				continue
			}
			s, err := b.measure(c)
			if isMissing(err) {
				fmt.Fprintf(b.progress, "%s: %v\n", c.name, err)
				missing[c.name] = true
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(b.progress, "round %d: %-12s %8.0f messages/s\n", round+1, c.name, s.Rate)
			r.Samples[c.name] = append(r.Samples[c.name], s)
		}
	}
	return b.write(out, r, r.print)
}

// runEndurance has many clients log in to each contender.
func (b *bench) runEndurance(out io.Writer) error {
	for _, c := range b.only {
		e, err := b.endure(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := b.write(out, e, e.print); err != nil {
			return err
		}
	}
	return nil
}

// write writes results as a table, as JSON, or both.
func (b *bench) write(out io.Writer, results any, table func(io.Writer) error) error {
	if b.json == "" {
		return table(out)
	}
	text, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if b.json == "-" {
		_, err = out.Write(text)
		return err
	}
	return errors.Join(os.WriteFile(b.json, text, 0o644), table(out))
}
