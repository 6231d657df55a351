// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
	"github.com/untilack/untilack/untilacktest"
)

// A test gives itself to New; an example has none.
var t testing.TB

func ExampleNew() {
	world := untilacktest.New(t, nil)
	phone := world.Client("juliet@capulet.example/phone").LogsIn()
	phone.GoesDark()
	m := world.Send("romeo@montague.example/orchard", "juliet@capulet.example", "Art thou there?")
	world.Wait(time.Minute)
	fmt.Println("read", m.Read(), "times;", m.Actions())
	phone.ComesBack()
	world.Wait(time.Second)
	fmt.Println("read", m.Read(), "times, receipts", m.Receipts())
	world.EndsWell()
	// Output:
	// read 0 times; [Offline: stored]
	// read 1 times, receipts 1
}

// An action of one's own is put into the chain; who acted is told by the message.
func ExampleOptions() {
	world := untilacktest.New(t, &untilacktest.Options{Config: untilack.Config{
		AckWait: 10 * time.Second,
		Actions: []actions.Action{
			&actions.Notify{Func: ring},
			actions.Offline{},
			actions.Drop{},
		},
	}})
	phone := world.Client("juliet@capulet.example/phone").LogsIn()
	phone.Vanishes()
	m := world.Send("romeo@montague.example/orchard", "juliet@capulet.example", "Art thou there?")
	world.Wait(20 * time.Second)
	fmt.Println(m.Actions())
	// Output:
	// the phone of juliet@capulet.example rings
	// [Notify: pass Offline: stored]
}

// Everything that Store can do wrong, happens.
func ExampleStore() {
	world := untilacktest.New(t, nil)
	world.Store().GoesDown()
	phone := world.Client("juliet@capulet.example/phone").LogsIn()
	m := world.Send("romeo@montague.example/orchard", "juliet@capulet.example", "Art thou there?")
	world.Wait(time.Second)
	phone.Got(m)
	fmt.Println("delivered all the same, receipts", m.Receipts())
	// Output:
	// delivered all the same, receipts 1
}

// What Explore has found is kept as a text, and played again.
func ExampleScript() {
	script, err := untilacktest.ParseScript(`
	   world  seed=1 window=2
	      0s  juliet@capulet.example/phone    logs in
	      1s  juliet@capulet.example/phone    goes dark
	      2s  romeo@montague.example/orchard  sends            chat to juliet@capulet.example
	     40s  node1                           crashes
	     50s  node1                           restarts
	     60s  juliet@capulet.example/phone    comes back
	`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(script.Play(nil))
	// Output:
	// <nil>
}

func ring(_ context.Context, p cache.Packet) error {
	fmt.Println("the phone of", p.Key.To, "rings")
	return nil
}
