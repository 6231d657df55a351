// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package clients has tests of client and middleware.Client as people use them: over servers
// that other people wrote, prosody and ejabberd, and with other people's clients at the far
// end, slixmpp and converse.js, or with our own. Of every message it compares what the
// sender was told became of it with what the recipient has seen, also when a link fails.
package clients
