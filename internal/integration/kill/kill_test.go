// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/untilack/untilack/actions/sqlstore"
)

var (
	rounds = flag.Int("rounds", 4, "how often the server, its database or its power is taken away, in each test")
	seed   = flag.Uint64("seed", 0, "what the choices depend on; 0: chance")
)

// How many clients there are.
const (
	senders    = 6
	recipients = 6
)

// A run is a relay with its clients.
type run struct {
	t          testing.TB
	job        job
	random     *rand.Rand
	ledger     *ledger
	relay      *process
	senders    []*sender
	recipients []*recipient
	logins     int
	unordered  bool // whether messages may come in another order
	mayBreak   bool // whether the database may be broken after a fault
	outlived   bool // whether a commit may go on when the relay is dead
}

func newRun(t testing.TB, j job) *run {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	r := &run{t: t, job: j, random: rand.New(rand.NewPCG(*seed, 0)), ledger: newLedger()}
	t.Cleanup(func() {
		if r.relay != nil {
			_, _ = r.relay.kill()
		}
		r.disconnect()
	})
	return r
}

// begin starts the relay and has everybody log in.
func (r *run) begin() (err error) {
	if r.relay, err = start(r.job); err != nil {
		return err
	}
	for i := range senders {
		s, err := newSender(r.relay.address, i, r.ledger, r.random.Uint64())
		if err != nil {
			return err
		}
		r.senders = append(r.senders, s)
	}
	return r.logIn()
}

// logIn has every recipient log in, each with the resource it had or with another.
func (r *run) logIn() error {
	old := r.recipients
	r.recipients = nil
	for i := range recipients {
		resource := "phone"
		if r.random.IntN(2) == 0 {
			r.logins++
			resource = fmt.Sprint("phone-", r.logins)
		}
		one, err := newRecipient(r.relay.address, i, resource, r.ledger)
		if err != nil {
			return err
		}
		r.recipients = append(r.recipients, one)
	}
	for _, one := range old { // the dark ones are there until now
		one.close()
	}
	return nil
}

// scatter leaves some recipients online; others go, and some fall silent.
func (r *run) scatter(round int) {
	for i, one := range r.recipients {
		switch (round + i) % 3 {
		case 0:
		case 1:
			one.conn.Close()
		case 2:
			one.dark.Store(true)
		}
	}
}

// load has everybody send. The function that it returns ends that, and returns when all
// answers have come that will.
func (r *run) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, s := range r.senders {
		s.done = make(chan struct{})
		go s.sendAll(ctx, recipients)
	}
	return func() {
		cancel()
		for _, s := range r.senders {
			<-s.done
		}
	}
}

// someWork waits under load, until some messages are acknowledged and a little longer.
func (r *run) someWork() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r.ledger.mu.Lock()
	enough := r.ledger.acknowledged + r.random.IntN(150)
	r.ledger.mu.Unlock()
	_ = r.ledger.await(ctx, func() bool { return r.ledger.acknowledged >= enough }) // or time is over
	pause(r.random, 10*time.Millisecond)
}

// pause waits, under load, a part of some time.
func pause(random *rand.Rand, most time.Duration) {
	time.Sleep(time.Duration(random.Int64N(int64(most))))
}

// crash kills the relay and waits until everybody has noticed.
func (r *run) crash() error {
	complaints, err := r.relay.kill()
	r.relay = nil
	r.disconnect()
	if complaints != "" {
		r.t.Logf("the relay said: %.500s", complaints)
	}
	return err
}

func (r *run) disconnect() {
	for _, s := range r.senders {
		<-s.ended // what the relay had written is read to the end
		s.close()
	}
	for _, one := range r.recipients {
		one.close()
	}
	r.senders, r.recipients = nil, nil
}

// settle waits until all that was acknowledged has come.
func (r *run) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.ledger.await(ctx, r.ledger.allDelivered); err != nil {
		return fmt.Errorf("lost: %q", r.ledger.lost())
	}
	return r.check()
}

func (r *run) check() error {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	switch {
	case len(r.ledger.faults) > 0:
		return fmt.Errorf("%q", r.ledger.faults)
	case len(r.ledger.disorder) > 0 && !r.unordered:
		return fmt.Errorf("out of order: %q", r.ledger.disorder)
	case r.ledger.late > 0 && !r.outlived:
		return fmt.Errorf("%d messages came late", r.ledger.late)
	}
	return nil
}

// recover starts a relay, which has to deliver all that was acknowledged.
func (r *run) recover() error {
	if err := r.begin(); err != nil {
		return err
	}
	return r.settle()
}

// empty waits until the relay has nothing left, in the store or in memory.
func (r *run) empty() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		answer, err := r.senders[0].await(ctx, "<left/>")
		switch {
		case err != nil:
			return err
		case answer.Left == nil:
			return errors.New("no answer to what is left")
		case *answer.Left == left{}:
			return r.check()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("left: %+v", *answer.Left)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A target is a database to run on.
type target struct {
	name   string
	create func(t testing.TB) job
}

var targets = []target{
	{"SQLite", func(t testing.TB) job { return sqliteIn(t.TempDir(), "FULL") }},
	{"PostgreSQL", newPostgres},
}

func sqliteIn(folder, synchronous string) job {
	path := filepath.Join(folder, "mail.db")
	return job{
		Driver: "sqlite", Dialect: sqlstore.SQLite,
		Source: "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + synchronous + ")",
	}
}

// TestKill kills the server under load, again and again. Whatever was acknowledged is
// delivered by the one that is started after it.
func TestKill(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			r := newRun(t, target.create(t))
			r.outlived = r.job.Dialect == sqlstore.PostgreSQL // the server has it in hand
			for i := range *rounds {
				if err := r.killOnce(i); err != nil {
					t.Fatalf("round %d: %v", i, err)
				}
			}
			if err := r.recover(); err != nil {
				t.Fatal(err)
			}
			if err := r.empty(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d rounds, %s", *rounds, r.ledger)
		})
	}
}

// TestKillMemory checks that the test above notices what is lost: a server that keeps
// messages in memory alone loses what was on its way to those who were dark.
func TestKillMemory(t *testing.T) {
	j := targets[0].create(t)
	j.PersistAfter = -1
	r := newRun(t, j)
	r.mustLose(r.crashUnderLoad)
}

// mostRounds is how often a fault is tried that has to lose something.
const mostRounds = 50

// mustLose repeats a fault until something is lost that was acknowledged.
func (r *run) mustLose(fault func(round int) error) {
	r.t.Helper()
	for i := range mostRounds {
		switch lost, err := r.findLost(); {
		case err != nil && r.mayBreak:
			r.t.Logf("round %d: the database is broken: %v", i, err)
			return
		case err != nil:
			r.t.Fatalf("round %d: %v", i, err)
		case len(lost) > 0:
			r.t.Logf("round %d: %s", i, r.ledger)
			return
		}
		if err := fault(i); err != nil {
			r.t.Fatalf("round %d: %v", i, err)
		}
	}
	r.t.Errorf("nothing was lost in %d rounds: %s", mostRounds, r.ledger)
}

// findLost starts the relay, and returns what it does not have any more.
func (r *run) findLost() ([]string, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	err := r.empty()
	return r.ledger.lost(), err
}

// killOnce is one life of the relay.
func (r *run) killOnce(round int) error {
	if err := r.recover(); err != nil {
		return err
	}
	return r.crashUnderLoad(round)
}

// crashUnderLoad kills the relay at some moment.
func (r *run) crashUnderLoad(round int) error {
	r.scatter(round)
	stop := r.load()
	r.someWork()
	err := r.crash()
	stop()
	r.ledger.crash()
	return err
}
