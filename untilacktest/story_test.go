// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/untilacktest"
)

const (
	juliet = "juliet@capulet.example"
	romeo  = "romeo@montague.example/orchard"
)

func TestAMessageOutlivesATunnel(t *testing.T) {
	world := untilacktest.New(t, nil)
	phone := world.Client(juliet + "/phone").LogsIn()
	phone.GoesDark()
	m := world.Send(romeo, juliet, "Art thou there?")
	world.Wait(time.Minute)
	phone.ComesBack()
	world.Wait(time.Second)
	phone.Got(m)
	world.EndsWell()
}

// A message whose row is being written when a session opens is on its way to the old one.
func TestASessionOpensWhileARowIsWritten(t *testing.T) {
	world := untilacktest.New(t, nil)
	phone := world.Client(juliet + "/phone").LogsIn()
	world.Wait(time.Second)
	world.Store().Slow(100 * time.Millisecond)
	a := world.Send(romeo, juliet, "Wherefore")
	world.Wait(50 * time.Millisecond)
	phone.GoesDark()
	tablet := world.Client(juliet + "/tablet").LogsIn()
	world.Wait(60 * time.Millisecond)
	b := world.Send(romeo, juliet, "art thou?")
	world.Wait(untilack.DefaultProbeWait + 3*time.Second)
	tablet.Got(a, b)
	if inbox := tablet.Inbox(); len(inbox) != 2 || inbox[0].ID() != a.ID() {
		t.Errorf("inbox: %v", inbox)
	}
	world.EndsWell()
}

func TestAClientMovesToAnotherNode(t *testing.T) {
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2})
	first, second := world.Node(0), world.Node(1)
	phone := world.Client(juliet + "/phone").LogsInAt(first)
	phone.Lags(200 * time.Millisecond)
	phone.Flaps(3, time.Second)
	m := world.Send(romeo, juliet, "Wherefore art thou?")
	world.Wait(10 * time.Second)
	phone.Got(m)
	if !phone.Online() || m.Shown() != 1 || world.Duplicated() != nil || m.LastSeen().Who != romeo {
		t.Errorf("%s: online %v, shown %d times, last seen %s", phone.Address(), phone.Online(), m.Shown(), m.LastSeen())
	}

	first.Crashes()
	phone.Vanishes()
	late := world.Send(romeo, juliet, "Good night")
	if lost := world.Lost(); len(lost) != 0 {
		t.Errorf("lost: %v", lost)
	}
	phone.LogsInAt(second)
	world.Wait(time.Minute)
	phone.Got(m, late)
	if first.Up() || second.Name() == first.Name() || len(second.Keeper().Waiting(juliet)) != 0 {
		t.Errorf("%s is up: %v; %s keeps %v", first.Name(), first.Up(), second.Name(), second.Keeper().Waiting(juliet))
	}
	if inbox := phone.Inbox(); len(inbox) != 2 || inbox[1].ID() != late.ID() || inbox[1].Stanza() == m.Stanza() {
		t.Errorf("inbox: %v", inbox)
	}
	first.Restarts()
	world.EndsWell()
}
