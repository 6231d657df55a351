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

const benvolio = "benvolio@montague.example/inn"

// shared is the configuration of nodes that share a store.
func shared() untilack.Config { return untilack.Config{PollEvery: 250 * time.Millisecond} }

// apart returns a World of so many nodes that do not know each other.
func apart(t *testing.T, nodes int) *untilacktest.World {
	return untilacktest.New(t, &untilacktest.Options{Nodes: nodes, Apart: true, Config: shared()})
}

// A message reaches a session at another node by the store alone, within PollEvery.
func TestAMessageReachesAnotherNode(t *testing.T) {
	for at := range 2 {
		world := apart(t, 2)
		phone := world.Client(juliet + "/phone").LogsInAt(world.Node(at))
		world.Wait(time.Second)
		var sent []*untilacktest.Message
		for range 20 {
			for _, from := range []string{romeo, benvolio} {
				sent = append(sent, world.Send(from, juliet, "Good night"))
			}
			world.Wait(10 * time.Millisecond)
		}
		world.Wait(500 * time.Millisecond)
		phone.Got(sent...)
		if world.Duplicated() != nil {
			t.Errorf("at node %d: duplicated: %v", at, world.Duplicated())
		}
		world.EndsWell()
	}
}

// A receipt at one node stops the timers of another: nothing is done about the message
// there, and nobody gets it again.
func TestAReceiptAtAnotherNodeSettles(t *testing.T) {
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2, Config: shared()})
	first, second := world.Node(0), world.Node(1)
	phone := world.Client(juliet + "/phone").LogsInAt(first)
	phone.GoesDark()
	m := world.Send(romeo, juliet, "Art thou there?")
	world.Wait(time.Second)
	phone.Vanishes()
	phone.LogsInAt(second)
	world.Wait(time.Second)
	phone.Got(m)
	world.Wait(2 * time.Minute) // the first node finds its stream dead
	if n := first.Keeper().Count(untilack.Elsewhere); n != 1 {
		t.Errorf("%s has settled %d messages elsewhere, want 1", first.Name(), n)
	}
	if acted := first.Keeper().Count(untilack.Acted); acted != 0 {
		t.Errorf("%s has acted on %d messages", first.Name(), acted)
	}
	if world.Duplicated() != nil || m.Shown() != 1 {
		t.Errorf("shown %d times, duplicated: %v", m.Shown(), world.Duplicated())
	}
	world.EndsWell()
}

// What a node makes mail of is found by another one where the recipient is.
func TestMailOfADeadStreamReachesAnotherNode(t *testing.T) {
	world := apart(t, 2)
	phone := world.Client(juliet + "/phone").LogsInAt(world.Node(0))
	tablet := world.Client(juliet + "/tablet").LogsInAt(world.Node(1))
	world.Wait(time.Second)
	phone.GoesDark()
	tablet.GoesDark()
	a, b := world.Send(romeo, juliet, "Art thou there?"), world.Send(benvolio, juliet, "Romeo!")
	world.Wait(time.Second)
	tablet.Resurfaces()
	world.Wait(2 * time.Minute)
	tablet.Got(a, b)
	world.EndsWell()
}

// What one node has on its way is no other's business.
func TestCustodyIsOfOneNode(t *testing.T) {
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2, Config: shared()})
	tablet := world.Client(juliet + "/tablet").LogsInAt(world.Node(1))
	phone := world.Client(juliet + "/phone").LogsInAt(world.Node(0))
	phone.SetsPresence(1)
	phone.Behaves(untilacktest.Manners{Delay: 3 * time.Second})
	world.Wait(time.Second)
	m := world.Send(romeo, juliet, "Good night")
	world.Wait(2 * time.Second)
	if phone.Got(m); len(tablet.Inbox()) != 0 {
		t.Errorf("the tablet has %v", tablet.Inbox())
	}
	world.EndsWell()
}

// A node that crashes loses nothing, and nobody waits for it.
func TestANodeThatCrashesIsNotMissed(t *testing.T) {
	world := apart(t, 3)
	phone := world.Client(juliet + "/phone").LogsInAt(world.Node(0))
	phone.GoesDark()
	var sent []*untilacktest.Message
	for range 10 {
		sent = append(sent, world.Send(romeo, juliet, "Good night"), world.Send(benvolio, juliet, "Romeo!"))
	}
	world.Wait(time.Second)
	for n := range 2 {
		world.Node(n).Crashes()
	}
	phone.LogsInAt(world.Node(2))
	world.Wait(time.Second)
	phone.Got(sent...)
	world.EndsWell()
}

// What was read here and acknowledged elsewhere is not stored again when its stream ends at
// last, though the store has forgotten by then that it was deleted.
func TestWhatWasAcknowledgedElsewhereLongAgoStaysAway(t *testing.T) {
	config := shared()
	config.Capable = func(string) bool { return true }
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2, Config: config})
	phone := world.Client(juliet + "/phone").LogsInAt(world.Node(0))
	phone.Behaves(untilacktest.Manners{Delay: 2 * time.Hour})
	m := world.Send(romeo, juliet, "Art thou there?")
	world.Wait(2 * time.Minute)
	tablet := world.Client(juliet + "/tablet").LogsInAt(world.Node(1))
	world.Wait(10 * time.Second)
	tablet.Got(m)
	world.Wait(30 * time.Minute)
	nurse := world.Client("nurse@capulet.example/chamber").LogsInAt(world.Node(1))
	world.Send(romeo, "nurse@capulet.example", "Madam!") // so that the store forgets
	world.Wait(10 * time.Minute)
	nurse.LogsOut()
	phone.Disconnects()
	tablet.LogsOut()
	world.Wait(10 * time.Second)
	laptop := world.Client(juliet + "/laptop").LogsInAt(world.Node(1))
	world.Wait(10 * time.Second)
	if len(laptop.Inbox()) != 0 || world.Node(0).Keeper().Count(untilack.Elsewhere) != 1 {
		t.Errorf("the laptop has %v, settled elsewhere %d", laptop.Inbox(), world.Node(0).Keeper().Count(untilack.Elsewhere))
	}
	world.EndsWell()
}

// A client that comes back is not given what it has acknowledged at another node meanwhile.
func TestAClientThatComesBackGetsNothingTwice(t *testing.T) {
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2, Config: shared()})
	first, second := world.Node(0), world.Node(1)
	phone := world.Client(juliet + "/phone").LogsInAt(first)
	phone.GoesDark()
	here, there := world.Send(romeo, juliet, "Art thou there?"), world.Send(benvolio, juliet, "Romeo!")
	world.Wait(time.Second)
	phone.Vanishes()
	phone.LogsInAt(second)
	world.Wait(5 * time.Second)
	phone.Got(here, there)
	phone.LogsOut()
	phone.LogsInAt(first)
	world.Wait(5 * time.Second)
	if copies := len(phone.Inbox()); copies != 2 || first.Keeper().Count(untilack.Elsewhere) != 2 {
		t.Errorf("the phone has %d copies, settled elsewhere %d, want 2 and 2", copies, first.Keeper().Count(untilack.Elsewhere))
	}
	world.EndsWell()
}

// Wake has the store asked at once.
func TestWake(t *testing.T) {
	config := shared()
	config.PollEvery = time.Hour
	world := untilacktest.New(t, &untilacktest.Options{Nodes: 2, Apart: true, Config: config})
	for n := range 2 {
		world.Client(juliet + "/" + world.Node(n).Name()).LogsInAt(world.Node(n)).SetsPresence(-1)
	}
	phone := world.Client("nurse@capulet.example/phone")
	phone.LogsInAt(world.Node(0))
	world.Wait(time.Second)
	m := world.Send(romeo, "nurse@capulet.example", "Madam!")
	other := world.Send(benvolio, "nurse@capulet.example", "Madam!")
	world.Wait(time.Second)
	world.Node(0).Wakes()
	world.Wait(time.Second)
	phone.Got(m, other)
	world.EndsWell()
}
