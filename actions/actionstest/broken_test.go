// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
	"github.com/untilack/untilack/cache"
)

// A broken store does one thing wrong: a field that is set takes the place of
// the method.
type broken struct {
	*actions.MemStore
	put    func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error
	list   func(s *actions.MemStore, ctx context.Context, recipient string, after uint64, limit int) ([]actions.Row, error)
	delete func(s *actions.MemStore, ctx context.Context, ids []cache.Identity) error
	stands func(s *actions.MemStore, ctx context.Context, ids []cache.Identity) ([]bool, error)
	news   func(s *actions.MemStore, ctx context.Context, recipients []string, since string, limit int) ([]actions.Row, string, error)
}

func (b broken) Put(ctx context.Context, rows ...actions.Row) []error {
	if b.put == nil {
		return b.MemStore.Put(ctx, rows...)
	}
	return b.put(b.MemStore, ctx, rows)
}

func (b broken) List(ctx context.Context, recipient string, after uint64, limit int) ([]actions.Row, error) {
	if b.list == nil {
		return b.MemStore.List(ctx, recipient, after, limit)
	}
	return b.list(b.MemStore, ctx, recipient, after, limit)
}

func (b broken) Delete(ctx context.Context, ids ...cache.Identity) error {
	if b.delete == nil {
		return b.MemStore.Delete(ctx, ids...)
	}
	return b.delete(b.MemStore, ctx, ids)
}

func (b broken) Stands(ctx context.Context, ids ...cache.Identity) ([]bool, error) {
	if b.stands == nil {
		return b.MemStore.Stands(ctx, ids...)
	}
	return b.stands(b.MemStore, ctx, ids)
}

func (b broken) News(ctx context.Context, recipients []string, since string, limit int) ([]actions.Row, string, error) {
	if b.news == nil {
		return b.MemStore.News(ctx, recipients, since, limit)
	}
	return b.news(b.MemStore, ctx, recipients, since, limit)
}

// alter puts rows after f has changed them.
func alter(f func(r *actions.Row)) broken {
	return broken{put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
		rows = slices.Clone(rows)
		for i := range rows {
			f(&rows[i])
		}
		return s.Put(ctx, rows...)
	}}
}

// relist lists rows after f has changed them.
func relist(f func(rows []actions.Row) []actions.Row) broken {
	return broken{list: func(s *actions.MemStore, ctx context.Context, to string, after uint64, limit int) ([]actions.Row, error) {
		rows, err := s.List(ctx, to, after, limit)
		return f(rows), err
	}}
}

func identity(r actions.Row) cache.Identity { return r.Packet.Identity() }

// Each broken store, and a case that must find it out.
var brokenStores = map[string]struct {
	store func() broken
	found string
}{
	"list pops": {found: "list never removes", store: func() broken {
		return broken{list: func(s *actions.MemStore, ctx context.Context, to string, after uint64, limit int) ([]actions.Row, error) {
			rows, err := s.List(ctx, to, after, limit)
			for _, r := range rows {
				s.Delete(ctx, identity(r))
			}
			return rows, err
		}}
	}},
	"list forgets the order": {found: "order of the first puts", store: func() broken {
		return relist(func(rows []actions.Row) []actions.Row { slices.Reverse(rows); return rows })
	}},
	"list sorts by reception": {found: "order of the first puts", store: func() broken {
		return relist(func(rows []actions.Row) []actions.Row {
			slices.SortFunc(rows, func(a, b actions.Row) int { return a.Packet.Received.Compare(b.Packet.Received) })
			return rows
		})
	}},
	"list leaves expired rows out": {found: "expired rows", store: func() broken {
		return relist(func(rows []actions.Row) []actions.Row {
			return slices.DeleteFunc(rows, func(r actions.Row) bool { return !r.Packet.Expires.IsZero() })
		})
	}},
	"list ignores the limit": {found: "reads on after a number", store: func() broken {
		return broken{list: func(s *actions.MemStore, ctx context.Context, to string, after uint64, _ int) ([]actions.Row, error) {
			return s.List(ctx, to, after, 10_000)
		}}
	}},
	"list ignores the case of names": {found: "kept apart", store: func() broken {
		lower := alter(func(r *actions.Row) { r.Packet.Key.To = strings.ToLower(r.Packet.Key.To) })
		lower.list = func(s *actions.MemStore, ctx context.Context, to string, after uint64, limit int) ([]actions.Row, error) {
			return s.List(ctx, strings.ToLower(to), after, limit)
		}
		return lower
	}},
	"put appends each time": {found: "a packet is put once", store: func() broken {
		return broken{put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
			for _, r := range rows {
				s.Delete(ctx, identity(r))
				r.Packet.Received = time.Now().Add(time.Hour)
				s.Put(ctx, r)
			}
			return nil
		}}
	}},
	"put says nothing of errors": {found: "ended context", store: func() broken {
		return broken{put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
			s.Put(ctx, rows...)
			return nil
		}}
	}},
	"put returns one error for many rows": {found: "many rows in one put", store: func() broken {
		return broken{put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
			s.Put(ctx, rows...)
			return []error{nil}
		}}
	}},
	"the sum is left out": {found: "differ in every part", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Sum = 0 })
	}},
	"the sum is signed": {found: "odd values", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Sum &= 1<<63 - 1 })
	}},
	"ids are cut": {found: "odd values", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Key.ID = r.Packet.Key.ID[:min(255, len(r.Packet.Key.ID))] })
	}},
	"times are cut to seconds": {found: "as it was put", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Expires = r.Packet.Expires.Truncate(time.Hour) })
	}},
	"a zero time becomes 1970": {found: "as they were put", store: func() broken {
		return relist(func(rows []actions.Row) []actions.Row {
			for i := range rows {
				if p := &rows[i].Packet; p.Received.IsZero() {
					p.Received = time.Unix(0, 0)
				}
			}
			return rows
		})
	}},
	"attempts are left out": {found: "adds what is known", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Attempt = 0 })
	}},
	"custody is never upgraded": {found: "custody becomes mail", store: func() broken {
		return alter(func(r *actions.Row) { r.Custody = true })
	}},
	"bytes are shared": {found: "owns its bytes", store: shared},
	"delete empties the box": {found: "removes what was named", store: func() broken {
		return broken{delete: func(s *actions.MemStore, ctx context.Context, ids []cache.Identity) error {
			for _, id := range ids {
				if _, err := actions.Purge(ctx, s, id.To, nil); err != nil {
					return err
				}
			}
			return nil
		}}
	}},
	"delete fails for what is absent": {found: "removes what was named", store: func() broken {
		return broken{delete: func(s *actions.MemStore, ctx context.Context, ids []cache.Identity) error {
			stands, _ := s.Stands(ctx, ids...)
			if slices.Contains(stands, false) {
				return errors.New("no such row")
			}
			return s.Delete(ctx, ids...)
		}}
	}},
	"delete remembers nothing": {found: "too late", store: func() broken {
		return alter(func(r *actions.Row) {
			r.Packet.Received = r.Packet.Received.Add(time.Hour)
		})
	}},
	"delete remembers for ever": {found: "sent once more", store: func() broken {
		return alter(func(r *actions.Row) { r.Packet.Received = time.Time{} })
	}},
	"numbers begin anew": {found: "never given twice", store: func() broken {
		return relist(func(rows []actions.Row) []actions.Row {
			for i := range rows {
				rows[i].Number = uint64(i + 1)
			}
			return rows
		})
	}},
	"stands answers for all at once": {found: "answers in order", store: func() broken {
		return broken{stands: func(s *actions.MemStore, ctx context.Context, ids []cache.Identity) ([]bool, error) {
			stands, err := s.Stands(ctx, ids...)
			slices.SortFunc(stands, func(a, b bool) int {
				if a == b {
					return 0
				} else if a {
					return -1
				}
				return 1
			})
			return stands, err
		}}
	}},
	"news begins at the beginning": {found: "news begins now", store: func() broken {
		return broken{news: func(s *actions.MemStore, ctx context.Context, to []string, since string, limit int) ([]actions.Row, string, error) {
			if since == "" {
				since = "0"
			}
			return s.News(ctx, to, since, limit)
		}}
	}},
	"news never moves its mark": {found: "news tells of new rows", store: func() broken {
		return broken{news: func(s *actions.MemStore, ctx context.Context, to []string, since string, limit int) ([]actions.Row, string, error) {
			rows, mark, err := s.News(ctx, to, since, limit)
			if since != "" {
				mark = since
			}
			return rows, mark, err
		}}
	}},
	"news knows numbers only": {found: "what became mail", store: func() broken {
		return broken{news: func(s *actions.MemStore, ctx context.Context, to []string, since string, limit int) ([]actions.Row, string, error) {
			rows, mark, err := s.News(ctx, to, since, limit)
			return slices.DeleteFunc(rows, func(r actions.Row) bool { return !r.Custody }), mark, err
		}}
	}},
	"news skips beyond the limit": {found: "news comes in pages", store: func() broken {
		return broken{news: func(s *actions.MemStore, ctx context.Context, to []string, since string, limit int) ([]actions.Row, string, error) {
			rows, mark, err := s.News(ctx, to, since, 0)
			return rows[:min(len(rows), max(limit, 1))], mark, err
		}}
	}},
	"news takes any mark": {found: "a mark that it never gave", store: func() broken {
		return broken{news: func(s *actions.MemStore, ctx context.Context, to []string, since string, limit int) ([]actions.Row, string, error) {
			rows, mark, err := s.News(ctx, to, since, limit)
			if errors.Is(err, actions.ErrMark) {
				return s.News(ctx, to, "", limit)
			}
			return rows, mark, err
		}}
	}},
	"rows become visible out of order": {found: "a reader of the list", store: outOfOrder},
	"a panic": {found: "panic", store: func() broken {
		return broken{stands: func(*actions.MemStore, context.Context, []cache.Identity) ([]bool, error) {
			panic("no stands")
		}}
	}},
}

// shared is a store that keeps and gives the caller's own bytes.
func shared() broken {
	var mu sync.Mutex
	stanzas := make(map[cache.Identity][]byte)
	b := relist(func(rows []actions.Row) []actions.Row {
		mu.Lock()
		defer mu.Unlock()
		for i, r := range rows {
			rows[i].Packet.Stanza = stanzas[identity(r)]
		}
		return rows
	})
	b.put = func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range rows {
			if _, ok := stanzas[identity(r)]; !ok {
				stanzas[identity(r)] = r.Packet.Stanza
			}
		}
		return s.Put(ctx, rows...)
	}
	return b
}

// outOfOrder is a store that shows every tenth row only when it is asked for
// the second time, as a database does in which number and commit are two things.
func outOfOrder() broken {
	var mu sync.Mutex
	asked := make(map[cache.Identity]bool)
	return relist(func(rows []actions.Row) []actions.Row {
		mu.Lock()
		defer mu.Unlock()
		return slices.DeleteFunc(rows, func(r actions.Row) bool {
			id := identity(r)
			late := r.Number%10 == 0 && !asked[id]
			asked[id] = true
			return late
		})
	})
}

// A suite that finds nothing is worth nothing.
func TestCheckStoreFindsWhatIsBroken(t *testing.T) {
	for name, tc := range brokenStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name == "news never moves its mark" {
				t.Skip("takes as long as the suite is patient")
			}
			err := actionstest.CheckStore(func() actions.Store {
				b := tc.store()
				b.MemStore = new(actions.MemStore)
				return b
			})
			if err == nil || !strings.Contains(err.Error(), tc.found) {
				t.Errorf("got error %.500v, want one with %q", err, tc.found)
			}
		})
	}
}

func TestCheckStoreFindsNothingInMemStore(t *testing.T) {
	err := actionstest.CheckStore(func() actions.Store { return new(actions.MemStore) })
	if err != nil {
		t.Error(err)
	}
}

// Each store that is broken in its quota, and a case that must find it out.
var brokenQuotas = map[string]struct {
	store func() actions.Store
	found string
}{
	"no quota": {found: "row by row", store: func() actions.Store { return new(actions.MemStore) }},
	"another quota": {found: "against a crowd", store: func() actions.Store {
		return actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 6})
	}},
	"one quota for all": {found: "each recipient's own", store: func() actions.Store {
		p := actionstest.NewPacket("kingrichard@royalty.england.lit", "a@b/c", "m1")
		return actions.NewMemStore(&actions.MemStoreOptions{TotalBytes: 5 * int64(len(p.Stanza)+600)})
	}},
	"the quota is silent": {found: "row by row", store: func() actions.Store {
		return broken{
			MemStore: actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 5}),
			put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
				s.Put(ctx, rows...)
				return nil
			},
		}
	}},
	"the upgrade needs room": {found: "needs no quota", store: func() actions.Store {
		return broken{
			MemStore: actions.NewMemStore(&actions.MemStoreOptions{MaxMessages: 5}),
			put: func(s *actions.MemStore, ctx context.Context, rows []actions.Row) []error {
				errs := make([]error, len(rows))
				for i, r := range rows {
					if s.Used(r.Packet.Key.To).Messages >= 5 {
						errs[i] = actions.ErrQuota
					} else {
						errs[i] = errors.Join(s.Put(ctx, r)...)
					}
				}
				return errs
			},
		}
	}},
}

func TestCheckStoreQuotaFindsWhatIsBroken(t *testing.T) {
	for name, tc := range brokenQuotas {
		t.Run(name, func(t *testing.T) {
			err := actionstest.CheckStoreQuota(5, tc.store)
			if err == nil || !strings.Contains(err.Error(), tc.found) {
				t.Errorf("got error %.500v, want one with %q", err, tc.found)
			}
		})
	}
}
