// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun checks that a server that is started without any set-up says how to log in, and
// that one can.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error)
	go func() {
		args := []string{"-dir", dir, "-tcp", "127.0.0.1:0", "-tls", "127.0.0.1:0", "-http", "127.0.0.1:0", "-https", "", "-log", "error"}
		err := run(ctx, args, out, os.Stderr)
		out.Close()
		ended <- err
	}()
	var said strings.Builder
	part := make([]byte, 1024)
	for !strings.Contains(said.String(), "Ctrl-C") {
		n, err := in.Read(part)
		if err != nil {
			t.Fatal(<-ended)
		}
		said.Write(part[:n])
	}
	contains(t, said.String(), "juliet@localhost", "romeo@localhost", "TCP, with STARTTLS", "ws://127.0.0.1:", "certificate.pem")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, file := range []string{"accounts", "certificate.pem", "key.pem", "mail.db"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

// TestFlags checks that wrong flags are refused with a word about what is wrong.
func TestFlags(t *testing.T) {
	for wrong, want := range map[string]string{
		"-log loud":          "-log",
		"-domain a@b":        "-domain",
		"-certificate x.pem": "-key",
		"extra":              `"extra"`,
		"-account romeo":     "name:password",
		"-store mysql://x":   "mysql",
		"-tcp nowhere":       "nowhere",
		"-ack-wait -1s":      "AckWait",
	} {
		args := append([]string{"-dir", t.TempDir(), "-tls", "", "-http", "", "-https", "", "-tcp", "127.0.0.1:0"}, strings.Fields(wrong)...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // if it starts all the same, it ends at once
		if err := run(ctx, args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %s", wrong, err, want)
		}
	}
	if got := redacted("postgres://romeo:secret@localhost/mail"); strings.Contains(got, "secret") {
		t.Errorf("got %s", got)
	}
}
