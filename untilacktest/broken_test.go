// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/receipts"
	"github.com/untilack/untilack/untilacktest"
)

// A broken store is one with a fault of its own.
type broken struct {
	*actions.MemStore
	put    func(s *actions.MemStore, rows []actions.Row) []error
	list   func(s *actions.MemStore, rows []actions.Row) []actions.Row
	delete func(s *actions.MemStore, ids []cache.Identity) error
}

func (broken) Volatile() bool { return false }

func (b broken) Put(ctx context.Context, rows ...actions.Row) []error {
	if b.put != nil {
		return b.put(b.MemStore, rows)
	}
	return b.MemStore.Put(ctx, rows...)
}

func (b broken) List(ctx context.Context, recipient string, after uint64, limit int) ([]actions.Row, error) {
	rows, err := b.MemStore.List(ctx, recipient, after, limit)
	if b.list != nil {
		rows = b.list(b.MemStore, rows)
	}
	return rows, err
}

func (b broken) Delete(ctx context.Context, ids ...cache.Identity) error {
	if b.delete != nil {
		return b.delete(b.MemStore, ids)
	}
	return b.MemStore.Delete(ctx, ids...)
}

func TestABrokenStoreIsFoundOut(t *testing.T) {
	puts := 0
	for name, store := range map[string]broken{
		"pops what it lists": {list: func(s *actions.MemStore, rows []actions.Row) []actions.Row {
			for _, r := range rows {
				_ = s.Delete(context.Background(), r.Packet.Identity())
			}
			return rows
		}},
		"forgets a row": {put: func(s *actions.MemStore, rows []actions.Row) []error {
			if puts++; puts%5 == 0 {
				return nil
			}
			return s.Put(context.Background(), rows...)
		}},
		"changes a stanza": {put: func(s *actions.MemStore, rows []actions.Row) []error {
			changed := slices.Clone(rows)
			for i := range changed {
				changed[i].Packet.Stanza = bytes.Replace(changed[i].Packet.Stanza, []byte("</body>"), []byte(" </body>"), 1)
			}
			return s.Put(context.Background(), changed...)
		}},
		"forgets when a message came": {put: func(s *actions.MemStore, rows []actions.Row) []error {
			changed := slices.Clone(rows)
			for i := range changed {
				changed[i].Packet.Received = changed[i].Packet.Received.Add(time.Second)
			}
			return s.Put(context.Background(), changed...)
		}},
		"deletes nothing": {delete: func(*actions.MemStore, []cache.Identity) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				store.MemStore = new(actions.MemStore)
				if untilacktest.RandomScript(seed).Play(func() *untilacktest.Options { return &untilacktest.Options{Store: store} }) != nil {
					return
				}
			}
			t.Error("no invariant is broken in 200 worlds")
		})
	}
}

func TestAnActionThatChangesThePacketIsFoundOut(t *testing.T) {
	options := func() *untilacktest.Options {
		return &untilacktest.Options{Config: untilack.Config{Actions: []actions.Action{
			actions.Func(func(_ context.Context, p cache.Packet) (actions.Outcome, error) {
				copy(p.Stanza[len("<message "):], "TYPE")
				return actions.Pass, nil
			}), actions.Offline{}, actions.Drop{},
		}}}
	}
	for seed := range uint64(200) {
		if untilacktest.RandomScript(seed).Play(options) != nil {
			return
		}
	}
	t.Error("no invariant is broken in 200 worlds")
}

// A careless server writes what it gets to the client's connection, and forgets.
// What else it does wrong is said by its fields.
type careless struct {
	world  *untilacktest.World
	conn   untilack.Conn
	forges bool // acknowledges for the client
	edits  bool
}

func (s *careless) Connect(_ string, conn untilack.Conn) (untilacktest.Connection, error) {
	s.conn = conn
	return deafEar{s}, nil
}

func (s *careless) Route(stanza []byte) error {
	if s.forges {
		s.world.Routed(juliet+"/phone", fmt.Appendf(nil, "<message to='%s'><received xmlns='%s' id='m1'/></message>", romeo, receipts.NS))
	}
	if s.edits {
		stanza = bytes.Replace(stanza, []byte("</body>"), []byte(" (sent by my phone)</body>"), 1)
	}
	return s.conn.Write(context.Background(), stanza)
}

type deafEar struct{ *careless }

func (deafEar) Receive([]byte)     {}
func (deafEar) Presence(bool, int) {}
func (deafEar) Close()             {}

// A witness is a testing.TB that takes note of what fails, and goes on to tell.
type witness struct {
	testing.TB
	saw string
}

func (w *witness) Helper()                           {}
func (w *witness) Fatal(args ...any)                 { w.saw = fmt.Sprint(args...); runtime.Goexit() }
func (w *witness) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// testify returns what fails in a story.
func testify(t *testing.T, tell func(tb testing.TB)) string {
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tell(w)
	}()
	<-done
	return w.saw
}

func TestACarelessServerIsFoundOut(t *testing.T) {
	for rule, server := range map[string]*careless{
		"no loss is broken":           {},
		"no forged receipt is broken": {forges: true},
		"same message is broken":      {edits: true},
	} {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				saw := testify(t, func(tb testing.TB) {
					world := untilacktest.Live(tb, nil, func(w *untilacktest.World) untilacktest.Server {
						server.world = w
						return server
					})
					phone := world.Client(juliet + "/phone").LogsIn()
					world.Send(romeo, juliet, "But soft!")
					world.Wait(time.Second)
					phone.GoesDark()
					world.Send(romeo, juliet, "What light through yonder window breaks?")
					world.Wait(time.Minute)
					phone.ComesBack()
					world.EndsWell()
				})
				if !strings.Contains(saw, rule) {
					t.Errorf("the test fails with %q, want %q", saw, rule)
				}
			})
		})
	}
}

func TestAStoryFailsWithWhatHappened(t *testing.T) {
	saw := testify(t, func(tb testing.TB) {
		world := untilacktest.New(tb, nil)
		phone := world.Client(juliet + "/phone").LogsIn()
		world.Send(romeo, juliet, "But soft!")
		world.Wait(time.Second)
		phone.Got()
	})
	for _, want := range []string{juliet + "/phone has read", "message 1 (id m1)", "want\n\tnothing", "gets a receipt"} {
		if !strings.Contains(saw, want) {
			t.Errorf("the failure lacks %q:\n%s", want, saw)
		}
	}
}
