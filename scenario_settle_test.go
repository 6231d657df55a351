// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

// The scenarios that the packet cache is built to (docs/ARCHITECTURE.md), about
// receipts and what they settle.

func TestS1AReceiptSettlesItsMessageAndLeavesNothingBehind(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		throne := w.online(throne, acknowledges)
		w.sends("m1")
		w.stores("m1") // before its receipt could come
		w.pass(time.Second)
		throne.gotPlain(0, chat("m1"))
		w.nothingIsLeft()
		w.senderSaw(receipt("m1"))
		w.pass(time.Hour)
		throne.got("m1")
		w.happened(map[untilack.Reason]int{untilack.Settled: 1, untilack.Probed: 0, untilack.Acted: 0})
	})
}

func TestS2AReceiptToTheBareAddressWithOtherChildrenSettles(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		ack := message("chat", "", percy, "ack1", received("m1")+
			"<store xmlns='urn:xmpp:hints'/><origin-id xmlns='urn:xmpp:sid:0' id='ack1'/>")
		throne := w.online(throne, silent)
		w.sends("m1")
		throne.says(ack)
		w.nothingIsLeft()
		w.senderSaw(ack)
	})
}

func TestS7TheFirstOfTwoReceiptsSettlesAndTheSecondIsForwarded(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne, crown := w.online(throne, acknowledges), w.online(crown, acknowledges)
		for _, c := range []*client{throne, crown} {
			if err := c.session.Deliver(t.Context(), []byte(chat("m1"))); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(time.Hour)
		throne.got("m1")
		crown.got("m1")
		w.senderSaw(receipt("m1"), receipt("m1"))
		w.happened(map[untilack.Reason]int{untilack.Admitted: 1, untilack.Settled: 1, untilack.Repeated: 1})
		w.nothingIsLeft()
	})
}

func TestS8ToS10OthersReceiptsSettleNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		from   string // who is online
		stanza string
	}{
		{"S9: another account of the server acknowledges the message", bob + "/den", receipt("m1")},
		{"S9: it also forges the recipient's address", bob + "/den",
			message("chat", richard+"/throne", westminster, "", received("m1"))},
		{"S10: the recipient acknowledges the id to somebody else", "", receiptTo("romeo@montague.lit/orchard", "m1")},
		{"the recipient acknowledges the id to its own account", "", message("chat", "", "", "", received("m1"))},
		{"the recipient sends the receipt to a room", "", message("groupchat", "", percy, "", received("m1"))},
		{"the recipient's error echoes a receipt", "", message("error", "", westminster, "x", received("m1"))},
		{"the receipt is inside of a forwarded message", "", message("chat", "", westminster, "x",
			"<forwarded xmlns='urn:xmpp:forward:0'>"+receipt("m1")+"</forwarded>")},
		{"the marker of another XEP has the same name", "", message("chat", "", westminster, "x",
			"<received xmlns='urn:xmpp:chat-markers:0' id='m1'/>")},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				throne := w.online(throne, silent)
				w.sends("m1")
				who := throne
				if row.from != "" {
					who = w.login(&client{}, row.from)
				}
				who.says(row.stanza)
				w.waits("m1 on stream")
				w.senderSaw(row.stanza)
			})
		})
	}
}

func TestS8AStrangersReceiptIsDeliveredLikeAnyMessageAndSettlesNothing(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1")
		forged := message("chat", tybalt, richard, "f", received("m1"))
		if err := w.send(forged); err != nil {
			t.Fatal(err)
		}
		throne.gotPlain(1, forged)
		w.waits("m1 on stream")
	})
}

func TestS11AReceiptToAFullAddressSettlesThatSendersMessageAlone(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		for _, from := range []string{westminster, york} {
			if err := w.send(message("chat", from, richard, "1", "<body>"+from+"</body>"+request)); err != nil {
				t.Fatal(err)
			}
		}
		throne.says(receiptTo(york, "1"))
		w.waits("1 on stream")
		if got := w.keeper.Waiting(richard)[0].Sender; got != westminster {
			t.Errorf("the message of %s waits, want that of %s", got, westminster)
		}
	})
}

func TestS12AReceiptToABareAddressSettlesTheOldestDeliveredThere(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		for _, from := range []string{york, westminster} {
			if err := w.send(message("chat", from, richard, "1", "<body>"+from+"</body>"+request)); err != nil {
				t.Fatal(err)
			}
		}
		throne.says(receiptTo(percy, "1"))
		w.waits("1 on stream")
		if got := w.keeper.Waiting(richard)[0].Sender; got != westminster {
			t.Errorf("the message of %s waits, want that of %s", got, westminster)
		}
		throne.says(receiptTo(percy, "1"))
		w.nothingIsLeft()
	})
}

func TestS13AnIdUsedTwiceNeedsTwoReceipts(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		for _, body := range []string{"first", "second"} {
			if err := w.send(message("chat", westminster, richard, "1", "<body>"+body+"</body>"+request)); err != nil {
				t.Fatal(err)
			}
		}
		w.waits("1 on stream", "1 on stream")
		throne.says(receipt("1"))
		w.waits("1 on stream")
		if got := w.keeper.Waiting(richard)[0].Bytes; got != len(message("chat", westminster, richard, "1", "<body>second</body>"+request)) {
			t.Errorf("the packet of %d bytes waits, want the second one", got)
		}
		throne.says(receipt("1"))
		w.nothingIsLeft()
	})
}

func TestS14TheSameMessageSentAgainIsDeliveredAndKeptOnce(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		for range 100 { // R185: a sender can not raise attempts by sending again
			w.sends("m1")
		}
		if n := len(throne.messages()); n != 100 {
			t.Errorf("%d copies were delivered, want 100", n)
		}
		throne.gotPlain(99, chat("m1"))
		w.waits("m1 on stream")
		if got := w.keeper.Waiting(richard)[0].Attempt; got != 0 {
			t.Errorf("%d attempts were counted, want none", got)
		}
		throne.says(receipt("m1"))
		w.nothingIsLeft()
	})
}

func TestS15AReceiptInsideOfDeliverSettles(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		w.online(throne, hasty)
		w.sends("m1")
		w.nothingIsLeft()
		w.pass(time.Hour)
		w.happened(map[untilack.Reason]int{untilack.Settled: 1, untilack.Probed: 0})
	})
}

func TestS17AReceiptForAStoredMessageRemovesIt(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		w.stores("m1")
		second := w.login(&client{habit: silent, away: true}, richard+"/"+throne)
		second.says(receipt("m1"))
		w.stores()
		second.presence(true, 0)
		w.pass(time.Hour)
		second.got()
		w.senderSaw(receipt("m1"))
		w.happened(map[untilack.Reason]int{untilack.Acted: 1, untilack.Repeated: 1})
		second.says(receipt("m1"))
		w.senderSaw(receipt("m1"), receipt("m1"))
	})
}

func TestS18AReceiptAfterABounceIsForwarded(t *testing.T) {
	var w *world
	bounce := actions.Func(func(ctx ctx, p packet) (actions.Outcome, error) {
		return w.bounce(actions.Unanswered).Act(ctx, p)
	})
	story(t, untilack.Config{Actions: []actions.Action{bounce, actions.Drop{}}}, func(it *world) {
		w = it
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		if len(w.sent) != 1 {
			t.Errorf("sent to the sender: %q, want one error", w.sent)
		}
		second := w.online(throne, silent)
		second.says(receipt("m1"))
		w.senderSaw(receipt("m1"))
		w.nothingIsLeft()
	})
}

func TestS19AnErrorFromTheClientSettlesAsRejected(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1")
		answer := message("error", "", westminster, "m1", "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")
		throne.says(answer)
		w.nothingIsLeft()
		throne.dies()
		next := w.online(throne.resource(), silent)
		w.pass(time.Hour)
		next.got()
		w.senderSaw(answer)
		w.happened(map[untilack.Reason]int{untilack.Rejected: 1, untilack.Settled: 0, untilack.Acted: 0})
	})
}

func TestReceiptsInOldAndOddForms(t *testing.T) {
	legacy := message("chat", "", westminster, "m1", "<received xmlns='urn:xmpp:receipts'/>")
	two := message("chat", "", westminster, "x", received("m1")+received("m2"))
	for _, row := range []struct {
		name   string
		strict bool
		stanza string
		waits  []string
	}{
		{"XEP-0184 1.0 had no id, and the stanza's own counts", false, legacy, []string{"m2 on stream"}},
		{"which a strict server does not accept", true, legacy, []string{"m1 on stream", "m2 on stream"}},
		{"two receipts in one message settle two messages", false, two, nil},
		{"the type is of no account", false, message("headline", "", westminster, "", received("m1")), []string{"m2 on stream"}},
		{"a request beside a receipt is void", false, message("chat", "", westminster, "x", received("m1")+request), []string{"m2 on stream"}},
		{"an error settles too", false, message("error", "", westminster, "m1", ""), []string{"m2 on stream"}},
		{"however it is written", false, strings.Replace(message("error", "", westminster, "m1", ""), "error", "&#x65;rror", 1), []string{"m2 on stream"}},
		{"an empty id settles nothing", false, message("chat", "", westminster, "", received("")), []string{"m1 on stream", "m2 on stream"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{Strict: row.strict}, func(w *world) {
				throne := w.online(throne, silent)
				w.sends("m1", "m2")
				throne.says(row.stanza)
				w.waits(row.waits...)
				w.senderSaw(row.stanza)
			})
		})
	}
}

func TestR14ALineBreakInAnIdIsASpaceOnBothSides(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("a\nb\tc")
		throne.says(receipt("a b c"))
		w.nothingIsLeft()
	})
}

func TestS49WhatTheSenderSeesWasSaidByAClientAndWhatTheClientGetsByTheSender(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		odd := habit{acks: func(_ *client, stanza string) string {
			return message("normal", "", attribute(stanza, "from"), "own", received(attribute(stanza, "id"))+"<x  xmlns='u:x' a = '1'/>")
		}}
		throne := w.online(throne, odd)
		var sent, answers []string
		for _, children := range []string{speech, "<body xml:lang='cs'>Pane</body>" + request + "<foo xmlns='u:f' f:a='1' xmlns:f='u:g'/>",
			"<subject/>\n" + request + "<body><![CDATA[<b>]]></body>", request + "<body>&lt;&#x26;</body>"} {
			stanza := message("chat", westminster, richard, "m", children)
			sent = append(sent, stanza)
			answers = append(answers, odd.acks(nil, stanza))
			if err := w.send(stanza); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
		}
		if got := strings.Join(throne.messages(), "\n"); got != strings.Join(sent, "\n") {
			t.Errorf("the client got\n%s\nwant\n%s", got, strings.Join(sent, "\n"))
		}
		w.senderSaw(answers...)
		w.nothingIsLeft()
	})
}
