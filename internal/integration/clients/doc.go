// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package clients has tests of client and middleware.Client as people use them: over servers
// that other people wrote, prosody and ejabberd, and with other people's clients at the far
// end, slixmpp and converse.js, or with our own. Of every message it compares what the
// sender was told became of it with what the recipient has seen, also when a link fails.
//
// What has to hold for each message: it is delivered if the sender has read a receipt for it
// in time, and only then; what is delivered was shown; what was not written was not; and what is sent
// once more, because nothing is known of it, our recipients show once. How many messages go
// each way is -messages:
//
//	go test ./internal/integration/clients -v -messages 1000
package clients
