// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// erlangProgram does in Erlang what the contenders do here.
//
//go:embed erlang/pending.erl
var erlangProgram []byte

// hasErlang reports whether there is an Erlang on this machine.
func hasErlang() bool {
	_, err := exec.LookPath("erl")
	return err == nil
}

const erlangStart = `
{ok, pending, Code} = compile:file("%s", [binary]),
{module, pending} = code:load_binary(pending, "pending", Code),
pending:main(%d, %d).`

// measureErlang measures what Erlang's own table and timers take: one process, in
// order, and all packets are settled.
func measureErlang(c cell) (values, error) {
	directory, err := os.MkdirTemp("", "untilack-erlang-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	program := filepath.Join(directory, "pending.erl")
	if err := os.WriteFile(program, erlangProgram, 0o600); err != nil {
		return nil, err
	}
	command := exec.Command("erl", "-noshell", "-eval", fmt.Sprintf(erlangStart, program, c.Waiting, c.Pairs))
	command.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0")
	out, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var pair, null, memory float64
	if _, err := fmt.Sscan(string(out), &pair, &null, &memory); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return values{"wall ns": pair, "null ns": null, "memory": memory - stanzaSize}, nil
}
