// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/examples/internal/stores"
)

const juliet = "juliet@localhost"

// open returns so many nodes with one database.
func open(t *testing.T, count int) (nodes []*Nodes) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nodes.db")
	for range count {
		store, err := stores.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		n, err := Open(t.Context(), store, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// enter has a session be at a node, one that nobody ends.
func (n *Nodes) enter(t *testing.T, address string) (id string) {
	return n.Enter(address, func() { t.Errorf("%s was ended", address) })
}

// wants checks whether a session is elsewhere.
func (n *Nodes) wants(t *testing.T, address string, want bool) {
	t.Helper()
	if is, err := n.Elsewhere(t.Context(), address); err != nil || is != want {
		t.Errorf("%s is elsewhere: %v, %v, want %v", address, is, err, want)
	}
}

// statement changes the tables behind the nodes' back.
func (n *Nodes) statement(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := n.db.ExecContext(t.Context(), n.store.In(statement), args...); err != nil {
		t.Fatal(err)
	}
}

func TestElsewhere(t *testing.T) {
	nodes := open(t, 3)
	phone := nodes[0].enter(t, juliet+"/phone")
	again := nodes[0].enter(t, juliet+"/phone") // it has come back, and its old stream ends
	nodes[0].Leave(phone)
	nodes[1].enter(t, juliet+"/tablet")
	for i, n := range nodes {
		n.wants(t, juliet+"/phone", i != 0)
		n.wants(t, juliet+"/tablet", i != 1)
		n.wants(t, juliet+"/tomb", false)
	}
	nodes[0].Leave(again)
	nodes[1].wants(t, juliet+"/phone", false)
}

// TestDead checks that the sessions of a node that does not show that it is alive are gone, and are
// there again when it does.
func TestDead(t *testing.T) {
	nodes := open(t, 2)
	alive, dead := nodes[0], nodes[1]
	dead.enter(t, juliet+"/phone")
	alive.wants(t, juliet+"/phone", true)
	alive.statement(t, `UPDATE server_nodes SET seen = #1 WHERE node = #2`, time.Now().Add(-lost-time.Second).UnixMicro(), dead.name)
	alive.wants(t, juliet+"/phone", false)
	if err := alive.show(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := alive.db.QueryRow(`SELECT COUNT(*) FROM server_sessions`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d sessions of a dead node are left, %v", left, err)
	}
	if err := dead.show(t.Context()); err != nil {
		t.Fatal(err)
	}
	alive.wants(t, juliet+"/phone", true)
	dead.write(dead.leave)
	alive.wants(t, juliet+"/phone", false)
}

// TestCorrect checks that what could not be written is made good.
func TestCorrect(t *testing.T) {
	nodes := open(t, 2)
	here, there := nodes[0], nodes[1]
	phone := here.enter(t, juliet+"/phone")
	here.enter(t, juliet+"/tablet")
	here.statement(t, `DELETE FROM server_sessions WHERE address = #1`, juliet+"/tablet")
	here.Leave(phone)
	here.statement(t, `INSERT INTO server_sessions (id, address, node, replaced) VALUES (#1, #2, #3, 0)`, phone, juliet+"/phone", here.name)
	there.wants(t, juliet+"/phone", true)
	there.wants(t, juliet+"/tablet", false)
	if err := here.show(t.Context()); err != nil {
		t.Fatal(err)
	}
	there.wants(t, juliet+"/phone", false)
	there.wants(t, juliet+"/tablet", true)
}

// TestCorrectLarge checks that a node with many sessions, of which the table has none, has them noted
// in several goes.
func TestCorrectLarge(t *testing.T) {
	here := open(t, 1)[0]
	for i := range maxCorrected + 1 {
		here.sessions[fmt.Sprint(i)] = session{address: fmt.Sprint(juliet, "/", i)}
	}
	for _, want := range []int{maxCorrected, maxCorrected + 1, 1, 0} {
		if err := here.show(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got int
		if err := here.db.QueryRow(`SELECT COUNT(*) FROM server_sessions`).Scan(&got); err != nil || got != want {
			t.Errorf("%d sessions are noted, %v, want %d", got, err, want)
		}
		if got > maxCorrected {
			clear(here.sessions)
		}
	}
}

// TestReplaced checks that a session is ended whose client has come back elsewhere, and no other.
func TestReplaced(t *testing.T) {
	nodes := open(t, 2)
	here, there := nodes[0], nodes[1]
	ended := make(chan string, 2)
	old := here.Enter(juliet+"/phone", func() { ended <- "old" })
	here.enter(t, juliet+"/tablet")
	there.Enter(juliet+"/phone", func() { ended <- "new" })
	for range 2 {
		for _, n := range nodes {
			if err := n.endReplaced(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := <-ended; got != "old" {
		t.Errorf("ended: %s", got)
	}
	here.Leave(old) // as its stream ends
	here.wants(t, juliet+"/phone", true)
	here.wants(t, juliet+"/tablet", false)
	if len(ended) > 0 {
		t.Errorf("ended: %s, too", <-ended)
	}
}

// TestDown checks that a database that does not answer is asked by nobody but look, which sees when
// it answers again, and that one to which a node can not write counts as one that answers.
func TestDown(t *testing.T) {
	nodes := open(t, 2)
	here, there := nodes[0], nodes[1]
	there.enter(t, juliet+"/phone")
	here.statement(t, `ALTER TABLE server_sessions RENAME TO away`)
	if here.look(t.Context(), false) {
		t.Error("it was shown that this node is alive, and was not due")
	}
	here.statement(t, `ALTER TABLE away RENAME TO server_sessions`)
	if _, err := here.Elsewhere(t.Context(), juliet+"/phone"); !errors.Is(err, errDown) {
		t.Errorf("while the database does not answer: got %v, want %v", err, errDown)
	}
	here.statement(t, `CREATE TRIGGER stop BEFORE INSERT ON server_nodes BEGIN SELECT RAISE(ABORT, 'no'); END`)
	if here.look(t.Context(), true) {
		t.Error("it was shown that this node is alive, and could not be written")
	}
	here.wants(t, juliet+"/phone", true)
	here.statement(t, `DROP TRIGGER stop`)
	if !here.look(t.Context(), true) {
		t.Error("it was not shown that this node is alive")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	here.look(over, false)
	here.wants(t, juliet+"/phone", true)
	if _, err := here.Elsewhere(over, juliet+"/phone"); !errors.Is(err, context.Canceled) {
		t.Errorf("when the caller has gone: got %v, want %v", err, context.Canceled)
	}
	here.wants(t, juliet+"/phone", true)
}

// TestMailIsAStore checks that a node that is alone sees the store as it is.
func TestMailIsAStore(t *testing.T) {
	alone := open(t, 1)[0]
	actionstest.TestStore(t, func(t *testing.T) actions.Store {
		return alone.Mail(actions.NewMemStore(nil))
	})
}

// row returns a row of mail for one of juliet's resources, or for all.
func row(resource, id string) actions.Row {
	p := actionstest.NewPacket(juliet, "romeo@localhost/orchard", id)
	p.Resource = resource
	return actions.NewRow(p, false)
}

// TestMail checks that mail for a session at another node is not shown until that is gone, however
// much there is of it.
func TestMail(t *testing.T) {
	nodes := open(t, 2)
	here, there := nodes[0], nodes[1]
	phone := there.enter(t, juliet+"/phone")
	here.enter(t, juliet+"/tablet")
	shared, mail := here.store, here.Mail(here.store)
	var theirs, ours []string
	put := func(r actions.Row) {
		if errs := shared.Put(t.Context(), r); errs != nil {
			t.Fatal(errs)
		}
	}
	_, mark, err := mail.News(t.Context(), []string{juliet}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		put(row("phone", fmt.Sprint("p", i)))
		theirs = append(theirs, fmt.Sprint("p", i))
	}
	for _, resource := range []string{"", "tablet", "tomb"} {
		put(row(resource, "for "+resource))
		ours = append(ours, "for "+resource)
	}
	custody := row("phone", "custody")
	custody.Custody = true
	put(custody)
	ours = append(ours, "custody")
	check(t, "listed", idsOf(mail.List(t.Context(), juliet, 0, 4)), ours)
	check(t, "listed, one", idsOf(mail.List(t.Context(), juliet, 0, 1)), ours[:1])
	check(t, "listed there", idsOf(there.Mail(there.store).List(t.Context(), juliet, 0, 1)), theirs[:1])

	rows, _, err := mail.News(t.Context(), []string{juliet}, mark, 100)
	check(t, "news", idsOf(rows, err), ours)
	rows, mark, err = mail.News(t.Context(), []string{juliet}, "", 100)
	check(t, "news from now on", idsOf(rows, err), nil)
	there.Leave(phone)
	rows, mark, err = mail.News(t.Context(), []string{juliet}, mark, 100)
	check(t, "released", idsOf(rows, err), theirs)
	rows, _, err = mail.News(t.Context(), []string{juliet}, mark, 100)
	check(t, "released again", idsOf(rows, err), nil)
}

func idsOf(rows []actions.Row, err error) (all []string) {
	for _, r := range rows {
		all = append(all, r.Packet.Key.ID)
	}
	if err != nil {
		all = append(all, err.Error())
	}
	return all
}

func check(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// TestForward checks what becomes mail for a session at another node.
func TestForward(t *testing.T) {
	nodes := open(t, 2)
	here, there := nodes[0], nodes[1]
	there.enter(t, juliet+"/phone")
	here.enter(t, juliet+"/tablet")
	shared := here.store
	forward := here.Forward(shared)
	for name, test := range map[string]struct {
		resource string
		marks    cache.Marks
		want     bool
	}{
		"there":          {"phone", 0, true},
		"a chat":         {"phone", cache.Chat, true},
		"here":           {"tablet", 0, false},
		"gone":           {"tomb", 0, false},
		"bare":           {"", 0, false},
		"read there":     {"phone", cache.Read, false},
		"not for a disk": {"phone", cache.Volatile, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := actionstest.NewPacket(juliet, "romeo@localhost/orchard", name)
			p.Resource, p.Marks = test.resource, test.marks
			outcome, err := forward.Act(t.Context(), p)
			stands, _ := shared.Stands(t.Context(), p.Identity())
			if err != nil || outcome.IsStored() != test.want || outcome.IsPass() == test.want || stands[0] != test.want {
				t.Errorf("got %v, %v, its row stands: %v; want stored %v", outcome, err, stands, test.want)
			}
		})
	}
	store := actionstest.NewFaultyStore(shared)
	store.Set(actionstest.Fault{Op: actionstest.Put, Err: actions.ErrFull})
	p := row("phone", "no room").Packet
	if outcome, err := here.Forward(store).Act(t.Context(), p); !errors.Is(err, actions.ErrFull) || !outcome.IsPass() {
		t.Errorf("got %v, %v, want %v", outcome, err, actions.ErrFull)
	}
}
