// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/sqlstore"
)

const (
	persistRate       = 20_000 // messages in a second
	persistRecipients = 200
	persistSlow       = 100 // one in so many receipts does not come
)

// A prompt client answers each message at once, but for one in persistSlow.
type prompt struct {
	session *untilack.Session
	address string
	answers chan string // ids
	took    *latencies
}

// latencies are how long messages took from the host's hands to the connection.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.all = append(l.all, d)
	l.mu.Unlock()
}

// p99 returns the time that 99 of 100 did not pass.
func (l *latencies) p99() time.Duration {
	slices.Sort(l.all)
	return l.all[len(l.all)*99/100]
}

// Write implements untilack.Conn. The id of a message ends with when it was sent.
func (p *prompt) Write(_ context.Context, stanza []byte) error {
	text := string(stanza)
	if !strings.HasPrefix(text, "<message") {
		return nil
	}
	_, id, _ := strings.Cut(text, " id='")
	id, _, _ = strings.Cut(id, "'")
	var n, sent int64
	fmt.Sscanf(id, "%d-%d", &n, &sent)
	p.took.add(time.Duration(time.Now().UnixNano() - sent))
	if n%persistSlow != 0 {
		p.answers <- id
	}
	return nil
}

// End implements untilack.Conn.
func (p *prompt) End(context.Context, untilack.Reason) error { return nil }

func (p *prompt) answer() {
	for id := range p.answers {
		p.session.Receive(fmt.Appendf(nil, "<message from='%s' to='romeo@montague.example/orchard'><received xmlns='urn:xmpp:receipts' id='%s'/></message>", p.address, id))
	}
}

// BenchmarkPersistAfter offers 20,000 messages a second to a Keeper, of which 99 in 100 are
// acknowledged at once. With a store only what waits for longer than PersistAfter is
// written to it.
func BenchmarkPersistAfter(b *testing.B) {
	b.Run("no store", func(b *testing.B) { benchmarkPersist(b, untilack.Config{}) })
	for i := range databases {
		d := &databases[i]
		b.Run(d.name, func(b *testing.B) {
			db := d.newDB(b)
			db.SetMaxOpenConns(8)
			store := d.openStore(b, db, &sqlstore.Options{MaxMessages: -1, MaxBytes: -1})
			benchmarkPersist(b, untilack.Config{Store: store, PersistAfter: 200 * time.Millisecond})
		})
	}
}

func benchmarkPersist(b *testing.B, config untilack.Config) {
	config.Domain = "capulet.example"
	config.Actions = []actions.Action{actions.Drop{}}
	keeper, err := untilack.New(config)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { keeper.Run(ctx) })
	took := new(latencies)
	clients := make([]*prompt, persistRecipients)
	for i := range clients {
		p := &prompt{address: fmt.Sprintf("juliet%d@capulet.example/balcony", i), answers: make(chan string, 1024), took: took}
		if p.session, err = keeper.Attach(p.address, p, nil); err != nil {
			b.Fatal(err)
		}
		running.Go(p.answer)
		clients[i] = p
	}
	time.Sleep(time.Second) // what there was in the store is read
	took.all = took.all[:0]
	var next atomic.Int64
	body := strings.Repeat("My lord, dispatch; ", 12)
	cpu := cpuTime()
	b.ResetTimer()
	for range b.N { // a second each
		for begun := time.Now(); ; {
			due := min(int64(time.Since(begun).Seconds()*persistRate), persistRate)
			for done := next.Load() % persistRate; done < due; done++ {
				n := next.Add(1)
				p := clients[n%persistRecipients]
				bare, _, _ := strings.Cut(p.address, "/")
				stanza := fmt.Appendf(nil, "<message type='chat' from='romeo@montague.example/orchard' to='%s' id='%d-%d'><body>%s</body><request xmlns='urn:xmpp:receipts'/></message>",
					bare, n, time.Now().UnixNano(), body)
				if err := p.session.Deliver(ctx, stanza); err != nil {
					b.Fatal(err)
				}
				if n%persistRate == 0 {
					due = -1
					break
				}
			}
			if due < 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(next.Load()), "µs-CPU/message")
	b.ReportMetric(float64(took.p99().Microseconds()), "µs-p99")
	b.ReportMetric(float64(keeper.Count(untilack.Persisted))/float64(next.Load())*100, "%-stored")
	for _, p := range clients {
		p.session.Close()
		close(p.answers)
	}
	cancel()
	running.Wait()
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
