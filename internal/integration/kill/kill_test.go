// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package kill

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/postgres"
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

func TestMain(m *testing.M) {
	crashtest.Main()
	code := m.Run()
	postgres.StopShared()
	os.Exit(code)
}

// A run is a relay with its clients.
type run struct {
	t          testing.TB
	job        crashtest.Job
	random     *rand.Rand
	ledger     *ledger
	relay      *crashtest.Process
	senders    []*sender
	recipients []*crashtest.Recipient
	logins     int
	mayBreak   bool // whether the database may be broken after a fault
}

func newRun(t testing.TB, j crashtest.Job) *run {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	r := &run{t: t, job: j, random: rand.New(rand.NewPCG(*seed, 0)), ledger: newLedger()}
	t.Cleanup(func() {
		if r.relay != nil {
			_, _ = r.relay.Kill()
		}
		r.disconnect()
	})
	return r
}

// begin starts the relay and has everybody log in.
func (r *run) begin() (err error) {
	if r.relay, err = crashtest.Start(r.job); err != nil {
		return err
	}
	for i := range senders {
		s, err := newSender(r.relay.Address, i, r.ledger, r.random.Uint64())
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
		one, err := crashtest.NewRecipient(r.relay.Address, crashtest.Juliet(i)+"/"+resource, r.ledger.Ledger)
		if err != nil {
			return err
		}
		r.recipients = append(r.recipients, one)
	}
	for _, one := range old { // the dark ones are there until now
		one.Close()
	}
	return nil
}

// scatter leaves some recipients online; others go, and some fall silent.
func (r *run) scatter(round int) {
	for i, one := range r.recipients {
		switch (round + i) % 3 {
		case 0:
		case 1:
			one.Hang()
		case 2:
			one.Dark.Store(true)
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
	_ = r.ledger.AwaitMore(ctx, r.random.IntN(150)) // or time is over
	pause(r.random, 10*time.Millisecond)
}

// pause waits, under load, a part of some time.
func pause(random *rand.Rand, most time.Duration) {
	time.Sleep(time.Duration(random.Int64N(int64(most))))
}

// crash kills the relay and waits until everybody has noticed.
func (r *run) crash() error {
	complaints, err := r.relay.Kill()
	r.relay = nil
	r.disconnect()
	if complaints != "" {
		r.t.Logf("the relay said: %.500s", complaints)
	}
	return err
}

func (r *run) disconnect() {
	for _, s := range r.senders {
		<-s.Ended // what the relay had written is read to the end
		s.Close()
	}
	for _, one := range r.recipients {
		one.Close()
	}
	r.senders, r.recipients = nil, nil
}

// settle waits until all that was acknowledged has come.
func (r *run) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), crashtest.Patience)
	defer cancel()
	if err := r.ledger.AwaitAll(ctx); err != nil {
		return err
	}
	return r.ledger.Check()
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
	ctx, cancel := context.WithTimeout(context.Background(), crashtest.Patience)
	defer cancel()
	if _, err := crashtest.Reach(ctx, r.relay.State, crashtest.State.IsEmpty); err != nil {
		return err
	}
	return r.ledger.Check()
}

// A target is a database to run on.
type target struct {
	name   string
	create func(t testing.TB) crashtest.Job
}

var targets = []target{
	{"SQLite", func(t testing.TB) crashtest.Job { return sqliteIn(t.TempDir(), "FULL") }},
	{"PostgreSQL", newPostgres},
}

func sqliteIn(folder, synchronous string) crashtest.Job {
	path := filepath.Join(folder, "mail.db")
	return newJob(sqlstore.SQLite, "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")")
}

func newPostgres(t testing.TB) crashtest.Job {
	source, err := postgres.Need(t).NewSchema()
	if err != nil {
		t.Fatal(err)
	}
	return newJob(sqlstore.PostgreSQL, source)
}

// newJob returns the job of a relay that stores first.
func newJob(d sqlstore.Dialect, source string) crashtest.Job {
	return crashtest.Job{
		Dialect: d, Source: source,
		AckWait:   500 * time.Millisecond,
		ProbeWait: 250 * time.Millisecond,
		RetryWait: 5 * time.Millisecond, // and up to a thousand times that, after many failures
	}
}

// TestKill kills the server under load, again and again. Whatever was acknowledged is
// delivered by the one that is started after it.
func TestKill(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			r := newRun(t, target.create(t))
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
	return r.ledger.Lost(), err
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
	return err
}
