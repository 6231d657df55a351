// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import "time"

// null is the harness alone.
type null struct{}

// The harness costs more where it writes each packet into memory of its own, for
// the contenders that keep it there.
var nullEntrants = []entrant{
	{name: "null", main: true, copies: true, build: newNull},
	{name: "null-kept", main: true, build: newNull},
	{name: "null-batch", main: true, copies: true, batch: true, build: newNull},
}

func newNull(setting) contender { return new(null) }

func (*null) put(time.Time, *message, time.Duration) {}
func (*null) settle(time.Time, *message) bool        { return true }
func (*null) tick(time.Time)                         {}
func (*null) waiting() int                           { return -1 }
func (*null) close()                                 {}

func (*null) exchange(_ time.Time, _ []message, _ time.Duration, settles []message) int {
	return len(settles)
}
