// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/untilack/untilack/client"
)

// A screen shows results.
type screen struct {
	out io.Writer
	bar *progressbar.ProgressBar
}

// newScreen returns a screen that writes a line for each result to out, and below that a bar
// to the other file, if that is a terminal.
func newScreen(out io.Writer, bar *os.File, messages int) *screen {
	stat, err := bar.Stat()
	terminal := err == nil && stat.Mode()&os.ModeCharDevice != 0
	return &screen{out, progressbar.NewOptions(messages,
		progressbar.OptionSetWriter(bar),
		progressbar.OptionSetVisibility(terminal),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("messages"),
		progressbar.OptionClearOnFinish(),
	)}
}

// show shows what became of a message.
func (s *screen) show(r client.Result) {
	_ = s.bar.Clear()
	fmt.Fprintf(s.out, "%s to %s: %v\n", r.ID, r.To, r)
	_ = s.bar.Add(1)
}

// end takes the bar away.
func (s *screen) end() { _ = s.bar.Clear() }
