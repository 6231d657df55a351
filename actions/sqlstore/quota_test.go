// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package sqlstore

import (
	"errors"
	"testing"

	"github.com/untilack/untilack/cache"
)

// What a transaction has put already, and a count in it sees, takes room once.
func TestCountInTransaction(t *testing.T) {
	for _, tc := range []struct {
		has  int64 // with the row that is written
		want error
	}{{6, nil}, {7, errUnusual}} {
		options := (&Options{MaxMessages: 7}).withDefaults()
		q := newQuotas(&options)
		b := &batch{options: &options, seen: make(map[identity]bool), more: make(map[string]amount)}
		for i := range 2 {
			b.add([]*entry{{id: identity{byte(i)}, identity: cache.Identity{Key: cache.Key{To: "juliet@capulet.example"}}}})
		}
		b.written = 1
		err := q.count(b, q.unknown(b.more), func(_ string, _ int, _ []any, each func(scanner) error) error {
			return each(func(into ...any) error {
				*into[0].(*string), *into[1].(*int64) = "juliet@capulet.example", tc.has
				return nil
			})
		})
		if !errors.Is(err, tc.want) {
			t.Errorf("count of %d, one of them written just now, and one more to come, with a quota of 7: got %v, want %v", tc.has, err, tc.want)
		}
	}
}
