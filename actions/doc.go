// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package actions decides what becomes of a packet whose receipt did not come.
//
// An [Action] looks at one packet and answers in one word: [Done], [Stored],
// [Pass] or [Again]. Actions are lined up with [Chain]; the first that does not
// pass decides. The default of a keeper is
//
//	actions.Chain(actions.Offline{Store: store}, actions.Drop{})
//
// and everything else is opted into: [Redeliver], [Bounce], [Notify],
// [DeadLetter], or an Action of one's own, for which a [Func] is enough.
//
// What the rules of XMPP allow for a message is said once, by the pure
// functions [MayStore], [MayKeep], [MayMoveTo], [MayRepeat] and [MayBounce].
//
// A [Store] is where packets sleep. [MemStore] is the reference; package
// actionstest holds the suite that every other one should pass.
//
// # Errors
//
// An error keeps the packet, and the action is tried again later: an error
// that says nothing is temporary. One that was wrapped by [Permanent] sends the
// chain on to the next action instead.
//
// The package knows no socket, no clock and no session: what has to be sent
// goes through functions that the caller gives.
package actions
