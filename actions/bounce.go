// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import (
	"context"
	"fmt"

	"github.com/untilack/untilack/cache"
)

// A Reason says why a packet is sent back.
type Reason uint8

const (
	// Unanswered means that no receipt came in time: recipient-unavailable, of
	// type wait (RFC 6120 §8.3.3.13).
	Unanswered Reason = iota
	// Refused means that the server could not keep the message, because offline
	// storage refused it: service-unavailable, of type cancel (RFC 6120
	// §8.3.3.19, RFC 6121 §8.5.2.2.1).
	Refused
)

// Bounce tells the sender that the message was not acknowledged, and is done.
// It passes the packets for which MayBounce says no; with the reason Refused,
// those that asked for no receipt may be bounced as well.
//
// It is opted into: a client that shows a message need not say so, and a receipt
// may still come after the error (XEP-0184 §4). If Act runs twice, the sender
// gets two errors with the same id. Messages that were archived for the
// recipient should not be bounced; only the host knows them: see When.
type Bounce struct {
	// Send hands the error message to the router, to be delivered to the address
	// to. It may keep the stanza. Required.
	Send func(ctx context.Context, to string, stanza []byte) error

	// Reason is Unanswered by default.
	Reason Reason

	// By is the address of the server, told as the one who found the error (RFC
	// 6120 §8.3.2). Default: not told.
	By string
}

// Act sends the error message, or passes.
func (b Bounce) Act(ctx context.Context, p cache.Packet) (Outcome, error) {
	if b.Send == nil {
		return Pass, fmt.Errorf("Bounce.Send: %w", errUnset)
	}
	if !b.may(p) {
		return Pass, nil
	}
	if err := b.Send(ctx, p.Key.From, AppendBounce(nil, p, b.Reason, b.By)); err != nil {
		return Pass, fmt.Errorf("actions: bounce: %w", err)
	}
	return Done, nil
}

func (b Bounce) may(p cache.Packet) bool {
	if b.Reason == Refused {
		return mayRefuse(p)
	}
	return MayBounce(p)
}

// AppendBounce appends the error message for p to dst: from the address that
// the message was sent to, bare if that was bare, to its sender's full address,
// with its id and without its payload (RFC 6120 §8.3.1). By is left out if it
// is empty. It does not ask whether p may be bounced.
func AppendBounce(dst []byte, p cache.Packet, reason Reason, by string) []byte {
	dst = append(dst, `<message xmlns="jabber:client" type="error"`...)
	if p.Key.ID != "" {
		dst = appendAttribute(dst, "id", p.Key.ID)
	}
	dst = appendAttribute(dst, "from", addressed(p))
	dst = appendAttribute(dst, "to", p.Key.From)
	dst = append(dst, `><error`...)
	if by != "" {
		dst = appendAttribute(dst, "by", by)
	}
	kind, condition := reason.words()
	dst = appendAttribute(dst, "type", kind)
	dst = append(dst, "><"...)
	dst = append(dst, condition...)
	return append(dst, ` xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`...)
}

// words returns the type and the condition of the error.
func (r Reason) words() (kind, condition string) {
	if r == Refused {
		return "cancel", "service-unavailable"
	}
	return "wait", "recipient-unavailable"
}

// addressed returns the address in the message's to.
func addressed(p cache.Packet) string {
	if p.Resource == "" {
		return p.Key.To
	}
	return p.Key.To + "/" + p.Resource
}
