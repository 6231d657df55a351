// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package roster

// A Request is one of the four presences by which subscriptions are managed (RFC 6121 §3).
type Request string

// The requests there are.
const (
	Subscribe    Request = "subscribe"    // may I see your presence?
	Subscribed   Request = "subscribed"   // you may see mine
	Unsubscribe  Request = "unsubscribe"  // I do not want to see yours any more
	Unsubscribed Request = "unsubscribed" // you may not see mine (any more)
)

// Send is what a request does to the item of whoever sends it. It reports whether the
// request goes to the contact: not if it says nothing new (RFC 6121 §A.2).
func (r Request) Send(i *Item) (routed bool) {
	switch r {
	case Subscribe:
		i.Ask = i.Ask || !i.To
		i.Shown = true
		return true // the contact may have forgotten: its server answers for it
	case Subscribed:
		routed = i.Asked
		i.From = i.From || i.Asked
		i.Shown = i.Shown || i.Asked
	case Unsubscribe:
		routed = i.To || i.Ask
		i.To, i.Ask = false, false
		return routed
	case Unsubscribed:
		routed = i.From || i.Asked
		i.From = false
	}
	i.Asked = false
	return routed
}

// Receive is what a request does to the item of whoever gets it. It reports whether the
// account's clients see it (RFC 6121 §A.3).
func (r Request) Receive(i *Item) (shown bool) {
	switch r {
	case Subscribe:
		shown = !i.From
		i.Asked = i.Asked || !i.From
	case Subscribed:
		shown = i.Ask
		i.To = i.To || i.Ask
		i.Ask = false
	case Unsubscribe:
		shown = i.From || i.Asked
		i.From, i.Asked = false, false
	case Unsubscribed:
		shown = i.To || i.Ask
		i.To, i.Ask = false, false
	}
	return shown
}
