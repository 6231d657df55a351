// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import "mellium.im/xmpp/jid"

// Answers reports whether the Policy allows to answer a sender, by its full address. It is for
// answers other than receipts, which would show the account's presence to it just as well.
func (r *Responder) Answers(from jid.JID) bool { return r.answers(from) }
