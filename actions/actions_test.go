// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

var (
	_ actions.Action = actions.Func(nil)
	_ actions.Action = actions.Drop{}
	_ actions.Action = actions.Offline{}
	_ actions.Action = actions.DeadLetter{}
	_ actions.Action = actions.Redeliver{}
	_ actions.Action = actions.Bounce{}
	_ actions.Action = (*actions.Notify)(nil)
	_ actions.Store  = (*actions.MemStore)(nil)
	_ actions.Putter = actions.PutFunc(nil)
)

func TestWhatIsRequired(t *testing.T) {
	for _, a := range []actions.Action{
		actions.Offline{}, actions.DeadLetter{}, actions.Redeliver{}, actions.Bounce{}, new(actions.Notify),
	} {
		// A mistake in the set-up must not cost mail: the error is temporary.
		o, err := a.Act(t.Context(), message("", cache.Chat))
		if err == nil || actions.IsPermanent(err) || !o.IsPass() {
			t.Errorf("%T: got %v, %v, want a temporary error", a, o, err)
		}
	}
}

func TestOfflineStores(t *testing.T) {
	store := new(actions.MemStore)
	p := message("", cache.Chat|cache.Stored|cache.Delivered)
	p.Seq, p.Copies = 3, []cache.Copy{{}}
	store.Put(t.Context(), actions.NewRow(p, true))
	for range 2 {
		o, err := actions.Offline{Store: store}.Act(t.Context(), p)
		if o != actions.Stored || err != nil {
			t.Fatalf("got %v, %v, want stored", o, err)
		}
	}
	rows, _ := store.List(t.Context(), bare, 0, 0)
	if len(rows) != 1 || rows[0].Custody || rows[0].Packet.Marks != cache.Chat|cache.Delivered {
		t.Errorf("got rows %+v, want one of mail", rows)
	}
}

func TestOfflinePasses(t *testing.T) {
	never := message("", cache.Headline)
	if o, err := (actions.Offline{Store: new(actions.MemStore)}).Act(t.Context(), never); o != actions.Pass || err != nil {
		t.Errorf("headline: got %v, %v, want pass", o, err)
	}
	secret := message("", cache.Chat|cache.Volatile)
	lasting := actions.PutFunc(func(context.Context, actions.Row) error { t.Error("was written"); return nil })
	if o, err := (actions.Offline{Store: lasting}).Act(t.Context(), secret); o != actions.Pass || err != nil {
		t.Errorf("no-permanent-store: got %v, %v, want pass", o, err)
	}
}

func TestOfflineWithoutQuota(t *testing.T) {
	full := actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: -1})
	p := message("", cache.Chat)
	if o, err := (actions.Offline{Store: full}).Act(t.Context(), p); o != actions.Pass || err != nil {
		t.Errorf("got %v, %v, want pass", o, err)
	}
	if o, err := (actions.Offline{Store: full, Full: actions.Drop{}}).Act(t.Context(), p); o != actions.Done || err != nil {
		t.Errorf("with Full: got %v, %v, want done", o, err)
	}
}

func TestOfflineFails(t *testing.T) {
	store := actionstest.NewFaultyStore(new(actions.MemStore), actionstest.Fault{Err: errNet})
	_, err := actions.Offline{Store: store}.Act(t.Context(), message("", cache.Chat))
	if !errors.Is(err, errNet) || actions.IsPermanent(err) {
		t.Errorf("got error %v, want a temporary one", err)
	}
	store.Set(actionstest.Fault{Err: errBroken})
	if _, err := (actions.Offline{Store: store}).Act(t.Context(), message("", cache.Chat)); !actions.IsPermanent(err) {
		t.Errorf("got error %v, want a permanent one", err)
	}
	nowhere := actions.NewMemStore(&actions.MemStoreOptions{TotalBytes: -1})
	if _, err := (actions.Offline{Store: nowhere}).Act(t.Context(), message("", cache.Chat)); !errors.Is(err, actions.ErrFull) {
		t.Errorf("got error %v, want ErrFull", err)
	}
}

func TestOfflineInTheHostsStorage(t *testing.T) {
	var kept []string
	host := actions.PutFunc(func(_ context.Context, r actions.Row) error {
		kept = append(kept, r.Packet.Key.ID)
		return nil
	})
	o, err := actions.Offline{Store: host}.Act(t.Context(), message("", cache.Chat))
	if o != actions.Done || err != nil || len(kept) != 1 {
		t.Errorf("got %v, %v, kept %v, want done", o, err, kept)
	}
}

func TestDeadLetter(t *testing.T) {
	letters := new(actions.MemStore)
	for _, p := range []cache.Packet{message("", cache.Headline), message(throne, cache.Read)} {
		if o, err := (actions.DeadLetter{Store: letters}).Act(t.Context(), p); o != actions.Done || err != nil {
			t.Errorf("got %v, %v, want done", o, err)
		}
	}
	if got := letters.Total().Messages; got != 2 {
		t.Errorf("kept %d, want 2", got)
	}
	full := actions.NewMemStore(&actions.MemStoreOptions{MaxBytes: -1})
	if _, err := (actions.DeadLetter{Store: full}).Act(t.Context(), message("", 0)); !actions.IsPermanent(err) {
		t.Errorf("without quota: got error %v, want a permanent one", err)
	}
	faulty := actions.PutFunc(func(context.Context, actions.Row) error { return errNet })
	if _, err := (actions.DeadLetter{Store: faulty}).Act(t.Context(), message("", 0)); !errors.Is(err, errNet) || actions.IsPermanent(err) {
		t.Errorf("got error %v, want a temporary one", err)
	}
	if o, err := (actions.DeadLetter{Store: faulty}).Act(t.Context(), message("", cache.Volatile)); o != actions.Pass || err != nil {
		t.Errorf("no-permanent-store: got %v, %v, want pass", o, err)
	}
}

func TestRedeliverWaitsLongerEachTime(t *testing.T) {
	tests := []struct {
		name    string
		marks   cache.Marks
		backoff []time.Duration
		want    []time.Duration
	}{
		{"by default", cache.Chat, nil, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute}},
		{"encrypted", cache.Chat | cache.Encrypted, nil, []time.Duration{30 * time.Second}},
		{"read past", cache.Chat | cache.Read, nil, nil},
		{"none", cache.Chat, []time.Duration{}, nil},
		{"more than five", cache.Chat, slices.Repeat([]time.Duration{time.Second}, 9), slices.Repeat([]time.Duration{time.Second}, 5)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sent := 0
			r := actions.Redeliver{
				Send:    func(context.Context, cache.Packet) error { sent++; return nil },
				Backoff: tt.backoff,
				Jitter:  -1,
			}
			p := message("", tt.marks)
			var got []time.Duration
			for range 20 {
				o, err := r.Act(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				wait, again := o.Wait()
				if !again {
					break
				}
				got = append(got, wait)
				p.Attempt++
			}
			if !slices.Equal(got, tt.want) || sent != len(tt.want) {
				t.Errorf("got waits %v and %d copies, want %v", got, sent, tt.want)
			}
		})
	}
}

func TestRedeliverJitterShortens(t *testing.T) {
	tests := []struct {
		jitter float64
		random float64
		want   time.Duration
	}{
		{0, 0, 30 * time.Second},
		{0, 0.5, 28500 * time.Millisecond},
		{0.5, 0.5, 22500 * time.Millisecond},
		{9, 0.5, 15 * time.Second},
		{-1, 0.5, 30 * time.Second},
	}
	for _, tt := range tests {
		r := actions.Redeliver{
			Send:   func(context.Context, cache.Packet) error { return nil },
			Jitter: tt.jitter,
			Rand:   func() float64 { return tt.random },
		}
		if o, err := r.Act(t.Context(), message("", cache.Chat)); o != actions.Again(tt.want) || err != nil {
			t.Errorf("jitter %v: got %v, %v, want %v", tt.jitter, o, err, tt.want)
		}
	}
	r := actions.Redeliver{Send: func(context.Context, cache.Packet) error { return nil }}
	o, _ := r.Act(t.Context(), message("", cache.Chat))
	if wait, _ := o.Wait(); wait < 27*time.Second || wait > 30*time.Second {
		t.Errorf("by default: got %v, want 27 to 30 s", wait)
	}
}

func TestRedeliverFails(t *testing.T) {
	r := actions.Redeliver{Send: func(context.Context, cache.Packet) error { return errBroken }}
	o, err := actions.Chain(r, actions.Drop{}).Act(t.Context(), message("", cache.Chat))
	if o != actions.Done || err != nil {
		t.Errorf("no stream: got %v, %v, want the next action's done", o, err)
	}
}

func TestBounceGoesToWhomItMay(t *testing.T) {
	tests := []struct {
		name    string
		p       cache.Packet
		reason  actions.Reason
		bounced bool
	}{
		{"a sender who may know", message("", cache.Chat), actions.Unanswered, true},
		{"a sender who may not", message("", cache.Chat|cache.Unauthorised), actions.Unanswered, false},
		{"a sender who may not, refused", message("", cache.Chat|cache.Unauthorised), actions.Refused, false},
		{"one that asked for nothing", message("", cache.Chat|cache.NotAsked), actions.Unanswered, false},
		{"one that asked for nothing, refused", message("", cache.Chat|cache.NotAsked), actions.Refused, true},
		{"a room, refused", message(throne, cache.Chat|cache.Room), actions.Refused, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var to []string
			b := actions.Bounce{Reason: tt.reason, Send: func(_ context.Context, address string, _ []byte) error {
				to = append(to, address)
				return nil
			}}
			o, err := b.Act(t.Context(), tt.p)
			if err != nil || o.IsDone() != tt.bounced || (len(to) == 1) != tt.bounced {
				t.Errorf("got %v, %v, sent to %v", o, err, to)
			}
			if tt.bounced && to[0] != henry {
				t.Errorf("sent to %q, want the full address", to[0])
			}
		})
	}
}

func TestBounceFails(t *testing.T) {
	b := actions.Bounce{Send: func(context.Context, string, []byte) error { return errNet }}
	if _, err := b.Act(t.Context(), message("", cache.Chat)); !errors.Is(err, errNet) {
		t.Errorf("got error %v", err)
	}
}

// What a parser reads from a bounce is what was put in.
// An error holds nothing but the error: neither the message, which its sender has, nor
// anything that could be taken for a receipt.
func TestAppendBounceHoldsAnErrorAlone(t *testing.T) {
	for _, reason := range []actions.Reason{actions.Unanswered, actions.Refused} {
		var got struct {
			Children []struct{ XMLName xml.Name } `xml:",any"`
		}
		stanza := actions.AppendBounce(nil, message(throne, cache.Chat), reason, "")
		if err := xml.Unmarshal(stanza, &got); err != nil {
			t.Fatalf("%v in %s", err, stanza)
		}
		if len(got.Children) != 1 || got.Children[0].XMLName.Local != "error" {
			t.Errorf("%s holds %v, want an error alone", stanza, got.Children)
		}
	}
}

func TestAppendBounceEscapes(t *testing.T) {
	for _, text := range []string{
		"plain", "", `<>&"'`, "a\tb\nc\rd", "é\u030A\U0001F4EC", "]]>", "&amp;",
	} {
		p := message(throne, cache.Chat)
		p.Key.ID, p.Key.From, p.Resource = text, henry+text, throne+text
		var got struct {
			XMLName xml.Name `xml:"jabber:client message"`
			Type    string   `xml:"type,attr"`
			ID      string   `xml:"id,attr"`
			From    string   `xml:"from,attr"`
			To      string   `xml:"to,attr"`
			Error   struct {
				Type      string `xml:"type,attr"`
				By        string `xml:"by,attr"`
				Condition struct {
					XMLName xml.Name
				} `xml:",any"`
			} `xml:"error"`
		}
		stanza := actions.AppendBounce(nil, p, actions.Unanswered, "server"+text)
		if err := xml.Unmarshal(stanza, &got); err != nil {
			t.Errorf("%q: %v in %s", text, err, stanza)
		}
		if got.Type != "error" || got.ID != text || got.From != bare+"/"+throne+text || got.To != henry+text || got.Error.By != "server"+text {
			t.Errorf("%q: got %+v", text, got)
		}
		condition := xml.Name{Space: "urn:ietf:params:xml:ns:xmpp-stanzas", Local: "recipient-unavailable"}
		if got.Error.Type != "wait" || got.Error.Condition.XMLName != condition {
			t.Errorf("%q: got error %+v", text, got.Error)
		}
	}
}

func FuzzAppendBounce(f *testing.F) {
	f.Add("id", "a@b/c", "resource")
	f.Add("\x00\xff<", "'\"&", "\ufffe\uffff\r")
	f.Fuzz(func(t *testing.T, id, from, resource string) {
		p := cache.Packet{Key: cache.Key{To: bare, From: from, ID: id}, Resource: resource}
		stanza := actions.AppendBounce(nil, p, actions.Refused, resource)
		if err := xml.Unmarshal(stanza, new(struct{})); err != nil {
			t.Errorf("%v in %q", err, stanza)
		}
	})
}

func TestNotifyTellsOnce(t *testing.T) {
	var told []string
	n := &actions.Notify{Func: func(_ context.Context, p cache.Packet) error {
		told = append(told, p.Key.ID)
		return errNet
	}}
	failed := 0
	n.Failed = func(_ cache.Packet, err error) {
		if errors.Is(err, errNet) {
			failed++
		}
	}
	first, second := message("", cache.Chat), actionstest.NewPacket(bare, henry, "m2")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Act(ended, first); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	for attempt := range 3 {
		first.Attempt, second.Attempt = attempt, attempt
		for _, p := range []cache.Packet{first, second} {
			if o, err := n.Act(t.Context(), p); o != actions.Pass || err != nil {
				t.Errorf("got %v, %v, want pass", o, err)
			}
		}
	}
	if want := []string{"richard2-4.1.247", "m2"}; !slices.Equal(told, want) || failed != 2 {
		t.Errorf("told %q, failed %d, want %q", told, failed, want)
	}
}

func TestNotifyForgetsTheOldest(t *testing.T) {
	told := 0
	n := &actions.Notify{Func: func(context.Context, cache.Packet) error { told++; return nil }}
	const remembered = 1 << 16
	act := func(i int) {
		n.Act(t.Context(), cache.Packet{Key: cache.Key{ID: fmt.Sprint(i)}})
	}
	for i := range remembered + 1 {
		act(i)
	}
	act(remembered) // still known
	act(1)          // still known
	act(0)          // forgotten
	if want := remembered + 2; told != want {
		t.Errorf("told %d times, want %d", told, want)
	}
}
