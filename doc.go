// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package untilack keeps every message until it is acknowledged.
//
// Over mobile networks TCP and XMPP lose messages: what a server has written
// into the socket of a phone in a tunnel is gone, and nobody is told. A Keeper
// sits at the recipient's server. It keeps each message that asks for a receipt
// (XEP-0184), waits for the recipient's <received/>, and if none comes in time,
// or the stream dies, has actions decide what becomes of it: store it offline,
// redeliver, bounce, drop, or whatever one writes. Clients stay as they are.
//
//	recipient's stream, going out            recipient's stream, coming in
//	         │ message                                │ receipt
//	         ▼                                        ▼
//	  Session.Deliver ──▶ cache.Put            Session.Receive ──▶ cache.Settle
//	         │                                        │
//	         ▼ untouched                              ▼ untouched
//	  Conn.Write                                the host's router, to the sender
//
//	  time ──▶ Keeper.Run ──▶ cache.Due ──▶ probe the stream: alive? wait on
//	                                                        dead? redeliver
//	                                                              or act
//
// A host tells the Keeper when a client has bound its resource (Keeper.Attach),
// what it is about to send to it (Session.Deliver), what came in from it
// (Session.Receive), when its stream has ended (Session.Close), and which
// messages came while nobody was online (Keeper.Offline). A server on
// mellium.im/xmpp wraps its sessions by package middleware instead. The Keeper
// knows bytes and addresses alone, no socket and no type of anybody's XML.
//
// # What it promises
//
// Delivery is at least once: a message may come twice, with the same id and a
// delay stamp (XEP-0203), if its receipt was lost. A receipt says that a client
// received the message (XEP-0184 §4), not that anybody saw it. Silence proves
// nothing: so nothing is resent on a live stream, a client that is not known to
// acknowledge is done with a message once it has shown to have read past it,
// and no sender is told of a failure by default.
//
// What waits in memory is lost in a crash, unless Config.Store outlives the
// process and Config.PersistAfter is not negative.
package untilack // import "github.com/untilack/untilack"
