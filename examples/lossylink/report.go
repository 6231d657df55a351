// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// An Outcome is what became of the messages of one run. The recipient's copies
// are counted on its raw streams.
type Outcome struct {
	Sent       int `json:"sent"`
	Once       int `json:"delivered_once"`
	Duplicated int `json:"duplicated"`   // messages that came more than once
	Extra      int `json:"extra_copies"` // how many times too often
	Lost       int `json:"lost"`

	// InFlight counts the copies whose receipt never reached the relay, because
	// the link failed under it.
	InFlight int `json:"in_flight"`

	// TooMany counts the extra copies that there was no reason for: those on a
	// stream that had brought the message before, and those on a stream that was
	// opened when the relay had the receipt.
	TooMany int `json:"too_many"`

	Confirmed  int `json:"confirmed"` // messages for which a receipt reached the sender
	Bounced    int `json:"bounced"`   // errors that came back to the sender
	Forged     int `json:"forged"`    // receipts that the recipient did not write
	Unknown    int `json:"unknown"`   // messages that the sender did not write
	Altered    int `json:"altered"`   // messages that arrived changed
	OutOfOrder int `json:"out_of_order"`

	// RecoverSeconds is how long after the recipient's return the last message
	// arrived that was sent before it, or nil if one never did.
	RecoverSeconds *float64 `json:"recover_seconds"`
}

// A Report compares the two runs. A run that was not asked for is nil.
type Report struct {
	Config  Config   `json:"config"`
	Without *Outcome `json:"without"`
	With    *Outcome `json:"with"`
}

// Failures returns what the cache is at fault for.
func (r Report) Failures() []string {
	var failures []string
	o := r.With
	if o == nil {
		return nil
	}
	fail := func(count int, what string) {
		if count > 0 {
			failures = append(failures, fmt.Sprintf("%d %s", count, what))
		}
	}
	fail(o.Lost, "lost")
	fail(o.Forged, "forged receipts")
	fail(o.TooMany, "copies too many")
	fail(o.Unknown, "messages that nobody sent")
	fail(o.Altered, "altered")
	return failures
}

// Struck reports whether the fault did its work: a relay without a cache must
// have lost something by a link that fails in silence.
func (r Report) Struck() bool {
	return r.Without == nil || !loses(r.Config.Fault) || r.Without.Lost > 0
}

// WriteTable writes the comparison for people.
func (r Report) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	runs := []struct {
		title   string
		outcome *Outcome
	}{{"without untilack", r.Without}, {"with untilack", r.With}}
	row := func(title string, cell func(*Outcome) any) {
		fmt.Fprintf(table, "%-16s\t", title)
		for _, run := range runs {
			if run.outcome != nil {
				fmt.Fprintf(table, "%v\t", cell(run.outcome))
			}
		}
		fmt.Fprintln(table)
	}
	fmt.Fprintf(table, "%-16s\t", "messages")
	for _, run := range runs {
		if run.outcome != nil {
			fmt.Fprintf(table, "%s\t", run.title)
		}
	}
	fmt.Fprintln(table)
	row("sent", func(o *Outcome) any { return o.Sent })
	row("delivered once", func(o *Outcome) any { return o.Once })
	row("duplicated", func(o *Outcome) any { return o.Duplicated })
	row("lost", func(o *Outcome) any { return o.Lost })
	row("out of order", func(o *Outcome) any { return o.OutOfOrder })
	row("time to recover", func(o *Outcome) any { return o.recovered() })
	return table.Flush()
}

// recovered returns the time to recover for people.
func (o *Outcome) recovered() string {
	if o.RecoverSeconds == nil {
		return "never"
	}
	return fmt.Sprintf("%.2f s", *o.RecoverSeconds)
}
