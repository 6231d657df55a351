// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/untilack/untilack/actions"
)

// Who speaks in the scenarios.
const (
	england     = "royalty.england.lit"
	richard     = "kingrichard@" + england
	throne      = "throne"
	crown       = "crown"
	percy       = "northumberland@shakespeare.lit"
	westminster = percy + "/westminster"
	york        = percy + "/york"
	bob         = "bob@" + england
	tybalt      = "tybalt@capulet.lit/tomb"
)

// requestAndBody is what most messages hold.
const (
	request = `<request xmlns='urn:xmpp:receipts'/>`
	speech  = `<body>My lord, dispatch.</body>` + request
)

// chat returns a chat message that asks for a receipt, from the usual sender to
// the usual recipient's bare address.
func chat(id string) string { return message("chat", westminster, richard, id, speech) }

// message returns any message.
func message(kind, from, to, id, children string) string {
	text := "<message"
	for _, a := range [][2]string{{"type", kind}, {"from", from}, {"to", to}, {"id", id}} {
		if a[1] != "" {
			text += fmt.Sprintf(" %s='%s'", a[0], a[1])
		}
	}
	return text + ">" + children + "</message>"
}

// receipt returns the usual recipient's receipt to the usual sender.
func receipt(id string) string { return receiptTo(westminster, id) }

// receiptTo returns a receipt to a sender.
func receiptTo(sender, id string) string {
	return message("chat", "", sender, "", received(id))
}

func received(id string) string {
	return fmt.Sprintf(`<received xmlns='urn:xmpp:receipts' id='%s'/>`, id)
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

var delayStamp = regexp.MustCompile(
	`<delay xmlns=['"]urn:xmpp:delay['"] from=['"]([^'"]*)['"] stamp=['"](\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)['"]/>`)

// undelayed returns a stanza without its delay stamps, and when each says that it
// was received first and by whom.
func undelayed(stanza string) (plain string, stamps []string) {
	for _, found := range delayStamp.FindAllStringSubmatch(stanza, -1) {
		stamps = append(stamps, found[2]+" by "+found[1])
	}
	return delayStamp.ReplaceAllString(stanza, ""), stamps
}

// storedIDs returns the ids of the messages that a store keeps for the usual
// recipient.
func storedIDs(ctx context.Context, store actions.Store) (ids []string) {
	for row, err := range actions.All(ctx, store, richard) {
		if err != nil {
			return append(ids, err.Error())
		}
		ids = append(ids, row.Packet.Key.ID)
	}
	return ids
}
