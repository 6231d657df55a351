// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts

import (
	"fmt"
	"time"

	"mellium.im/xmpp/jid"
)

// A Delay is the stamp that tells when a message was first received (XEP-0203).
type Delay struct {
	// From is who delayed the message, usually the server's own domain.
	From string
	// Stamp is when the message was received; it is written with at most
	// milliseconds.
	Stamp time.Time
}

// stampLayout is the format of XEP-0082 in UTC.
const stampLayout = "2006-01-02T15:04:05.999Z"

// AppendDelayed appends to dst the stanza with exactly one delay stamp, for a
// stream of a client.
//
// A stamp that is there stays, and d is not added (XEP-0203 §2: there must be
// only one). If there are several, the first one stays, for it tells when the
// message was delayed first, and the others are taken out. A stamp that claims to
// be from d.From does not count: it was forged, or it is an earlier one of our
// own, and it is replaced by d (XEP-0203 §5).
// Otherwise d becomes the last child.
//
// If the stanza is declared to be in the namespace of servers or components, then
// it is put into that of clients (RFC 6120 §4.8.3). Every other byte remains as
// it is.
//
// The error wraps [ErrSyntax], [ErrLimit], [ErrNotStanza], or [ErrValue] if d can
// not be written; dst is then returned as it was. What is added may bring a
// stanza that is just within the limits beyond them.
// The bytes of dst and of stanza must not overlap.
func AppendDelayed(dst, stanza []byte, d Delay) ([]byte, error) {
	var l layout
	m, err := scanStanza(stanza, &l)
	switch {
	case err != nil:
		return dst, err
	case m.Element == Other:
		return dst, ErrNotStanza
	case d.Stamp.IsZero() || d.Stamp.UTC().Year() < 0 || d.Stamp.UTC().Year() > 9999 || !writable(d.From):
		return dst, fmt.Errorf("%w: delay from %q at %v", ErrValue, d.From, d.Stamp)
	}
	edits := l.rescoped()
	stamped := false
	for _, there := range l.delays {
		own := sameAddress(textAt(stanza, there.from).String(), d.From)
		if own || stamped {
			edits = append(edits, edit{span: there.span})
			continue
		}
		stamped = true
	}
	if !stamped {
		edits = append(edits, l.insert(stanza, d.element()))
	}
	return splice(dst, stanza, edits), nil
}

// element returns the bytes of the stamp.
func (d Delay) element() string {
	return "<delay xmlns='" + nsDelay + "' from=" + quoted(d.From) +
		" stamp='" + d.Stamp.UTC().Format(stampLayout) + "'/>"
}

// rescoped returns the edits that put a stanza into the namespace of clients.
func (l *layout) rescoped() []edit {
	var edits []edit
	for _, scope := range l.scopes {
		edits = append(edits, edit{scope, string(defaultSpace)})
	}
	return edits
}

// textAt returns the part of a stanza that is the value of an attribute.
func textAt(stanza []byte, p span) Text { return Text{raw: stanza[p.from:p.to]} }

// sameAddress reports whether two addresses are the same once they are brought
// into their normal form.
func sameAddress(a, b string) bool {
	if a == b {
		return true
	}
	x, err := jid.Parse(a)
	if err != nil {
		return false
	}
	y, err := jid.Parse(b)
	return err == nil && x.Equal(y)
}
