// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command bot stores the messages that come for an account, each once, and acknowledges
// them when they are stored. It works with any XMPP server:
//
//	export XMPP_PASSWORD=...
//	go run ./examples/bot -account juliet@capulet.example/bot -store mail.db
//
// Each message is a row in a file of SQLite, and is printed. A receipt (XEP-0184) says that
// the row is on the disk: if the bot or its computer dies before that, there is none. If the
// sender sends the message once more, because no receipt came or the receipt was lost, that
// is acknowledged again, and neither stored nor printed again, also by a bot that was
// started anew.
//
// It answers whom -answer says: by default those in the account's roster who may see that
// it is online, since a receipt shows that, too. When the stream ends, or the server answers no
// ping, it logs in again, after a pause that grows up to half a minute.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/untilack/untilack/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once, whatever it waits for
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bot:", err)
		os.Exit(1)
	}
}

// run is the command, but for its process. It returns when ctx ends.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	b := &bot{out: stdout}
	flags := flag.NewFlagSet("bot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	b.account.AddFlags(flags)
	path := flags.String("store", "", "the `file` of SQLite to store messages in (default: they are in memory, and lost at the end)")
	answer := flags.String("answer", "presence", "whom to answer: "+strings.Join(slices.Sorted(maps.Keys(policies)), ", "))
	rate := flags.Float64("rate", 0, "how many receipts a second an account gets, after a thousand at once (default: 20; below 0: any number)")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	policy, ok := policies[*answer]
	if !ok || flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", append(flags.Args(), *answer)[0])
	}
	if err := b.account.Validate(); err != nil {
		return err
	}
	var err error
	if b.responder, err = client.NewResponder(&client.ResponderOptions{Policy: policy(b), SenderRate: *rate}); err != nil {
		return err
	}
	if b.mail, err = openMailbox(ctx, *path); err != nil {
		return err
	}
	defer b.mail.close()
	return b.account.Keep(ctx, b.serve)
}

// policies are the values of -answer.
var policies = map[string]func(*bot) client.Policy{
	"presence": func(*bot) client.Policy { return client.Presence },
	"domain":   func(b *bot) client.Policy { return client.Domains(b.account.Address.Domain()) },
	"all":      func(*bot) client.Policy { return client.Always },
	"nobody":   func(*bot) client.Policy { return client.Never },
}
