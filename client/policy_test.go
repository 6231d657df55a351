// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"errors"
	"slices"
	"testing"

	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"

	"github.com/untilack/untilack/client"
)

// addressOf parses an address of the tests.
func addressOf(address string) jid.JID { return jid.MustParse(address) }

func TestR63R190Policies(t *testing.T) {
	const (
		romeo  = "romeo@montague.lit/orchard" // may see the presence
		juliet = "juliet@capulet.lit/balcony" // is in the roster alone
		nurse  = "nurse@capulet.lit/chamber"  // was shown
		tybalt = "tybalt@capulet.lit/street"  // is nobody
	)
	all := []string{romeo, juliet, nurse, tybalt}
	roster := new(client.Roster)
	roster.Set(addressOf(romeo), "both")
	roster.Set(addressOf(juliet), "to")
	roster.Show(addressOf(nurse), true)
	yes := client.Those(func(jid.JID) bool { return true })
	no := client.Those(func(jid.JID) bool { return false })
	tybalts := client.Addresses(addressOf("tybalt@capulet.lit"))

	for _, c := range []struct {
		name       string
		policy     client.Policy
		want       []string
		advertised bool
	}{
		{"the zero Policy", client.Policy{}, []string{romeo, nurse}, true},
		{"Presence", client.Presence, []string{romeo, nurse}, true},
		{"Never", client.Never, nil, false},
		{"Always", client.Always, all, true},
		{"Those", client.Those(roster.Has), []string{romeo, juliet}, true},
		{"Those whom nobody is of", no, nil, true},
		{"a bare address", client.Addresses(addressOf("juliet@capulet.lit")), []string{juliet}, true},
		{"a full address", client.Addresses(addressOf(romeo), addressOf("juliet@capulet.lit/street")), []string{romeo}, true},
		{"no address", client.Addresses(), nil, true},
		{"Domains", client.Domains(addressOf("capulet.lit"), addressOf("a.lit")), []string{juliet, nurse, tybalt}, true},

		{"Any of none", client.Any(), nil, false},
		{"Any", client.Any(tybalts, client.Presence), []string{romeo, nurse, tybalt}, true},
		{"Any with Never", client.Any(client.Never, tybalts), []string{tybalt}, true},
		{"Any of Nevers", client.Any(client.Never, client.Never), nil, false},
		{"Any with Always", client.Any(no, client.Always, client.Never), all, true},
		{"Every of none", client.Every(), all, true},
		{"Every", client.Every(client.Domains(addressOf("capulet.lit")), client.Presence), []string{nurse}, true},
		{"Every with Never", client.Every(yes, client.Never, client.Always), nil, false},
		{"Every with Always", client.Every(client.Always, tybalts), []string{tybalt}, true},
		{"Every of Always", client.Every(client.Always, client.Always), all, true},
		{"Not", client.Not(tybalts), []string{romeo, juliet, nurse}, true},
		{"Not Presence", client.Not(client.Presence), []string{juliet, tybalt}, true},
		{"Not Never", client.Not(client.Never), all, true},
		{"Not Always", client.Not(client.Always), nil, false},
		{"Not Not", client.Not(client.Not(client.Presence)), []string{romeo, nurse}, true},
		{"Not Never in Every", client.Every(client.Not(client.Never), tybalts), []string{tybalt}, true},
		{"Not Always in Any", client.Any(client.Not(client.Always)), nil, false},
		{"Never deep inside", client.Not(client.Any(client.Every(client.Never, yes), client.Not(client.Any()))), nil, false},
		{"Presence deep inside", client.Every(client.Not(tybalts), client.Any(no, client.Every(client.Presence, yes))), []string{romeo, nurse}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newResponder(t, client.ResponderOptions{Policy: c.policy, Roster: roster})
			var got []string
			for _, from := range all {
				if r.Receive(now, asker(from, "1", "")).Err() == nil {
					got = append(got, from)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got answers to %q, want to %q", got, c.want)
			}
			advertised := false
			_ = r.ForFeatures("", func(info.Feature) error { advertised = true; return nil })
			if advertised != c.advertised {
				t.Errorf("got the feature: %t, want: %t", advertised, c.advertised)
			}
		})
	}
}

// A Policy is a value: who changes what it was made of does not change it.
func TestAPolicyDoesNotChange(t *testing.T) {
	addresses := []jid.JID{addressOf("a@b")}
	policies := []client.Policy{client.Addresses(addresses...), client.Domains(addresses...), client.Never}
	any := client.Any(policies...)
	addresses[0] = addressOf("mallory@e")
	policies[2] = client.Always
	r := newResponder(t, client.ResponderOptions{Policy: any})
	if err := r.Receive(now, asker("mallory@e/f", "1", "")).Err(); !errors.Is(err, client.ErrPolicy) {
		t.Errorf("got %v, want ErrPolicy", err)
	}
}
