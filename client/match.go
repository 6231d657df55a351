// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

// isLike reports whether receipts for two messages with the same id can not be told apart.
func (s *Sent) isLike(other *Sent) bool {
	if s.id != other.id || !s.isFrom(other.from) {
		return false
	}
	if s.room || other.room {
		return sameAddress(s.to, other.to)
	}
	return sameBare(s.to, other.to)
}

// isFrom reports whether a message's sender is of an account, if both are known.
func (s *Sent) isFrom(from *string) bool {
	return s.from == nil || from == nil || sameBare(*s.from, *from)
}

// proves reports whether evidence that names the id of a message is to be believed.
func (t *Tracker) proves(s *Sent, e evidence) bool {
	switch {
	case e.forged, len(e.from) > maxAddress, e.old && s.state != Waiting, !s.isFrom(&e.to):
		return false
	case e.err != nil:
		return s.isAnsweredBy(e.from) || s.isServedBy(e.from) || t.isOwnServer(e.from)
	}
	return s.isAnsweredBy(e.from)
}

// isAnsweredBy reports whether an address is that which the message was sent to: any client
// of the account, but of a room this occupant alone.
func (s *Sent) isAnsweredBy(from string) bool {
	if s.room {
		return sameAddress(s.to, from)
	}
	return sameBare(s.to, from)
}

// isServedBy reports whether an address is the account that the message was sent to, or its
// server, which return what can not be delivered.
func (s *Sent) isServedBy(from string) bool {
	return sameAddress(bareOf(s.to), from) || sameAddress(domainOf(s.to), from)
}

// isOwnServer reports whether an address is one that our own server answers as: none, the
// account or the server itself.
func (t *Tracker) isOwnServer(from string) bool {
	return t.account != "" &&
		(from == "" || sameAddress(t.account, from) || sameAddress(domainOf(t.account), from))
}
