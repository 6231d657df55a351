// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// late is a message whose receipt did not come.
func late(id string, marks cache.Marks) cache.Packet {
	return cache.Packet{
		Key: cache.Key{
			To:   "kingrichard@royalty.england.lit",
			From: "northumberland@shakespeare.lit/westminster",
			ID:   id,
		},
		Marks:  marks,
		Stanza: []byte(`<message>…</message>`),
	}
}

// Mail goes to the store, and what may not be stored is dropped.
func ExampleChain() {
	chain := actions.Chain(
		actions.Offline{Store: new(actions.MemStore)},
		actions.Drop{},
	)
	fmt.Println(chain.Act(context.Background(), late("m1", cache.Chat)))
	fmt.Println(chain.Act(context.Background(), late("m2", cache.Headline)))
	// Output:
	// stored <nil>
	// done <nil>
}

// An ordinary function is an action.
func ExampleFunc() {
	patient := actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
		if p.Attempt < 2 {
			return actions.Again(time.Minute), nil
		}
		return actions.Pass, nil
	})
	p := late("m1", cache.Chat)
	for range 3 {
		fmt.Println(patient.Act(context.Background(), p))
		p.Attempt++ // the keeper does this
	}
	// Output:
	// again in 1m0s <nil>
	// again in 1m0s <nil>
	// pass <nil>
}

// Encrypted messages are dropped, the others are the next action's.
func ExampleWhen() {
	encrypted := func(p cache.Packet) bool { return p.Marks.Has(cache.Encrypted) }
	a := actions.When(encrypted, actions.Drop{})
	fmt.Println(a.Act(context.Background(), late("m1", cache.Chat|cache.Encrypted)))
	fmt.Println(a.Act(context.Background(), late("m2", cache.Chat)))
	// Output:
	// done <nil>
	// pass <nil>
}

// Mail is listed, sent, and deleted when the receipt came.
func ExampleOffline() {
	ctx := context.Background()
	store := new(actions.MemStore)
	offline := actions.Offline{Store: store}
	for _, id := range []string{"m1", "m2"} {
		if _, err := offline.Act(ctx, late(id, cache.Chat)); err != nil {
			fmt.Println(err)
		}
	}
	for row, err := range actions.All(ctx, store, "kingrichard@royalty.england.lit") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.Number, row.Packet.Key.ID)
	}
	err := store.Delete(ctx, late("m1", cache.Chat).Identity())
	fmt.Println(store.Total().Messages, err)
	// Output:
	// 1 m1
	// 2 m2
	// 1 <nil>
}

func ExampleBounce() {
	bounce := actions.Bounce{
		By: "royalty.england.lit",
		Send: func(_ context.Context, to string, stanza []byte) error {
			fmt.Println(to)
			fmt.Printf("%s\n", stanza)
			return nil
		},
	}
	fmt.Println(bounce.Act(context.Background(), late("m<1>", cache.Chat)))
	fmt.Println(bounce.Act(context.Background(), late("m2", cache.Chat|cache.Unauthorised)))
	// Output:
	// northumberland@shakespeare.lit/westminster
	// <message xmlns="jabber:client" type="error" id="m&lt;1&gt;" from="kingrichard@royalty.england.lit" to="northumberland@shakespeare.lit/westminster"><error by="royalty.england.lit" type="wait"><recipient-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>
	// done <nil>
	// pass <nil>
}

// An error that is permanent sends the chain on, any other keeps the packet.
func ExamplePermanent() {
	hook := func(err error) actions.Action {
		return actions.Chain(
			actions.Func(func(context.Context, cache.Packet) (actions.Outcome, error) { return actions.Pass, err }),
			actions.Drop{},
		)
	}
	gone := errors.New("410 Gone")
	fmt.Println(hook(gone).Act(context.Background(), late("m1", cache.Chat)))
	fmt.Println(hook(actions.Permanent(gone)).Act(context.Background(), late("m1", cache.Chat)))
	// Output:
	// pass 410 Gone
	// done <nil>
}
