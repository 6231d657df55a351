// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
)

// note is a message that asks for no receipt.
func note(id string) string {
	return message("chat", westminster, richard, id, "<body>My lord?</body>")
}

func TestMessagesWithoutARequestAreKeptIfThePolicySaysSo(t *testing.T) {
	for _, row := range []struct {
		name     string
		admit    func(untilack.Candidate) untilack.Admit
		children string
		keeps    bool
	}{
		{"the default keeps what asks for a receipt", nil, speech, true},
		{"and nothing else", nil, "<body>My lord?</body>", false},
		{"AdmitContent keeps what asks for a receipt", untilack.AdmitContent, speech, true},
		{"and what has a body", untilack.AdmitContent, "<body>My lord?</body>", true},
		{"or one that is encrypted", untilack.AdmitContent, "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", true},
		{"but no chat state", untilack.AdmitContent, "<active xmlns='http://jabber.org/protocol/chatstates'/>", false},
		{"nor a message with nothing to show", untilack.AdmitContent, "<x xmlns='u:x'/>", false},
		{"and never what must not be stored", untilack.AdmitContent, speech + "<no-store xmlns='urn:xmpp:hints'/>", false},
		{"a policy of one's own may keep nothing", func(untilack.Candidate) untilack.Admit { return untilack.Admit{} }, speech, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{Admit: row.admit}, func(w *world) {
				throne := w.online(throne, silent)
				stanza := message("chat", westminster, richard, "m1", row.children)
				if err := w.send(stanza); err != nil {
					t.Fatal(err)
				}
				throne.gotPlain(0, stanza)
				kept := 0
				if row.keeps {
					kept = 1
				}
				w.happened(map[untilack.Reason]int{untilack.Admitted: kept, untilack.Untracked: 1 - kept})
			})
		})
	}
}

func TestAMessageWithoutARequestIsConfirmedByAProbeAlone(t *testing.T) {
	setup := untilack.Config{Admit: untilack.AdmitContent, Capable: capable}
	story(t, setup, func(w *world) {
		w.online(throne, silent)
		if err := w.send(note("m1")); err != nil {
			t.Fatal(err)
		}
		w.pass(T)
		w.nothingIsLeft()
		w.happened(map[untilack.Reason]int{untilack.Finished: 1, untilack.Parked: 0})
	})
	story(t, setup, func(w *world) {
		first := w.online(throne, silent)
		first.goesDark()
		if err := w.send(note("m1")); err != nil {
			t.Fatal(err)
		}
		w.pass(T + untilack.DefaultProbeWait)
		second := w.online(crown, silent)
		second.gotLate(0, note("m1"), w.start)
	})
}

func TestTheCandidateIsToldTruly(t *testing.T) {
	var got []untilack.Candidate
	s := newStage(t, untilack.Config{Admit: func(c untilack.Candidate) untilack.Admit {
		got = append(got, untilack.Candidate{Recipient: c.Recipient, Sender: c.Sender})
		if c.Message.ID.String() != "m1" {
			t.Errorf("the id is %q, want m1", c.Message.ID)
		}
		return untilack.DefaultAdmit(c)
	}})
	stream := s.enter(throne, nil)
	s.work()
	s.deliver(stream, message("chat", "Northumberland@SHAKESPEARE.lit/Westminster", "KingRichard@"+england+"/throne", "m1", speech))
	want := []untilack.Candidate{{Recipient: richard, Sender: percy + "/Westminster"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(untilack.Candidate{}, "Message")); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	s.ack(stream, "m1") // to another resource: Westminster is not westminster
	s.waits("m1 on stream")
	s.Incoming(s.now, stream, []byte(receiptTo("NORTHUMBERLAND@shakespeare.LIT/Westminster", "m1")))
	s.waits()
}

func TestCapableIsAskedForTheStreamsAddress(t *testing.T) {
	story(t, untilack.Config{Capable: func(address string) bool { return address == richard+"/"+throne }}, func(w *world) {
		for _, resource := range []string{throne, crown} {
			c := w.online(resource, silent)
			if err := c.session.Deliver(w.t.Context(), []byte(chat(resource))); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(T)
		w.waits(throne + " read")
	})
}

func TestAClientThatHasAcknowledgedIsKnownToAcknowledge(t *testing.T) {
	story(t, untilack.Config{}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1", "m2")
		throne.says(receipt("m1"))
		w.pass(T)
		w.waits("m2 read")
	})
}

func TestTheVectorsAreAdmittedAsTheySay(t *testing.T) {
	var vectors []struct {
		Name, XML, Note string
		Base64          string `json:"xml_base64"`
		Expect          struct {
			Cache  bool `json:"should_cache"`
			Reason string
		}
	}
	data, err := os.ReadFile("receipts/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			stanza := []byte(v.XML)
			if v.Base64 != "" {
				stanza, _ = base64.StdEncoding.DecodeString(v.Base64)
			}
			s := newStage(t, untilack.Config{})
			to := richard
			if m, err := receipts.Scan(stanza); err == nil && !m.To.IsEmpty() {
				to = cache.Bare(m.To.String())
			}
			stream, err := s.Open(s.now, to+"/any", nil)
			if err != nil {
				t.Skip(err)
			}
			s.work()
			before := bytes.Clone(stanza)
			a := s.Outgoing(s.now, stream, stanza)
			if a.Kept != v.Expect.Cache || a.Verdict != untilack.Write || a.Why == "" {
				t.Errorf("%s: admission %+v, want kept %v and written: %s\n%s", v.Note, a, v.Expect.Cache, v.Expect.Reason, stanza)
			}
			if !bytes.Equal(stanza, before) {
				t.Error("the stanza was changed")
			}
		})
	}
}

func TestOfflineKeepsWhatMayBeKept(t *testing.T) {
	for _, row := range []struct {
		name, stanza string
		want         error
	}{
		{"a message that asks for a receipt", chat("m1"), nil},
		{"one that does not", note("m1"), nil},
		{"a normal one to the bare address", message("normal", westminster, richard, "m1", speech), nil},
		{"but no normal one to a full address", message("normal", westminster, richard+"/x", "m1", speech), untilack.ErrRefused},
		{"a chat message to a full address", message("chat", westminster, richard+"/x", "m1", speech), nil},
		{"no headline", message("headline", westminster, richard, "m1", speech), untilack.ErrRefused},
		{"no error", message("error", westminster, richard, "m1", speech), untilack.ErrRefused},
		{"nothing from a room", message("groupchat", westminster, richard, "m1", speech), untilack.ErrRefused},
		{"nothing that must not be stored", message("chat", westminster, richard, "m1", speech+"<no-store xmlns='urn:xmpp:hints'/>"), untilack.ErrRefused},
		{"nothing without an id", message("chat", westminster, richard, "", speech), untilack.ErrRefused},
		{"nothing to a server", message("chat", westminster, england, "m1", speech), untilack.ErrAddress},
		{"nothing to nobody", message("chat", westminster, "", "m1", speech), untilack.ErrAddress},
		{"nothing that is not well-formed", "<message", receipts.ErrSyntax},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{}, func(w *world) {
				if err := w.keeper.Offline(w.t.Context(), []byte(row.stanza)); !errors.Is(err, row.want) {
					t.Errorf("error %v, want %v", err, row.want)
				}
				if got := len(storedIDs(w.t.Context(), w.store)); (got == 1) != (row.want == nil) {
					t.Errorf("%d rows", got)
				}
				w.waits()
			})
		})
	}
}

func TestOfflineTellsItsHostWhyNot(t *testing.T) {
	for _, row := range []struct {
		name   string
		action actions.Action
		want   error
		reason untilack.Reason
	}{
		{"the store is down", actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Pass, errBroken }), errBroken, untilack.ActionFailed},
		{"nobody takes it", actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Pass, nil }), untilack.ErrRefused, untilack.Refused},
		{"the host's own store takes it", actions.Drop{}, nil, untilack.Acted},
	} {
		t.Run(row.name, func(t *testing.T) {
			story(t, untilack.Config{Actions: []actions.Action{row.action, actions.Drop{}}}, func(w *world) {
				err := w.keeper.Offline(w.t.Context(), []byte(chat("m1")))
				if !errors.Is(err, row.want) || err != nil && !errors.Is(err, untilack.ErrRefused) {
					t.Errorf("error %v, want ErrRefused and %v", err, row.want)
				}
				w.happened(map[untilack.Reason]int{row.reason: 1})
			})
		})
	}
}

func TestOfflineFindsAStreamThatOpenedMeanwhile(t *testing.T) {
	hosts := actions.PutFunc(func(ctx, actions.Row) error { return nil })
	for name, chain := range map[string][]actions.Action{
		"the default chain":             nil,
		"a chain that drops":            {actions.Drop{}},
		"a chain with the host's store": {actions.Offline{Store: hosts}, actions.Drop{}},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, untilack.Config{Actions: chain}, func(w *world) {
				throne := w.online(throne, acknowledges)
				if err := w.keeper.Offline(w.t.Context(), []byte(chat("m1"))); err != nil {
					t.Fatal(err)
				}
				w.pass(time.Second)
				throne.got("m1")
				w.nothingIsLeft()
			})
		})
	}
}

func TestWaitingTellsWhatWaitsAndWhy(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		throne := w.online(throne, silent)
		w.sends("m1")
		got := w.keeper.Waiting("KingRichard@" + england + "/any")
		want := []untilack.Waiting{{
			Identity: got[0].Identity, Deadline: got[0].Deadline, // see TestDrop and TestWaitingTellsDeadlines
			Sender: westminster, ID: "m1", State: untilack.OnStream, Resources: []string{"throne"},
			Received: w.start, Bytes: len(chat("m1")), Stored: true,
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waiting (-want +got):\n%s", diff)
		}
		throne.says(receipt("m1"))
		for _, address := range []string{richard, bob, "", "a b"} {
			if got := w.keeper.Waiting(address); len(got) != 0 {
				t.Errorf("%q: %v waits, want nothing", address, got)
			}
		}
	})
}

func TestNothingOfABodyIsLogged(t *testing.T) {
	var log bytes.Buffer
	failing := actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Pass, errBroken })
	story(t, untilack.Config{
		Logger:  slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Actions: []actions.Action{failing},
	}, func(w *world) {
		first := w.online(throne, deaf)
		w.sends("m1")
		w.pass(time.Minute)
		first.dies()
		w.pass(time.Minute)
	})
	if log.Len() == 0 || strings.Contains(log.String(), "dispatch") {
		t.Errorf("the log is %q, want it to speak, and not of bodies", log.String())
	}
}

func TestEventsTellOfWhatHappensInOrder(t *testing.T) {
	story(t, untilack.Config{Store: lasting}, func(w *world) {
		first := w.online(throne, deaf)
		w.sends("m1")
		w.pass(time.Minute)
		first.wasEnded(untilack.Dead)
		second := w.online(crown, acknowledges)
		w.pass(time.Second)
		second.leaves()
		var got []string
		for _, e := range w.told {
			if e.Recipient != richard || e.Time.Before(w.start) {
				t.Errorf("event %+v lacks its recipient or time", e)
			}
			got = append(got, strings.TrimSpace(fmt.Sprint(e.Reason, " ", e.Resource, " ", e.ID)))
		}
		want := []string{"opened throne", "admitted throne m1", "persisted throne m1", "probed throne", "dead throne",
			"acted  m1", "opened crown", "redelivered crown m1", "settled crown m1",
			"closed crown"}
		// The probe after the mail and the receipt for it go different ways.
		ordered := slices.DeleteFunc(slices.Clone(got), func(e string) bool { return e == "probed crown" || e == "answered crown" })
		if diff := cmp.Diff(want, ordered); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := len(slices.Compact(got)); uint64(n) != sum(w.keeper) {
			t.Errorf("%d events, and %d were counted", n, sum(w.keeper))
		}
	})
}

// sum returns how much was counted.
func sum(k *untilack.Keeper) (n uint64) {
	for _, r := range untilack.Reasons() {
		n += k.Count(r)
	}
	return n
}

func TestOfflineDoesNotWaitForEver(t *testing.T) {
	down := actions.Func(func(ctx, packet) (actions.Outcome, error) { return actions.Pass, errBroken })
	story(t, untilack.Config{Actions: []actions.Action{down, actions.Drop{}}}, func(w *world) {
		first := w.online(throne, silent)
		w.sends("m1")
		first.dies()
		done := make(chan error, 1)
		go func() { done <- w.keeper.Offline(context.Background(), []byte(chat("m2"))) }()
		w.pass(2 * untilack.DefaultActionTimeout)
		select {
		case err := <-done:
			if !errors.Is(err, untilack.ErrRefused) || !errors.Is(err, untilack.ErrLater) {
				t.Errorf("error %v, want ErrRefused and ErrLater", err)
			}
		default:
			t.Error("Offline still waits for older messages")
			first := w.online(crown, acknowledges) // which lets it go on
			w.pass(time.Hour)
			first.leaves()
			<-done
		}
	})
}
