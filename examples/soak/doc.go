// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Command soak lets many clients lose their connections for as long as one
// likes, and counts what becomes of the messages.
//
// On loopback it runs the relay of lossylink with untilack, senders on good
// connections, and clients (-clients) behind a network of their own each, a real
// TCP proxy. Over and over a network fails, at moments and in ways that depend on
// -seed: connections are reset or closed, on both sides or on one; bytes vanish,
// or nobody reads them any more, in both directions or in one; bytes arrive late,
// when the client has a newer connection; connections reach the relay after those
// that were opened later. Faults strike between any two bytes and in the middle of
// a login, too. While a network works it is slow, passes on bytes in pieces cut
// anywhere, and makes pauses as TCP does when it has lost a packet.
//
// Of ten clients seven acknowledge at once, one is slow, one acknowledges some
// seconds later on the stream it has then, and one never does. A quarter connects
// over WebSocket. Half take the same resource with each login, half another.
//
//	go run ./examples/soak                 # a minute
//	go run ./examples/soak -for 1h         # an hour
//	go run ./examples/soak -for 20s -every 4s -quiet
//	examples/soak/limited.sh -for 1h       # in 256 MiB of memory
//	examples/soak/netns.sh -for 10m        # over a loopback that loses packets
//
// After -for, or an interrupt, the faults cease, everybody comes back, and all
// that is missing has to arrive. Then it tells what was sent, lost (must be 0), came
// more than once (no more than was in flight when a stream ended), came out of
// order (for a pair of sender and client; must be 0), which receipts were forged
// (must be 0), how often clients came back and how long it took until they had
// everything, what is left waiting (must be 0), and what all this took. When
// something is wrong, what went before is shown.
//
// The books are kept by those who see it happen, on raw streams: no parser and no
// word of the cache decides whether a message has arrived. They forget a message
// some time after nothing more is to come, so that hours take no more memory than
// minutes.
//
// The exit status is 0 if all went as it should; 1 if anything above was not as it
// must be, a goroutine was left, or more memory was resident than -memory allows;
// 2 for wrong flags, or if no fault ever struck; and 3 if the soak itself broke
// down. (The go run command shows it, and exits with 1 for all of them.)
package main
