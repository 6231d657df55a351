// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package kill holds tests that kill a server under load, or its database, and count
// what is lost.
//
// The server is a process of its own, which stores first (package crashtest). The test is
// its senders and its recipients. A message counts as acknowledged when an answer has come
// to a request that was sent after it on the same stream. Whatever was acknowledged has to
// be delivered in the end, and the messages of one sender to one recipient in their order;
// what comes more than once is counted.
//
// A run is as long as -rounds says, and -seed repeats its choices, though not its timing:
//
//	go test ./internal/integration/kill -v -run Kill/SQLite -rounds 200 -timeout 1h
package kill
