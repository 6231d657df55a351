// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package cache

// An account is what waits for one recipient.
type account struct {
	oldest, newest *entry // a list in order of Put
	packets        int
	bytes          int64
}

// account returns the state of a recipient, and makes one that is kept only if a
// packet joins it.
func (s *shard) account(recipient string) *account {
	if a := s.accounts[recipient]; a != nil {
		return a
	}
	return new(account)
}

// join adds e to an account.
func (s *shard) join(a *account, e *entry) {
	if a.packets == 0 {
		s.accounts[e.packet.Key.To] = a
		a.oldest = e
	} else {
		e.older, a.newest.newer = a.newest, e
	}
	a.newest = e
	a.packets++
	a.bytes += int64(len(e.packet.Stanza))
	s.pairs[e.pair]++
	e.account = a
}

// leave takes e out of its account, and forgets an account that is empty.
func (s *shard) leave(e *entry) {
	a := e.account
	if e.older == nil {
		a.oldest = e.newer
	} else {
		e.older.newer = e.newer
	}
	if e.newer == nil {
		a.newest = e.older
	} else {
		e.newer.older = e.older
	}
	e.account, e.older, e.newer = nil, nil, nil
	a.packets--
	a.bytes -= int64(len(e.packet.Stanza))
	if s.pairs[e.pair]--; s.pairs[e.pair] == 0 {
		delete(s.pairs, e.pair)
	}
	if a.packets == 0 {
		delete(s.accounts, e.packet.Key.To)
	}
}
