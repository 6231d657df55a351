// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"cmp"
	"time"

	"github.com/untilack/untilack/receipts"

	"mellium.im/xmpp/jid"
)

// ResponderOptions are the settings of a Responder. The zero value is a sensible choice.
type ResponderOptions struct {
	// Policy says who is answered.
	// Default: Presence. While Roster is empty, that is nobody.
	Policy Policy

	// Roster is what Presence goes by.
	// Default: a new one, see Responder.Roster.
	Roster *Roster

	// Ack says how a receipt looks, and whose account answers. ID is not used.
	// Default: see receipts.AckOptions.
	Ack *receipts.AckOptions

	// Own reports whether an occupant of a room, by its full address, is ourselves, whose
	// messages the room reflects. It is asked only if Ack.GroupChat is set, and without it
	// no message of a room is answered. Default: none.
	Own func(occupant jid.JID) bool

	// SenderRate is how many receipts a second one account gets, and SenderBurst how many at
	// once, as when mail comes after a time offline. Rate and Burst are for all accounts
	// together. A negative rate means no limit. A message beyond them is shown, and not
	// acknowledged; a copy of it is, if the rates allow that by then. The occupants of a
	// room are one account.
	// Default: 20 and 1,000; 500 and 10,000.
	SenderRate, Rate   float64
	SenderBurst, Burst int

	// Senders is how many accounts the rates are known of; of more, the one longest silent is
	// forgotten. Default: 4,096.
	Senders int

	// Window is how many messages are remembered, so that a copy is recognised, and WindowAge
	// for how long after they came, or were acknowledged last. As many again are remembered
	// of senders who were not answered. One account has a sixteenth of either at most, so
	// that a flood makes nobody else's be forgotten.
	// Default: 16,384, and 15 min.
	Window    int
	WindowAge time.Duration

	// Journal keeps the window over the end of the program.
	// Default: nil, the window is in memory alone.
	Journal Journal
}

// defaults returns the options with all that is 0, or makes no sense, replaced.
func (o *ResponderOptions) defaults() ResponderOptions {
	var d ResponderOptions
	if o != nil {
		d = *o
	}
	var ack receipts.AckOptions
	if d.Ack != nil {
		ack = *d.Ack
	}
	ack.ID = unmade
	d.Ack = &ack
	if d.Roster == nil {
		d.Roster = new(Roster)
	}
	d.SenderRate = cmp.Or(d.SenderRate, 20)
	d.Rate = cmp.Or(d.Rate, 500)
	for _, v := range []struct {
		value    *int
		standard int
	}{{&d.SenderBurst, 1000}, {&d.Burst, 10_000}, {&d.Senders, 4096}, {&d.Window, 16_384}} {
		if *v.value <= 0 {
			*v.value = v.standard
		}
	}
	if d.WindowAge <= 0 {
		d.WindowAge = 15 * time.Minute
	}
	return d
}

// unmade is the id of a receipt until it is handed out.
const unmade = "unmade"
