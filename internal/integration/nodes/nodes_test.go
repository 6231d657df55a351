// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/internal/integration/crashtest"
)

var (
	messages = flag.Int("messages", 600, "how many messages are sent to each number of nodes")
	seed     = flag.Uint64("seed", 0, "what the choices depend on; 0: chance")
)

const (
	senders    = 8
	recipients = 6

	// eachKill is how many messages are acknowledged between the deaths of two nodes.
	eachKill = 100

	// atRest is how many messages are sent at the end, when nobody roams and no node dies.
	atRest = 48
)

// A run is a cluster with its clients.
type run struct {
	t          *testing.T
	cluster    *cluster
	ledger     *ledger
	random     *rand.Rand
	senders    []*sender
	recipients []*recipient
	kills      int
}

func newRun(t *testing.T, nodes int) *run {
	t.Helper()
	if *messages < atRest {
		t.Fatalf("-messages %d: at least %d are sent", *messages, atRest)
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	c := newCluster(t, nodes, crashtest.Job{AckWait: 300 * time.Millisecond, ProbeWait: 200 * time.Millisecond, PollEvery: 250 * time.Millisecond})
	r := &run{t: t, cluster: c, ledger: newLedger(), random: rand.New(rand.NewPCG(*seed, uint64(nodes)))}
	for i := range senders {
		r.senders = append(r.senders, &sender{number: i, node: i, cluster: c, ledger: r.ledger, random: r.newRandom()})
	}
	for i := range recipients {
		r.recipients = append(r.recipients, &recipient{number: i, cluster: c, ledger: r.ledger, random: r.newRandom()})
	}
	t.Cleanup(r.close)
	return r
}

func (r *run) newRandom() *rand.Rand { return rand.New(rand.NewPCG(r.random.Uint64(), 0)) }

func (r *run) close() {
	for _, s := range r.senders {
		s.close()
	}
	for _, one := range r.recipients {
		one.close()
	}
}

// load sends messages, while recipients roam and nodes die.
func (r *run) load() error {
	ctx, cancel := context.WithCancel(context.Background())
	var faults, roaming sync.WaitGroup
	var killErr error
	faults.Go(func() { killErr = r.killInTurn(ctx) })
	for _, one := range r.recipients {
		roaming.Go(func() { one.roam(ctx) })
	}
	err := r.sendAll(*messages - atRest)
	cancel()
	faults.Wait()
	roaming.Wait()
	return errors.Join(err, killErr)
}

// sendAll has everybody send, so many together, and returns when all is acknowledged.
func (r *run) sendAll(messages int) error {
	limit := crashtest.Patience + time.Duration(messages)*200*time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	errs := make([]error, senders)
	var sending sync.WaitGroup
	for i, s := range r.senders {
		part := messages*(i+1)/senders - messages*i/senders
		sending.Go(func() { errs[i] = s.sendAll(ctx, part, recipients) })
	}
	sending.Wait()
	return errors.Join(errs...)
}

// killInTurn kills one node after the other, each when some more messages are
// acknowledged, and starts it again after some more. In the end all live.
func (r *run) killInTurn(ctx context.Context) error {
	for number := 0; ; number = (number + 1) % len(r.cluster.nodes) {
		if r.ledger.AwaitMore(ctx, eachKill) != nil {
			return nil
		}
		complaints, err := r.cluster.kill(context.Background(), number)
		if err != nil {
			return err
		}
		logComplaints(r.t, complaints)
		r.kills++
		_ = r.ledger.AwaitMore(ctx, 1+r.random.IntN(eachKill/2)) // or all is sent
		if err := r.cluster.start(number); err != nil {
			return err
		}
	}
}

// settle has everybody log in once more, and waits until all has come: what is sent now
// reaches other nodes by the store alone.
func (r *run) settle() error {
	for _, one := range r.recipients {
		if err := one.logIn(); err != nil {
			return err
		}
	}
	if err := r.sendAll(atRest); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), crashtest.Patience)
	defer cancel()
	if err := r.ledger.AwaitAll(ctx); err != nil {
		return err
	}
	end, err := r.cluster.empty(ctx)
	if err != nil {
		return err
	}
	r.t.Logf("%d nodes, killed %d times; %s; settled at another node: %d; actions asked: %d", len(r.cluster.nodes), r.kills, r.ledger, end.Elsewhere, end.Asked)
	return r.ledger.check()
}

// TestNodes kills nodes under load, while recipients roam. Whatever was acknowledged is
// delivered, and no settled message comes again.
func TestNodes(t *testing.T) {
	for nodes := 2; nodes <= 3; nodes++ {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			r := newRun(t, nodes)
			if err := r.load(); err != nil {
				t.Fatal(err)
			}
			if err := r.settle(); err != nil {
				t.Fatalf("%v: %s", errors.Join(err, r.ledger.check()), r.ledger)
			}
		})
	}
}

// TestAReceiptElsewhereSettles has a message read on a node, while another has it on a
// stream that swallows it. The other one has nothing to do any more, whether it looks
// after the message because its deadline comes or because the stream ends.
func TestAReceiptElsewhereSettles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		ackWait time.Duration
		then    func(*crashtest.Recipient)
	}{
		{"its deadline comes", 2 * time.Second, func(*crashtest.Recipient) {}},
		{"its stream ends", time.Minute, func(r *crashtest.Recipient) { r.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, crashtest.Job{AckWait: test.ackWait, ProbeWait: 250 * time.Millisecond, PollEvery: 50 * time.Millisecond})
			settleElsewhere(t, c, test.then)
		})
	}
}

func settleElsewhere(t *testing.T, c *cluster, then func(*crashtest.Recipient)) {
	ctx, cancel := context.WithTimeout(t.Context(), crashtest.Patience)
	defer cancel()
	l, copies := newLedger(), 0
	a, b := c.node(0), c.node(1)
	dark := mustPresent(t, a, "dark", l)
	dark.Dark.Store(true)
	mustAwait(t, ctx, dark.Client) // it is bound

	s := &sender{cluster: c, ledger: l, random: rand.New(rand.NewPCG(1, 1))}
	defer s.close()
	if err := s.sendAll(ctx, 1, 1); err != nil {
		t.Fatal(err)
	}
	here := mustPresent(t, b, "phone", l)
	if err := l.Await(ctx, func() bool { return l.Read == 1 }); err != nil {
		t.Fatal(err)
	}
	if _, err := crashtest.Reach(ctx, c.state, func(s crashtest.State) bool { return s.Rows == 0 }); err != nil {
		t.Fatal(err)
	}
	then(dark)
	if _, err := c.empty(ctx); err != nil {
		t.Fatal(err)
	}
	checkNothingDone(t, ctx, a)

	mustAwait(t, ctx, here.Client)                        // what was written before is read
	mustAwait(t, ctx, mustPresent(t, a, "pad", l).Client) // and nothing waits for another stream
	if l.Look(func() { copies = l.Read }); copies != 1 {
		t.Errorf("%d copies were read, want 1", copies)
	}
}

// checkNothingDone checks what a node has done about the only message it had.
func checkNothingDone(t *testing.T, ctx context.Context, p *crashtest.Process) {
	t.Helper()
	s, err := p.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if want := (crashtest.State{Elsewhere: 1}); s != want {
		t.Errorf("the node says %+v, want %+v", s, want)
	}
}

func mustPresent(t *testing.T, p *crashtest.Process, resource string, l *ledger) *crashtest.Recipient {
	t.Helper()
	one, err := crashtest.NewRecipient(p.Address, crashtest.Juliet(0)+"/"+resource, l.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Leave)
	return one
}

func mustAwait(t *testing.T, ctx context.Context, c *crashtest.Client) {
	t.Helper()
	if _, err := c.Await(ctx, crashtest.Ping); err != nil {
		t.Fatal(err)
	}
}
