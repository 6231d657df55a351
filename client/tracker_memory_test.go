// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/untilack/untilack/client"
)

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// numbered writes the message, or the receipt, with a number over the one before.
type numbered struct {
	bytes []byte
	at    []int
}

const digits = "00000000"

// newNumbered returns what replaces each run of eight zeros in a text.
func newNumbered(text string) *numbered {
	n := &numbered{bytes: []byte(text)}
	for at := range len(text) - len(digits) + 1 {
		if text[at:at+len(digits)] == digits {
			n.at = append(n.at, at)
		}
	}
	return n
}

func (n *numbered) number(i int) []byte {
	for _, at := range n.at {
		for digit := range len(digits) {
			n.bytes[at+digit] = "0123456789abcdef"[i>>(28-4*digit)&15]
		}
	}
	return n.bytes
}

func sentNumbered() *numbered {
	return newNumbered(`<message to='00000000@capulet.example' id='00000000-7a3c-4f6e-9b1d-2c5e8f0a7b64' type='chat'><body>Art thou there?</body></message>`)
}

func receiptNumbered() *numbered {
	return newNumbered(`<message from='00000000@capulet.example/balcony' to='romeo@montague.example/orchard' id='a' type='chat'><received xmlns='urn:xmpp:receipts' id='00000000-7a3c-4f6e-9b1d-2c5e8f0a7b64'/></message>`)
}

// stringBytes is what the strings of such a message have.
const stringBytes = len("00000000@capulet.example") + len("00000000-7a3c-4f6e-9b1d-2c5e8f0a7b64")

// Sizes just before and just after a map grows are among these.
func TestBytesPerWaitingMessage(t *testing.T) {
	const most = 220
	if raced {
		t.Skip("the race detector takes memory of its own")
	}
	for _, count := range []int{1_000, 14_400, 57_400, 100_000, 115_000} {
		tracker := client.NewTracker(&client.TrackerOptions{Messages: -1})
		stanzas, out := sentNumbered(), make([]byte, 0, 512)
		before := heap()
		for i := range count {
			if _, _, err := tracker.Track(start.Add(time.Duration(i)), out, stanzas.number(i)); err != nil {
				t.Fatal(err)
			}
		}
		each := float64(heap()-before)/float64(count) - float64(stringBytes)
		t.Logf("%d messages: %.1f bytes each, without %d of strings", count, each, stringBytes)
		if each > most {
			t.Errorf("%d messages: %.1f bytes each, want at most %d", count, each, most)
		}
		runtime.KeepAlive(tracker)
	}
}

// many is a great number of messages; the race detector makes each of them dear.
func many() int {
	if raced {
		return 10_000
	}
	return 100_000
}

// What has waited leaves no memory behind, but for what is remembered.
func TestMemoryOfWaitingIsGivenUp(t *testing.T) {
	count := many()
	tracker := client.NewTracker(&client.TrackerOptions{Tombstones: 100})
	stanzas, receipts := sentNumbered(), receiptNumbered()
	before := heap()
	for i := range count {
		if _, _, err := tracker.Track(start, nil, stanzas.number(i)); err != nil {
			t.Fatal(err)
		}
	}
	peak := heap() - before
	for i := range count {
		if !tracker.Receive(start, receipts.number(i)) {
			t.Fatalf("receipt %d is not taken", i)
		}
	}
	left := heap() - before
	t.Logf("%d bytes at the peak, %d left", peak, left)
	if left > peak/20 {
		t.Errorf("%d bytes are left of %d", left, peak)
	}
	runtime.KeepAlive(tracker)
}

func TestNoGoroutineAndNoTimerPerMessage(t *testing.T) {
	count := many()
	before := runtime.NumGoroutine()
	tracker := client.NewTracker(nil)
	stanzas := sentNumbered()
	for i := range count {
		if _, s, err := tracker.Track(start, nil, stanzas.number(i)); err != nil || i%10 == 0 && s.Done() == nil {
			t.Fatal(err)
		}
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("got %d goroutines, want at most %d", got, before)
	}
	if got := tracker.Stats().Waiting; got != count {
		t.Errorf("%d messages wait, want %d", got, count)
	}
	expired := 0
	for range tracker.Due(start.Add(24 * time.Hour)) {
		expired++
	}
	if expired != count {
		t.Errorf("%d messages expired, want %d", expired, count)
	}
}

func TestR186AFloodOfReceiptsCostsNoMemory(t *testing.T) {
	tracker := newSender(t, nil)
	tracker.send(asking(juliet, "known"))
	for _, stanza := range []string{
		`<message from='tybalt@capulet.lit/x' id='a'><received xmlns='urn:xmpp:receipts' id='guess'/></message>`,
		`<message from='tybalt@capulet.lit/x' id='a'><received xmlns='urn:xmpp:receipts' id='a&lt;b'/></message>`,
		`<message from='tybalt@capulet.lit/x' id='guess'><received xmlns='urn:xmpp:receipts'/></message>`,
		`<message from='tybalt@capulet.lit/x' type='error' id='guess'><error type='cancel'/></message>`,
		`<message from='tybalt@capulet.lit/x' id='a'><body>Peace!</body></message>`,
		`<presence from='tybalt@capulet.lit/x'/>`,
	} {
		data := []byte(stanza)
		if n := testing.AllocsPerRun(1000, func() { tracker.Receive(start, data) }); n != 0 {
			t.Errorf("%v allocations for %s", n, stanza)
		}
	}
}

func BenchmarkTrackReceive(b *testing.B) {
	for _, waiting := range []int{0, 1_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			tracker := client.NewTracker(&client.TrackerOptions{Messages: -1})
			stanzas, receipts, out := sentNumbered(), receiptNumbered(), make([]byte, 0, 512)
			now, i := start, 0
			send := func() {
				now = now.Add(time.Millisecond)
				if _, _, err := tracker.Track(now, out, stanzas.number(i)); err != nil {
					b.Fatal(err)
				}
				i++
			}
			for range waiting {
				send()
			}
			b.ReportAllocs()
			for b.Loop() {
				send()
				if !tracker.Receive(now, receipts.number(i-1-waiting)) {
					b.Fatal("a receipt is not taken")
				}
			}
		})
	}
}

func BenchmarkReceiveUnknown(b *testing.B) {
	tracker := client.NewTracker(nil)
	receipts := receiptNumbered()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if tracker.Receive(start, receipts.number(i)) {
			b.Fatal("it is taken")
		}
	}
}
