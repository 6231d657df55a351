// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/postgres"
)

// An askedStore tells when it has been asked what is new.
type askedStore struct {
	actions.Store
	asked chan struct{}
}

// News implements actions.Store.
func (s *askedStore) News(ctx context.Context, recipients []string, since string, limit int) ([]actions.Row, string, error) {
	rows, mark, err := s.Store.News(ctx, recipients, since, limit)
	s.asked <- struct{}{}
	return rows, mark, err
}

// A listener is a node that asks the store when it is told to, and next after a minute.
type listener struct {
	t       *testing.T
	db      *sql.DB
	away    *untilack.Keeper // the node at which messages come
	stream  balcony          // of their recipient
	session *untilack.Session
}

func newListener(t *testing.T) *listener {
	source, err := postgres.Need(t).NewSchema()
	if err != nil {
		t.Fatal(err)
	}
	db, store, err := openStore(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.ExecContext(t.Context(), notifyOfMail); err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t, db: db, stream: make(balcony, 8)}
	asked := make(chan struct{}, 1000)
	here := l.keeper(&askedStore{store, asked})
	l.away = l.keeper(store)
	listens := make(chan struct{}, 1000)
	l.run(func(ctx context.Context) {
		listen(ctx, source, func() {
			here.Wake(time.Now())
			listens <- struct{}{}
		})
	})
	l.expect(listens, "the first connection")
	if l.session, err = here.Attach("juliet@capulet.example/balcony", l.stream, nil); err != nil {
		t.Fatal(err)
	}
	l.expect(asked, "the first question")
	return l
}

func (l *listener) keeper(store actions.Store) *untilack.Keeper {
	k, err := untilack.New(untilack.Config{Domain: crashtest.Domain, Store: store, PollEvery: time.Minute})
	if err != nil {
		l.t.Fatal(err)
	}
	l.run(func(ctx context.Context) { _ = k.Run(ctx) })
	return k
}

// run runs f until the test ends.
func (l *listener) run(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	l.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func (l *listener) expect(happens <-chan struct{}, what string) {
	l.t.Helper()
	select {
	case <-happens:
	case <-time.After(crashtest.Patience):
		l.t.Fatalf("%s has not come in %v", what, crashtest.Patience)
	}
}

// send has a message come to the other node, and returns when it is read, and how long
// that took.
func (l *listener) send(number int) time.Duration {
	l.t.Helper()
	message := fmt.Sprintf("<message from='romeo@montague.example/orchard' to='juliet@capulet.example' type='chat' id='m%d'><body>…</body><request xmlns='urn:xmpp:receipts'/></message>", number)
	came := time.Now()
	if err := l.away.Offline(l.t.Context(), []byte(message)); err != nil {
		l.t.Fatal(err)
	}
	select {
	case <-l.stream:
	case <-time.After(crashtest.Patience):
		l.t.Fatalf("message %d has not come in %v", number, crashtest.Patience)
	}
	took := time.Since(came)
	l.session.Receive(fmt.Appendf(nil, "<message to='romeo@montague.example/orchard'><received xmlns='urn:xmpp:receipts' id='m%d'/></message>", number))
	return took
}

// TestNotify has messages reach another node as soon as PostgreSQL tells it of them.
func TestNotify(t *testing.T) {
	l := newListener(t)
	var took []time.Duration
	for i := range 11 {
		took = append(took, l.send(i))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	if t.Logf("median %v, longest %v", median, took[len(took)-1]); median > time.Second {
		t.Errorf("a message takes %v", median)
	}
}

// TestNotifyReconnects breaks the connection that listens.
func TestNotifyReconnects(t *testing.T) {
	l := newListener(t)
	l.send(0)
	cut, err := l.db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN untilack'`)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := cut.RowsAffected(); n == 0 {
		t.Fatal("nobody has listened")
	}
	for i := 1; i < 5; i++ { // the first before, while or after nobody listens; the last when somebody does
		l.send(i)
	}
}
