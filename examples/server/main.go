// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command server is a small XMPP server that people can log in to, and that loses no
// message. It needs no set-up: it makes its certificate, two accounts and its database at
// the first start, and prints how to log in.
//
//	go run ./examples/server
//	go run ./examples/server -account romeo:orchard -account juliet:balcony -store postgres://user@localhost/mail
//
// It is an example of how little it takes to put untilack into a server, and does what
// it does by the rules: logins with SCRAM over TCP, TLS and WebSocket, presence, rosters, IQs
// between clients, messages by RFC 6121, for who is not there too. It has no rooms, no
// archive, and knows no other server. It listens on loopback.
//
// How a message goes through it, and in which folder to look:
//
//	gate     what a client sends, one element at a time, within limits
//	 │
//	c2s, ws  TCP, TLS and WebSocket; TLS and SASL; certificate and accounts
//	 │
//	router   who is there; where a stanza goes
//	 │    ├─ roster   who may see whom, in the database
//	 │    ├─ caps     which clients acknowledge
//	 │    └─ nodes    which sessions are at other nodes
//	untilack.Keeper, by way of package middleware: was it received? if not, what then?
//	 │
//	actions/sqlstore   SQLite or PostgreSQL: on the disk before it is delivered
//
//	web, waiting, metrics   what a browser, an operator and Prometheus see
//
// Its own page, at http://localhost:5280/, has two phones that log in to it, each with a tunnel
// to drive into, and between them what the server does about it: see docs/server.png.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"mellium.im/xmpp/jid"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "server:", err)
		}
		os.Exit(1)
	}
}

// run runs the server until ctx ends.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	c, err := parse(args, log)
	if err != nil {
		return err
	}
	s, err := Start(c)
	if err != nil {
		return err
	}
	s.print(out)
	<-ctx.Done()
	return s.Close()
}

// print says how to log in.
func (s *Server) print(w io.Writer) {
	fmt.Fprintf(w, "An XMPP server for %s, with what waits in %s.\n\n", s.config.Domain, redacted(s.config.Store))
	passwords := s.settings().Passwords
	for _, name := range slices.Sorted(maps.Keys(passwords)) {
		fmt.Fprintf(w, "  %-20s password %s\n", name+"@"+s.config.Domain, passwords[name])
	}
	if s.config.Tell {
		fmt.Fprintf(w, "\n(From %s, which is read again when it changes.)\n\n", s.config.Files.Accounts)
	}
	fmt.Fprintf(w, "Log in to\n\n")
	for _, at := range []struct{ what, address string }{
		{"TCP, with STARTTLS", s.Addr.TCP},
		{"TLS", s.Addr.TLS},
		{"WebSocket", webSocketURL("ws", s.Addr.HTTP)},
		{"WebSocket, TLS", webSocketURL("wss", s.Addr.HTTPS)},
	} {
		if at.address != "" {
			fmt.Fprintf(w, "  %-20s %s\n", at.what, at.address)
		}
	}
	fmt.Fprintf(w, "\nThe certificate is %s.\n", s.config.Files.Certificate)
	if s.Addr.HTTP != "" {
		fmt.Fprintf(w, "Open http://%s/ in a browser: two phones, and what the server does for them.\n", strings.Replace(s.Addr.HTTP, "127.0.0.1:", "localhost:", 1))
		fmt.Fprintln(w, "For operators there are /debug/waiting and /metrics.")
	}
	fmt.Fprintln(w, "Ctrl-C stops it.")
}

// redacted returns the name of a store without a password.
func redacted(store string) string {
	if u, err := url.Parse(store); err == nil && u.User != nil {
		return u.Redacted()
	}
	return store
}

// parse reads the flags.
func parse(args []string, log io.Writer) (Config, error) {
	c := Config{Log: slog.New(slog.DiscardHandler)}
	var dir string
	var level slog.Level
	flags := c.flags(&dir, &level)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	domain, err := jid.Parse(c.Domain)
	if err != nil || domain.Domainpart() != domain.String() {
		return c, fmt.Errorf("-domain %q is not the name of a server", c.Domain)
	}
	c.Domain = domain.String()
	c.Tell = len(c.Accounts) == 0 && c.Files.Accounts == ""
	c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
	return c, c.setFiles(dir)
}

// flags returns the flags, which set what is in c.
func (c *Config) flags(dir *string, level *slog.Level) *flag.FlagSet {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.StringVar(&c.Domain, "domain", "localhost", "the part of addresses behind the @")
	flags.StringVar(dir, "dir", "", "where certificate, accounts and mail are, by default\nuntilack-server in the user's folder for settings")
	flags.StringVar(&c.Store, "store", "", "a file of SQLite, or postgres://…, by default mail.db in -dir")
	flags.BoolVar(&c.Memory, "memory", false, "keep messages in memory alone: what waits is lost when the server dies")
	flags.DurationVar(&c.PersistAfter, "persist-after", 0, "how long a receipt may take before its message is put on the disk; 0: it is\nbefore it is delivered. What is younger is lost when the server dies")
	flags.StringVar(&c.Listen.TCP, "tcp", "127.0.0.1:5222", "address for clients over TCP; empty for none")
	flags.StringVar(&c.Listen.TLS, "tls", "127.0.0.1:5223", "address for clients over TLS; empty for none")
	flags.StringVar(&c.Listen.HTTP, "http", "127.0.0.1:5280", "address for WebSockets and the rest of the web; empty for none")
	flags.StringVar(&c.Listen.HTTPS, "https", "127.0.0.1:5281", "the same over TLS; empty for none")
	flags.StringVar(&c.Files.Certificate, "certificate", "", "PEM `file`, by default made in -dir")
	flags.StringVar(&c.Files.Key, "key", "", "PEM `file`, by default made in -dir")
	flags.StringVar(&c.Files.Accounts, "accounts", "", "`file` with name:password lines, by default made in -dir\nwith romeo and juliet")
	flags.Func("account", "`name:password`, as often as wanted; then -accounts is not read", func(line string) error {
		c.Accounts = append(c.Accounts, line)
		return nil
	})
	flags.BoolVar(&c.Plain, "plain", false, "let passwords be said without TLS (SASL PLAIN), on loopback")
	flags.DurationVar(&c.AckWait, "ack-wait", 0, "how long a receipt may take before the client is asked\nwhether it lives (default 30s)")
	flags.DurationVar(&c.ProbeWait, "probe-wait", 0, "how long a client has to answer that (default 5s)")
	flags.DurationVar(&c.PollEvery, "poll", 0, "how often other servers' mail is looked for in PostgreSQL\n(default 250ms; below 0: there are none)")
	flags.BoolVar(&c.FailClosed, "fail-closed", false, "refuse messages that the store does not take")
	flags.IntVar(&c.Rate, "rate", 4<<20, "bytes a second that are read from one client; 0: no limit")
	flags.TextVar(level, "log", slog.LevelInfo, "the least `level` that is logged: debug, info, warn or error")
	return flags
}

// setFiles chooses where the files are that no flag names.
func (c *Config) setFiles(dir string) error {
	if dir == "" {
		settings, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("%w: say -dir", err)
		}
		dir = filepath.Join(settings, "untilack-server")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if (c.Files.Certificate == "") != (c.Files.Key == "") {
		return errors.New("-certificate and -key go together")
	}
	for file, name := range map[*string]string{
		&c.Files.Certificate: "certificate.pem", &c.Files.Key: "key.pem", &c.Files.Accounts: "accounts", &c.Store: "mail.db",
	} {
		if *file == "" {
			*file = filepath.Join(dir, name)
		}
	}
	return nil
}

// tlsConfig returns how TLS is spoken.
func tlsConfig(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
}
