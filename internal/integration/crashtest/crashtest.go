// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package crashtest has what tests need that kill servers: a server in a process of its
// own, clients, and a ledger of what was sent and what became of it.
//
// The server is the test's own program, started again. It is a Keeper and a protocol of
// one stanza a line, on loopback: a client sends its full address in the first line, and
// then a stanza in each. It handles the stanzas of a client one after the other, so that
// an answer acknowledges what the client sent before it asked.
package crashtest

import "encoding/xml"

// Domain is that of the server and of everybody.
const Domain = "capulet.example"

// A Stanza is what servers and clients look at.
type Stanza struct {
	XMLName  xml.Name
	From     string `xml:"from,attr"`
	To       string `xml:"to,attr"`
	ID       string `xml:"id,attr"`
	Type     string `xml:"type,attr"`
	Body     string `xml:"body"`
	Received *struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:receipts received"`
	State *State `xml:"state"`
}

// A State is what a server says when it is asked what it has, and what it has done.
type State struct {
	Rows      int    `xml:"rows,attr"`    // in the store; -1: it does not answer
	Packets   int    `xml:"packets,attr"` // in memory
	Asked     int64  `xml:"asked,attr"`   // how often actions were asked about a message
	Kept      uint64 `xml:"kept,attr"`    // the counters of these names
	Acted     uint64 `xml:"acted,attr"`
	Elsewhere uint64 `xml:"elsewhere,attr"`
}

// IsEmpty reports whether nothing is left.
func (s State) IsEmpty() bool { return s.Rows == 0 && s.Packets == 0 }

// Add adds what another server, or an earlier one, has done.
func (s *State) Add(other State) {
	s.Asked += other.Asked
	s.Kept += other.Kept
	s.Acted += other.Acted
	s.Elsewhere += other.Elsewhere
}
