// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// nobody is the account in whose name the store is asked what is new: for all recipients
// who have a stream here.
const nobody = ""

// maxNews is how many rows one question brings at most.
const maxNews = 256

// A poll asks the store now and then what other nodes have put into it, as long as there
// is a stream.
type poll struct {
	sync.Mutex
	running  bool   // whether a timer is set, or a question under way
	asking   bool   // whether a question is queued or under way
	woken    bool   // whether another was asked for meanwhile
	mark     string // up to which all is known
	timer    uint64 // the number of the timer that counts
	failures int
}

// Wake is the event that another node has put something into the shared store: it is
// asked at once, and not only when Config.PollEvery is over. A host calls it when the
// database, or another node, tells it so.
func (k *Keeper) Wake(now time.Time) {
	k.news.Lock()
	defer k.news.Unlock()
	switch {
	case !k.news.running:
	case k.news.asking:
		k.news.woken = true
	default:
		k.askAt(now)
	}
}

// startPolling is called when there is a stream.
func (k *Keeper) startPolling(now time.Time) {
	if k.config.PollEvery == 0 {
		return
	}
	k.news.Lock()
	defer k.news.Unlock()
	if !k.news.running {
		k.news.running, k.news.mark = true, ""
		k.askAt(now)
	}
}

// askAt has the store asked at some time, and not at the one that was set before.
func (k *Keeper) askAt(at time.Time) {
	k.news.timer++
	k.timers.add(timer{at: at, account: nobody, kind: newsTimer, number: k.news.timer})
}

// askForNews has the store asked, when a timer says so.
func (k *Keeper) askForNews(a *account, t timer) {
	k.news.Lock()
	defer k.news.Unlock()
	if t.number == k.news.timer && !k.news.asking {
		k.news.asking = true
		k.enqueue(a, &Effect{Kind: ReadNews, Limit: maxNews})
	}
}

// beginNews sets for whom the store is asked, and since when. It reports false, and ends
// the polling, if nobody has a stream.
func (k *Keeper) beginNews(now time.Time, e *Effect) bool {
	e.Recipients = k.present()
	k.news.Lock()
	e.Since = k.news.mark
	if len(e.Recipients) > 0 {
		k.news.Unlock()
		return true
	}
	k.news.asking, k.news.woken, k.news.running = false, false, false
	k.news.Unlock()
	if len(k.present()) > 0 { // a stream has opened, and relied on us
		k.startPolling(now)
	}
	return false
}

// present returns the recipients who have a stream, in order.
func (k *Keeper) present() (recipients []string) {
	for i := range k.shards {
		sh := &k.shards[i]
		sh.Lock()
		for bare, a := range sh.accounts {
			if len(a.streams) > 0 {
				recipients = append(recipients, bare)
			}
		}
		sh.Unlock()
	}
	slices.Sort(recipients)
	return recipients
}

// finishNews hands what is new over to its recipients, and sets when to ask again.
func (k *Keeper) finishNews(now time.Time, e *Effect, r Result) {
	k.news.Lock()
	k.news.asking = false
	wait := k.config.PollEvery
	switch {
	case errors.Is(r.Err, actions.ErrMark): // the store is another one, or was set back
		k.news.mark, wait = "", 0
	case r.Err != nil:
		wait = max(wait, k.retryWait(&k.news.failures))
	default:
		k.news.mark, k.news.failures = r.Mark, 0
		if len(r.Rows) == e.Limit {
			wait = 0
		}
	}
	if k.news.woken {
		k.news.woken, wait = false, 0
	}
	k.askAt(now.Add(wait))
	k.news.Unlock()
	if r.Err != nil {
		k.counts[StoreFailed].Add(1)
		k.logStore(r.Err)
		return
	}
	k.tellNews(now, e, r.Rows)
	k.rereadFor(now, e)
}

// rereadFor has all rows read for those whose stream opened while the question was under
// way: it was not about them, and the next one begins after it.
func (k *Keeper) rereadFor(now time.Time, e *Effect) {
	for _, recipient := range k.present() {
		if _, asked := slices.BinarySearch(e.Recipients, recipient); !asked {
			a := k.enter(recipient)
			a.reread()
			k.place(a, now)
			k.leave(a)
		}
	}
}

func (k *Keeper) tellNews(now time.Time, e *Effect, rows []actions.Row) {
	if e.Since == "" { // of what was put before the mark, some may not have been read
		for _, recipient := range e.Recipients {
			a := k.enter(recipient)
			a.reread()
			k.place(a, now)
			k.leave(a)
		}
		return
	}
	slices.SortStableFunc(rows, func(x, y actions.Row) int {
		return cmp.Compare(x.Packet.Key.To, y.Packet.Key.To)
	})
	for len(rows) > 0 {
		recipient := rows[0].Packet.Key.To
		end := slices.IndexFunc(rows, func(r actions.Row) bool { return r.Packet.Key.To != recipient })
		if end < 0 {
			end = len(rows)
		}
		a := k.enter(recipient)
		k.takeNews(a, now, rows[:end])
		k.place(a, now)
		k.leave(a)
		rows = rows[end:]
	}
}

// takeNews takes up what is new for one recipient. Custody is another node's, or our own.
func (k *Keeper) takeNews(a *account, now time.Time, rows []actions.Row) {
	if !k.reads(a) {
		return // all is read when there is a stream for it
	}
	for _, stored := range rows {
		switch {
		case stored.Custody:
		case !a.rows.more && !a.rows.reading && !a.rows.failed && !k.manyRestored(a, now):
			k.takeRow(a, now, stored.Packet)
			a.rows.after = max(a.rows.after, stored.Number)
		case stored.Number > a.rows.after:
			a.readOn() // behind those that are being read
		default:
			a.reread() // it was passed over, as custody
		}
	}
}

// errElsewhere is what standing answers about a packet whose row has gone.
var errElsewhere = errors.New("untilack: settled elsewhere")

// standing is an action that is not run about a packet whose row has gone: a receipt for
// it came to another node.
type standing struct {
	actions.Action
	store actions.Store
}

// Act looks for the row, if there was one, and runs the action if it stands.
func (s standing) Act(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	if p.Marks.Has(cache.Stored) {
		stands, err := s.store.Stands(ctx, p.Identity())
		if err != nil {
			return actions.Pass, err
		}
		if len(stands) == 1 && !stands[0] {
			return actions.Pass, errElsewhere
		}
	}
	return s.Action.Act(ctx, p)
}

// A shelf is an action that puts a packet back into the store as it is now.
type shelf struct{ store actions.Store }

// Act puts the row.
func (s shelf) Act(ctx context.Context, p cache.Packet) (actions.Outcome, error) {
	return actions.Stored, errorAt(s.store.Put(ctx, row(p)), 0)
}

// ifStanding returns an action as it is to be run about packets that may have been settled
// on another node.
func (k *Keeper) ifStanding(action actions.Action) actions.Action {
	if k.config.PollEvery == 0 {
		return action
	}
	return standing{action, k.config.Store}
}

// elsewhere ends a packet that was settled on another node.
func (k *Keeper) elsewhere(a *account, now time.Time, p cache.Packet) {
	k.cache.Drop(now, p.Ref())
	a.forget(p.Ref())
	k.notePacket(a, now, Elsewhere, nil, p.Key)
}

// mayHaveGone takes note that a packet is on no stream any more: before it goes to the
// next one its row is looked for, for its recipient may have been at another node.
func (k *Keeper) mayHaveGone(a *account, p cache.Packet) {
	if k.config.PollEvery > 0 && p.Marks.Has(cache.Stored) {
		a.noteOf(p.Ref()).check = true
	}
}

func (a *account) mustCheck(p cache.Packet) bool {
	n, ok := a.notes[p.Seq]
	return ok && n.check && p.Marks.Has(cache.Stored)
}

// check has the store asked which rows stand.
func (k *Keeper) check(a *account) {
	if !a.checking {
		a.checking = true
		k.enqueue(a, &Effect{Kind: CheckRows})
	}
}

// beginCheck takes up the packets in question.
func (k *Keeper) beginCheck(a *account, e *Effect) bool {
	for _, it := range a.backlog {
		if p, waits := k.cache.Get(it.ref); waits && a.mustCheck(p) && len(e.refs) < maxRows {
			e.refs, e.Identities = append(e.refs, it.ref), append(e.Identities, p.Identity())
		}
	}
	a.checking = len(e.refs) > 0
	return a.checking
}

// finishCheck ends the packets whose rows have gone. If the store does not say, all go out:
// once more is better than never.
func (k *Keeper) finishCheck(a *account, now time.Time, e *Effect, r Result) {
	a.checking = false
	if r.Err != nil {
		k.stored(a, now, nil, cache.Packet{}, r.Err)
	}
	for i, ref := range e.refs {
		if n, ok := a.notes[ref.Seq]; ok {
			n.check = false
		}
		p, waits := k.cache.Get(ref)
		gone := r.Err == nil && i < len(r.Stands) && !r.Stands[i]
		if waits && gone && !p.Taken && p.Marks.Has(cache.Stored) {
			k.elsewhere(a, now, p)
		}
	}
}
