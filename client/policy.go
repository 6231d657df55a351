// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"slices"

	"mellium.im/xmpp/jid"
)

// A Policy says whose messages are answered. Policies are values, made by the functions
// of this package; the zero Policy answers those who may see the account's presence as far
// as the Responder's Roster knows (XEP-0184 §8).
type Policy struct {
	kind kind
	may  func(from jid.JID, roster *Roster) bool // of those that depend
}

type kind uint8

const (
	byRoster kind = iota
	never
	always
	depends
)

// The policies without an argument. They are not to be assigned to.
var (
	// Presence is the zero Policy.
	Presence = Policy{}
	// Never answers nobody, and has the account not say that it could.
	Never = Policy{kind: never}
	// Always answers everybody, and shows everybody when the account is online.
	Always = Policy{kind: always}
)

// Those answers the senders that may reports. It gets the full address and must answer from
// memory. It may be called by several goroutines at once.
func Those(may func(from jid.JID) bool) Policy {
	return Policy{kind: depends, may: func(from jid.JID, _ *Roster) bool { return may(from) }}
}

// Addresses answers the senders that are listed: by a bare address all clients of an
// account, by a full one this client.
func Addresses(addresses ...jid.JID) Policy {
	addresses = slices.Clone(addresses)
	return Those(func(from jid.JID) bool {
		return slices.ContainsFunc(addresses, func(a jid.JID) bool { return a.Equal(from) || a.Equal(from.Bare()) })
	})
}

// Domains answers all accounts of the domains.
func Domains(domains ...jid.JID) Policy {
	domains = slices.Clone(domains)
	return Those(func(from jid.JID) bool {
		return slices.ContainsFunc(domains, func(d jid.JID) bool { return d.Equal(from.Domain()) })
	})
}

// Any answers those whom one of the policies answers. Without policies it is Never.
func Any(policies ...Policy) Policy { return combine(policies, always) }

// Every answers those whom all of the policies answer. Without policies it is Always.
func Every(policies ...Policy) Policy { return combine(policies, never) }

// combine returns a Policy of several. The word of one that says decisive is the last one; the
// opposite of that counts for nothing.
func combine(policies []Policy, decisive kind) Policy {
	var open []Policy
	for _, p := range policies {
		switch p.kind {
		case decisive:
			return p
		case byRoster, depends:
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return Not(Policy{kind: decisive})
	}
	return Policy{kind: depends, may: func(from jid.JID, roster *Roster) bool {
		for _, p := range open {
			if answers := p.answers(from, roster); answers == (decisive == always) {
				return answers
			}
		}
		return decisive == never
	}}
}

// Not answers those whom the policy does not answer.
func Not(p Policy) Policy {
	switch p.kind {
	case never:
		return Always
	case always:
		return Never
	}
	return Policy{kind: depends, may: func(from jid.JID, roster *Roster) bool { return !p.answers(from, roster) }}
}

// answers reports whether the messages of a sender, by its full address, are answered.
func (p Policy) answers(from jid.JID, roster *Roster) bool {
	switch p.kind {
	case byRoster:
		return roster.MaySee(from)
	case depends:
		return p.may(from, roster)
	}
	return p.kind == always
}
