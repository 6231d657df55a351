// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import "sync"

// A callee is whom an effect calls, and for whom.
type callee struct {
	kind      EffectKind
	recipient string
}

// stuck counts the calls that overran their time and have not returned: nothing
// can end them, but there need not be ever more of them.
type stuck struct {
	sync.Mutex
	calls map[callee]int
	kinds map[EffectKind]int
}

func (s *stuck) add(c callee, n int) {
	s.Lock()
	defer s.Unlock()
	if s.calls == nil {
		s.calls, s.kinds = make(map[callee]int), make(map[EffectKind]int)
	}
	s.kinds[c.kind] += n
	if s.calls[c] += n; s.calls[c] == 0 {
		delete(s.calls, c)
	}
}

// has reports whether a call for this recipient has not returned, or as many of
// this kind as most.
func (s *stuck) has(c callee, most int) bool {
	s.Lock()
	defer s.Unlock()
	return s.calls[c] > 0 || s.kinds[c.kind] >= most
}
