// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/internal/integration/servers"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// A bot answers by default those alone who may see its presence, as the server's roster
// says, from the moment on that they may.
func TestPresence(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		juliet := newEnd(t, s, s.Account(t, "juliet"), settings{})
		romeo := servers.Slixmpp(t, s, s.Account(t, "romeo"), 0)
		to := juliet.address().String()
		romeo.Send(to, "stranger", "But, soft!")
		juliet.ledger.await(t, 1)

		subscribe := stanza.Presence{To: jid.MustParse(romeo.Address()).Bare(), Type: stanza.SubscribePresence}
		if _, err := juliet.client().Send(context.Background(), subscribe.Wrap(nil)); err != nil {
			t.Fatal(err)
		}
		<-juliet.asked         // in turn
		juliet.flush(patience) // the server has said that the roster has changed
		romeo.Send(to, "friend", "Call me but love")
		if got := romeo.Wait(servers.Receipt, 1)[0]; got.ID != "friend" {
			t.Errorf("%s was acknowledged", got.ID)
		}
		again := newEnd(t, s, juliet.account, settings{resource: "another"}) // which asks for the roster
		romeo.Send(again.address().String(), "later", "Good night")
		if got := romeo.Wait(servers.Receipt, 2)[1]; got.ID != "later" || got.From != again.address().String() {
			t.Errorf("got %+v, want a receipt for later from %s", got, again.address())
		}
	})
}

// Of two clients of one account each acknowledges what it has got: the first receipt is the
// result, and the second one comes late.
func TestTwoClients(t *testing.T) {
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		account := s.Account(t, "juliet")
		phone := newEnd(t, s, account, settings{policy: client.Always, resource: "phone"})
		laptop := newEnd(t, s, account, settings{policy: client.Always, resource: "laptop"})
		all := newLetters("there", 20)
		told := make(map[string]string) // by whom a message is delivered, late and not
		romeo := newEnd(t, s, s.Account(t, "romeo"), settings{policy: client.Always})
		for id, r := range romeo.results(romeo.sendAll(account.Address, all)) {
			told[id+" "+r.By.String()] += "first"
		}
		want := make(map[string]bool)
		for _, e := range []*end{phone, laptop} {
			e.ledger.await(t, len(all))
			for _, l := range all {
				want[l[0]+" "+e.address().String()] = true
			}
		}
		for _, r := range romeo.ledger.awaitLate(t, len(all)) {
			told[r.ID+" "+r.By.String()] += "late"
		}
		got := make(map[string]bool)
		for who, how := range told {
			got[who] = how == "first" || how == "late"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}
