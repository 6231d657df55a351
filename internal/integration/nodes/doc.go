// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package nodes holds tests of several servers on one PostgreSQL: each is a process of its
// own, and all that they know of one another is in the database.
//
// A message may come to any node. If its recipient has no stream there it is kept in the
// store, and the node where the recipient is finds it. Recipients roam: they log in here
// and there, with one resource or another, and leave streams behind that swallow what is
// written to them. A node at a time is killed and started again.
//
// A message counts as acknowledged when an answer has come to a request that was sent after
// it on the same stream. A sender whose node has died sends what was not answered to
// another one, with the same ids. Whatever was acknowledged has to be delivered in the end.
// A second copy must have a cause: its message was sent again, or the receipt for the first
// one was still on its way. The long run:
//
//	go test ./internal/integration/nodes -v -run Nodes -messages 10000 -timeout 1h
package nodes
