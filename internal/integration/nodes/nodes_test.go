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

	// patience is how long the tests wait for what has to come.
	patience = 30 * time.Second
)

// newCluster starts some nodes on a new database.
func newCluster(t *testing.T, nodes int, j job) *cluster {
	t.Helper()
	var err error
	if j.Source, err = newSource(); err != nil {
		t.Fatal(err)
	}
	c := &cluster{job: j, nodes: make([]*process, nodes)}
	t.Cleanup(func() { c.stop(t) })
	for i := range nodes {
		if err := c.start(i); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// stop ends all nodes.
func (c *cluster) stop(t *testing.T) {
	for _, p := range c.nodes {
		if p == nil {
			continue
		}
		complaints, err := p.kill()
		if err != nil {
			t.Error(err)
		}
		logComplaints(t, complaints)
	}
}

func logComplaints(t *testing.T, complaints string) {
	if complaints != "" {
		t.Logf("a node said: %.500s", complaints)
	}
}

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
	c := newCluster(t, nodes, job{AckWait: 300 * time.Millisecond, ProbeWait: 200 * time.Millisecond, PollEvery: 250 * time.Millisecond})
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
	limit := patience + time.Duration(messages)*200*time.Millisecond
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
		if r.work(ctx, eachKill) != nil {
			return nil
		}
		complaints, err := r.cluster.kill(context.Background(), number)
		if err != nil {
			return err
		}
		logComplaints(r.t, complaints)
		r.kills++
		_ = r.work(ctx, 1+r.random.IntN(eachKill/2)) // or all is sent
		if err := r.cluster.start(number); err != nil {
			return err
		}
	}
}

// work waits until so many more messages are acknowledged.
func (r *run) work(ctx context.Context, more int) error {
	r.ledger.mu.Lock()
	enough := r.ledger.acknowledged + more
	r.ledger.mu.Unlock()
	return r.ledger.await(ctx, func() bool { return r.ledger.acknowledged >= enough })
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.ledger.await(ctx, r.ledger.allDelivered); err != nil {
		return fmt.Errorf("lost: %q", r.ledger.lost())
	}
	end, err := r.cluster.empty(ctx)
	if err != nil {
		return err
	}
	r.t.Logf("%d nodes, killed %d times; %s; settled at another node: %d; actions asked: %d", len(r.cluster.nodes), r.kills, r.ledger, end.Elsewhere, end.Asked)
	return r.ledger.check()
}

// empty waits until nothing is left, in the store or at any node.
func (c *cluster) empty(ctx context.Context) (state, error) {
	return c.reach(ctx, func(s state) bool { return s.Rows == 0 && s.Packets == 0 })
}

// reach waits until what all nodes have is as it should be.
func (c *cluster) reach(ctx context.Context, condition func(state) bool) (state, error) {
	for {
		s, err := c.state(ctx)
		if err != nil || condition(s) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%w: the nodes have %+v", context.Cause(ctx), s)
		case <-time.After(10 * time.Millisecond):
		}
	}
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
		then    func(*presence)
	}{
		{"its deadline comes", 2 * time.Second, func(*presence) {}},
		{"its stream ends", time.Minute, func(p *presence) { p.close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, job{AckWait: test.ackWait, ProbeWait: 250 * time.Millisecond, PollEvery: 50 * time.Millisecond})
			settleElsewhere(t, c, test.then)
		})
	}
}

func settleElsewhere(t *testing.T, c *cluster, then func(*presence)) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l := newLedger()
	a, b := c.node(0), c.node(1)
	dark := mustPresent(t, a, "dark", l)
	dark.dark.Store(true)
	mustAwait(t, ctx, dark.client) // it is bound

	s := &sender{cluster: c, ledger: l, random: rand.New(rand.NewPCG(1, 1))}
	defer s.close()
	if err := s.sendAll(ctx, 1, 1); err != nil {
		t.Fatal(err)
	}
	const id = "0-0-1"
	here := mustPresent(t, b, "phone", l)
	if err := l.await(ctx, func() bool { return len(l.messages[id].copies) == 1 }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.reach(ctx, func(s state) bool { return s.Rows == 0 }); err != nil {
		t.Fatal(err)
	}
	then(dark)
	if _, err := c.empty(ctx); err != nil {
		t.Fatal(err)
	}
	checkNothingDone(t, ctx, a)

	mustAwait(t, ctx, here.client)                        // what was written before is read
	mustAwait(t, ctx, mustPresent(t, a, "pad", l).client) // and nothing waits for another stream
	if copies := l.copiesOf(id); copies != 1 {
		t.Errorf("%d copies were read", copies)
	}
}

// checkNothingDone checks what a node has done about the only message it had.
func checkNothingDone(t *testing.T, ctx context.Context, p *process) {
	t.Helper()
	s, err := p.state(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if want := (state{Elsewhere: 1}); s != want {
		t.Errorf("the node says %+v, want %+v", s, want)
	}
}

func mustPresent(t *testing.T, p *process, resource string, l *ledger) *presence {
	t.Helper()
	one, err := present(p.address, juliet(0)+"/"+resource, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.leave)
	return one
}

func mustAwait(t *testing.T, ctx context.Context, c *client) {
	t.Helper()
	if _, err := c.await(ctx, ping); err != nil {
		t.Fatal(err)
	}
}
