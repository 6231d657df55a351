// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command sender sends messages to somebody, and prints what became of each. It works with
// any XMPP server, and any client at the other end that knows XEP-0184:
//
//	export XMPP_PASSWORD=...
//	go run ./examples/sender -account romeo@capulet.example/sender -to juliet@capulet.example -messages 1000
//	go run ./examples/sender -account romeo@capulet.example/sender -to juliet@capulet.example -outbox out.db <letters.txt
//
// A line of standard output says of each message whether it was delivered, and by whom, or came back
// with an error, or expired: then no receipt came within -wait, which may mean anything. An
// expired one is sent again, as a copy with the same id, until it has been sent -tries times;
// a recipient that knows copies, such as examples/bot, shows one of them. A progress bar is shown
// on standard error if that is a terminal.
//
// With -outbox all of this is also in a file of SQLite. What was not finished when the
// sender ended, however it did, goes on when it is started with the same file: what waited
// still waits for its receipt, and the rest is sent. Nothing is added meanwhile.
//
// When the stream ends, or the server answers no ping, the sender logs in again, after a pause that
// grows up to half a minute. The exit status is 0 if all messages were delivered, 1 if not,
// and 2 if it could not begin.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/untilack/untilack/client"

	"mellium.im/xmpp/jid"
)

const (
	exitUndelivered = 1
	exitBroken      = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once, whatever it waits for
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command, but for its process. It returns the exit status.
func run(ctx context.Context, arguments []string, stdin io.Reader, stdout io.Writer, stderr *os.File) int {
	s, err := parse(ctx, arguments, stdin, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "sender:", err)
		return exitBroken
	}
	defer s.outbox.close()
	s.screen = newScreen(stdout, stderr, len(s.letters))
	err = s.run(ctx)
	s.screen.end()
	fmt.Fprintln(stderr, s.summary())
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "sender:", err)
		return exitBroken
	case s.counts[client.Delivered] < len(s.letters):
		return exitUndelivered
	}
	return 0
}

// parse makes the sender that the flags say, with all its messages in its outbox.
func parse(ctx context.Context, arguments []string, stdin io.Reader, stderr io.Writer) (*sender, error) {
	s := &sender{}
	flags := flag.NewFlagSet("sender", flag.ContinueOnError)
	flags.SetOutput(stderr)
	s.account.AddFlags(flags)
	var to jid.JID
	flags.Func("to", "the `address` to send to", func(v string) (err error) { to, err = jid.Parse(v); return err })
	messages := flags.Int("messages", 0, "how many messages to send (default: one for each line of standard input)")
	path := flags.String("outbox", "", "the `file` of SQLite for messages and what became of them (default: it is forgotten at the end)")
	flags.DurationVar(&s.wait, "wait", 30*time.Second, "how long to wait for a receipt")
	flags.IntVar(&s.tries, "tries", 1, "how often to send a message that expires")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case to.Domainpart() == "":
		return nil, errors.New("-to needs an address")
	case *messages < 0 || s.tries < 1 || s.wait <= 0:
		return nil, errors.New("-messages, -tries and -wait must be above 0")
	}
	if err := s.account.Validate(); err != nil {
		return nil, err
	}
	if to.Bare().Equal(s.account.Address.Bare()) {
		return nil, errors.New("-to must be somebody else: nobody acknowledges what is their own")
	}
	var err error
	if s.outbox, err = openOutbox(ctx, *path); err != nil {
		return nil, err
	}
	if s.letters, err = s.outbox.open(); err != nil || len(s.letters) > 0 {
		if err == nil {
			fmt.Fprintf(stderr, "sender: going on with %d messages of the outbox; none is added\n", len(s.letters))
		}
		return s, err
	}
	bodies, err := read(*messages, stdin)
	if err != nil {
		return nil, err
	}
	if err := s.outbox.add(to, bodies); err != nil {
		return nil, err
	}
	s.letters, err = s.outbox.open()
	return s, err
}

// read returns the messages to send.
func read(messages int, stdin io.Reader) (bodies []string, err error) {
	for i := range messages {
		bodies = append(bodies, fmt.Sprintf("message %d of %d", i+1, messages))
	}
	if messages > 0 {
		return bodies, nil
	}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		if lines.Text() != "" {
			bodies = append(bodies, lines.Text())
		}
	}
	return bodies, lines.Err()
}
