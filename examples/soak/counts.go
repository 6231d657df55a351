// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

// counts are what a ledger counts.
type counts struct {
	Sent       int `json:"sent"`
	Delivered  int `json:"delivered"`    // different messages that have arrived
	Duplicated int `json:"duplicated"`   // of these, how many came more than once
	Extra      int `json:"extra_copies"` // how many times too often

	// InFlight counts the copies that were on a stream of the server when it
	// ended, and whose receipt had not come.
	InFlight int `json:"in_flight_at_breaks"`

	// TooMany counts the extra copies that there was no reason for: those on a
	// stream that had brought the message before, and those on a stream that was
	// opened when the relay had the receipt.
	TooMany int `json:"too_many"`

	OutOfOrder   int `json:"out_of_order"`
	Forged       int `json:"forged"`      // receipts that no client wrote
	Unknown      int `json:"unknown"`     // messages that nobody sent
	Altered      int `json:"altered"`     // messages that arrived changed
	Bounced      int `json:"bounced"`     // errors that came back to a sender
	Confirmed    int `json:"confirmed"`   // messages for which a receipt reached the sender
	Unconfirmed  int `json:"unconfirmed"` // messages whose client answers, without a receipt at the end
	Lost         int `json:"lost"`
	Logins       int `json:"logins"`
	Reconnects   int `json:"reconnects"` // of these, those of a client that was there before
	FailedLogins int `json:"failed_logins"`
}
