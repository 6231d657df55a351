// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Benchmarks compares untilack's packet cache with other ways to keep packets that
// wait for a receipt.
//
//	go run ./benchmarks [flags]
//
// Each contender is under a steady load: while so many packets wait, one is put and
// another is settled, over and over; one in a hundred is never settled and stays
// until it is due. They have keys of two addresses and an id, in stanzas of 400
// bytes, to so many accounts that each has ten packets that wait, and four senders.
// Time is the harness's own, and passes so that as many packets as wait are put in
// ten seconds; what is due is asked for every ten milliseconds of it, but not more
// often than after a hundred pairs.
//
// Every figure is from a process of its own, and the contenders take turns in each
// round. Times are net of the harness, which is measured as a contender (null).
//
// A structure is measured alone first: the stanzas are there, and what a contender
// keeps of them are references, which cost nothing to make. That is how it is best for
// all but untilack, which always copies. Then all have to own what they keep, and copy
// it.
//
// Contenders that go by the machine's time are told to wait so long that they see no
// deadline pass: the harness takes away what is due, as if it was settled, which is
// cheaper than a timer that fires. How late timers are, and what many at once take, is
// measured apart from that, in the machine's time.
//
// The Erlang way, a table (ETS) and a timer for each packet, is measured too, if there
// is an erl.
package main
