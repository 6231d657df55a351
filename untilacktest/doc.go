// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package untilacktest tests message delivery, untilack's own and yours, in a
// simulated World: servers, a store, clients, links and senders, in a time of its
// own. An hour of it takes milliseconds, and the same seed gives the same events.
//
// A test tells a story:
//
//	func TestAMessageOutlivesATunnel(t *testing.T) {
//		world := untilacktest.New(t, nil)
//		phone := world.Client("juliet@capulet.example/phone").LogsIn()
//		phone.GoesDark()
//		m := world.Send("romeo@montague.example/orchard", "juliet@capulet.example", "Art thou there?")
//		world.Wait(time.Minute)
//		phone.ComesBack()
//		world.Wait(time.Second)
//		phone.Got(m)
//		world.EndsWell()
//	}
//
// After each event the World checks what must hold in all of them: no message is
// lost, none is altered or overtaken, no receipt is forged, only the recipient
// settles, nothing grows without bound. What is broken fails the test with the
// message it is about, where that was seen last, and the table of events.
//
// World.Sender has a client.Tracker follow what is sent, and Manners.Proper a
// client.Responder answer: what the one is told and the other shows is checked as well.
//
// A Store, an Action or a policy of your own goes into Options, a whole server of your
// own into Live. Explore makes up stories by chance, thousands of them, and shrinks
// one that fails to a Script of a few lines, which Script.Play plays for ever after.
//
// What one store or one action has to do by itself is checked by package
// actions/actionstest.
package untilacktest
