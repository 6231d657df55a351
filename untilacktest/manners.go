// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/receipts"
)

// Manners are what a client does with what it reads. The zero value acknowledges
// each message that asks for it at once, as XEP-0184 says, answers pings, and shows
// a message once though it come twice.
type Manners struct {
	Silent       bool // acknowledges nothing
	BodyOnly     bool // acknowledges messages with a body alone
	IgnoresPings bool // answers no pings
	Rejects      bool // answers messages with an error

	Delay      time.Duration // answers so much later
	Slow       time.Duration // takes so long to read a stanza
	Disorderly bool          // answers in another order than that of reading, within a second
	Twice      bool          // sends each receipt twice
	ToBare     bool          // sends receipts to bare addresses
	NoID       bool          // its receipts name no message
	OldForm    bool          // XEP-0184 1.0: a receipt's own stanza id names the message, its child does not
	SameID     bool          // gives its receipts the id of the message as their own stanza id

	DiesAfter       int           // dies after it has read so many messages, before it answers the last; 0: never
	Reconnects      time.Duration // logs in again so long after it was disconnected; 0: never
	ShowsDuplicates bool          // shows each copy

	// Proper has a client.Responder answer, to everybody, and know the copies; it is
	// new after the client has died. Of the fields above Silent, BodyOnly, IgnoresPings,
	// Delay, Slow, Disorderly, ToBare and Reconnects mean the same. With Rejects one
	// message in two is dropped, with Twice there is a second call of Ack, and what DiesAfter
	// counts to is shown and not answered. A copy is answered without Delay.
	Proper  bool
	Journal bool // it remembers what it has acknowledged when it has died
	Fails   int  // it can not work on one message in so many by chance, and takes a copy; 0: never

	// Responder are the settings of that client.Responder. They are taken when it is
	// made: when the client reads something for the first time, or after it has died.
	// Default: nil, it answers everybody, and only if Proper is set.
	Responder *client.ResponderOptions

	// React takes the place of all that: it is called with each stanza that the
	// client reads, and may call the client's methods.
	React func(c *Client, stanza string)
}

// isProper reports whether a client.Responder answers.
func (m Manners) isProper() bool { return m.React == nil && (m.Proper || m.Responder != nil) }

// mended are the manners without faults.
func (m Manners) mended() Manners {
	return Manners{Proper: m.Proper, Journal: m.Journal, Responder: m.Responder, React: m.React}
}

// ignores reports whether a message gets no answer at all.
func (m Manners) ignores(to *Message) bool {
	return m.Silent || m.BodyOnly && !to.scan.Marks.Has(receipts.Body)
}

// answers returns what the client answers to a message.
func (m Manners) answers(to *Message) []string {
	if m.ignores(to) || to.scan.Kind&receipts.KindRequest == 0 && !m.Rejects {
		return nil
	}
	sender := to.from
	if m.ToBare {
		sender = cache.Bare(sender)
	}
	answer := m.receipt(sender, to.id)
	if m.Rejects {
		answer = rejection(to)
	}
	if m.Twice {
		return []string{answer, answer}
	}
	return []string{answer}
}

// rejection is an error in answer to a message.
func rejection(of *Message) string {
	return fmt.Sprintf("<message type='error' to='%s' id='%s'/>", of.from, of.id)
}

func (m Manners) receipt(to, id string) string {
	own, named := "", " id='"+id+"'"
	if m.SameID || m.OldForm {
		own = named
	}
	if m.NoID || m.OldForm {
		named = ""
	}
	return fmt.Sprintf("<message type='chat' to='%s'%s><received xmlns='%s'%s/></message>", to, own, receipts.NS, named)
}

const delayNS = "urn:xmpp:delay"

var delayStamp = regexp.MustCompile(
	`<delay xmlns=['"]urn:xmpp:delay['"] from=['"]([^'"]*)['"] stamp=['"](\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)['"]/>`)

// undelayed returns a stanza without the delay stamps of a domain, and when each says
// that it was received first and by whom.
func undelayed(stanza, domain string) (plain string, stamps []string) {
	plain = delayStamp.ReplaceAllStringFunc(stanza, func(stamp string) string {
		found := delayStamp.FindStringSubmatch(stamp)
		if found[1] != domain {
			return stamp
		}
		stamps = append(stamps, found[2]+" by "+found[1])
		return ""
	})
	return plain, stamps
}

// attribute returns an attribute of the stanza's outermost element.
func attribute(stanza, name string) string {
	head, _, _ := strings.Cut(stanza, ">")
	_, rest, ok := strings.Cut(head, " "+name+"=")
	if !ok || rest == "" {
		return ""
	}
	value, _, _ := strings.Cut(rest[1:], rest[:1])
	return value
}
