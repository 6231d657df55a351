// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/examples/internal/relay"
	"github.com/untilack/untilack/examples/internal/stores"
	"github.com/untilack/untilack/examples/internal/wire"
	"github.com/untilack/untilack/internal/link"

	"mellium.im/xmpp/jid"
)

// A sender that is stopped and started again, and a bot whose link goes dark, and that is
// then killed and started again, on a server with the cache: each message is delivered, and stored once.
func TestSenderAndBot(t *testing.T) {
	t.Setenv("XMPP_PASSWORD", wire.Password)
	const messages = 400
	dir := t.TempDir()
	server := startRelay(t)
	network, err := link.New(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	bot := &bot{t: t, program: buildBot(t, dir), server: network.Addr(), store: filepath.Join(dir, "mail.db")}
	bot.start()
	t.Cleanup(bot.kill)

	outbox := filepath.Join(dir, "outbox.db")
	arguments := []string{"-account", "romeo@localhost/sender", "-server", server, "-tls", "none",
		"-to", "juliet@localhost/bot", "-outbox", outbox, "-wait", "2s", "-tries", "20"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first := &counter{at: map[int]func(){messages / 4: stop}}
	if got := run(ctx, append(arguments, "-messages", fmt.Sprint(messages)), nil, first, os.Stderr); got != exitUndelivered {
		t.Fatalf("exit status %d, want %d", got, exitUndelivered)
	}
	second := &counter{at: map[int]func(){
		messages / 4: func() { network.Fail(link.Swallow); network.Restore() }, // for the bot's next connection
		messages / 2: func() { bot.kill(); bot.start() },
	}}
	if got := run(t.Context(), arguments, strings.NewReader(""), second, os.Stderr); got != 0 {
		t.Fatalf("exit status %d, want 0", got)
	}
	second.wait.Wait()
	if got := count(t, outbox, "state = 'delivered'"); got != messages {
		t.Errorf("%d messages were delivered, want %d", got, messages)
	}
	if got := count(t, bot.store, "sender = 'romeo@localhost/sender'"); got != messages {
		t.Errorf("%d rows are stored, want %d", got, messages)
	}
}

// startRelay starts a server with the cache, and returns its address.
func startRelay(t *testing.T) string {
	delivery, err := relay.NewKept(untilack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() { _ = delivery.Run(ctx) })
	r, err := relay.Listen(relay.Config{Delivery: delivery, Log: slog.New(slog.DiscardHandler)}, wire.TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		stop()
		keeping.Wait()
	})
	return r.Addr(wire.TCP)
}

// count returns how many messages of a file are as the condition says.
func count(t *testing.T, file, condition string) (n int) {
	t.Helper()
	db, err := stores.OpenFile(t.Context(), file, "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM messages WHERE " + condition).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A counter does things when it has got so many lines.
type counter struct {
	at    map[int]func()
	lines int
	wait  sync.WaitGroup // for what is done
}

func (c *counter) Write(text []byte) (int, error) {
	for range bytes.Count(text, []byte("\n")) {
		c.lines++
		if do := c.at[c.lines]; do != nil {
			c.wait.Go(do)
		}
	}
	return len(text), nil
}

// A bot is one in a process of its own.
type bot struct {
	t                      *testing.T
	program, server, store string
	command                *exec.Cmd
}

func buildBot(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "bot")
	if out, err := exec.Command("go", "build", "-o", program, "../bot").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// start returns when the bot runs, which does not mean that it is logged in.
func (b *bot) start() {
	b.command = exec.Command(b.program, "-account", "juliet@localhost/bot", "-server", b.server, "-tls", "none", "-answer", "all", "-ping", "300ms", "-store", b.store)
	b.command.Stderr = os.Stderr
	if err := b.command.Start(); err != nil {
		b.t.Errorf("no bot: %v", err)
	}
}

func (b *bot) kill() {
	_ = b.command.Process.Kill()
	_ = b.command.Wait()
}

// A receipt that comes when a message has expired counts, and the message is not sent again.
func TestLateReceipt(t *testing.T) {
	now := time.Now()
	romeo, juliet := jid.MustParse("romeo@capulet.example/here"), jid.MustParse("juliet@capulet.example/there")
	tracker := client.NewTracker(&client.TrackerOptions{Account: romeo, Retention: time.Minute})
	copied, err := tracker.Expect(now, client.Waited{ID: "m1", To: juliet.Bare().String(), Sent: now.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for range tracker.Due(now) {
	}
	if !tracker.Settle(now, juliet, romeo, "m1") {
		t.Fatal("the receipt does not count")
	}
	s := &sender{results: make(chan client.Result, 1)}
	if err := s.send(t.Context(), nil, &letter{id: "m1", tries: 1, copies: []*client.Sent{copied}}); err != nil {
		t.Fatal(err)
	}
	if got := <-s.results; got.State != client.Delivered {
		t.Errorf("the message is %v", got)
	}
}

func TestParse(t *testing.T) {
	t.Setenv("XMPP_PASSWORD", "secret")
	for _, arguments := range []string{
		"", "-to juliet@capulet.example", "-account capulet.example -to juliet@capulet.example",
		"-account romeo@capulet.example -to romeo@capulet.example/phone",
		"-account romeo@capulet.example", "-account romeo@capulet.example -to @",
		"-account romeo@capulet.example -to juliet@capulet.example more",
		"-account romeo@capulet.example -to juliet@capulet.example -messages -1",
		"-account romeo@capulet.example -to juliet@capulet.example -tries 0",
		"-account romeo@capulet.example -to juliet@capulet.example -wait 0s",
		"-account romeo@capulet.example -to juliet@capulet.example -ping 0s",
		"-account romeo@capulet.example -to juliet@capulet.example -password=",
		"-account romeo@capulet.example -to juliet@capulet.example -tls sometimes",
		"-account romeo@capulet.example -to juliet@capulet.example -tls none",
		"-account romeo@capulet.example -to juliet@capulet.example -tls none -server capulet.example:5222",
		"-account romeo@capulet.example -to juliet@capulet.example -ca " + os.DevNull,
		"-account romeo@capulet.example -to juliet@capulet.example -outbox " + os.DevNull + "/x",
	} {
		if _, err := parse(t.Context(), strings.Fields(arguments), strings.NewReader("hi"), io.Discard); err == nil {
			t.Errorf("%s: no error", arguments)
		}
	}
	s, err := parse(t.Context(), strings.Fields("-account romeo@capulet.example/x -to juliet@capulet.example -tries 3 -wait 1m"), strings.NewReader("a\n\nb\n"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.outbox.close()
	if len(s.letters) != 2 || s.letters[1].body != "b" || s.tries != 3 || s.wait != time.Minute || s.account.Password != "secret" {
		t.Errorf("got %+v", s)
	}
}

// A sender that is started again with its outbox goes on, and sends nothing twice.
func TestParseOutbox(t *testing.T) {
	t.Setenv("XMPP_PASSWORD", "secret")
	arguments := strings.Fields("-account romeo@capulet.example/x -to juliet@capulet.example -messages 3 -outbox " + t.TempDir() + "/out.db")
	for range 2 {
		s, err := parse(t.Context(), arguments, strings.NewReader(""), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.letters) != 3 {
			t.Errorf("%d messages are to be sent, want 3", len(s.letters))
		}
		s.outbox.close()
	}
}
