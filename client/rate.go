// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package client

import (
	"container/list"
	"time"
)

// A rate is how many receipts a second there may be, and how many at once. Below 0 there is no limit.
type rate struct {
	perSecond float64
	burst     float64
}

// A bucket is how much of a rate is left.
type bucket struct {
	account uint64
	left    float64
	at      time.Time // when that was so
}

// fill brings what is left up to date. A clock that goes backwards changes nothing.
func (b *bucket) fill(now time.Time, r rate) {
	if since := now.Sub(b.at); since > 0 {
		b.left = min(b.left+since.Seconds()*r.perSecond, r.burst)
		b.at = now
	}
}

// rates bound the receipts for each account, and for all together. Of the accounts that got one
// last, so many are known.
type rates struct {
	each, all rate
	limit     int
	common    bucket
	known     map[uint64]*list.Element // of order
	order     list.List                // of *bucket, the one longest silent in front
}

func newRates(each, all rate, limit int) *rates {
	return &rates{
		each:   each,
		all:    all,
		limit:  limit,
		common: bucket{left: all.burst},
		known:  make(map[uint64]*list.Element),
	}
}

// take reports whether there may be one more receipt for an account, and counts it if so.
func (r *rates) take(now time.Time, account uint64) bool {
	own := r.of(now, account)
	own.fill(now, r.each)
	r.common.fill(now, r.all)
	if r.each.perSecond >= 0 && own.left < 1 || r.all.perSecond >= 0 && r.common.left < 1 {
		return false
	}
	own.left--
	r.common.left--
	return true
}

// give takes back the receipt that was counted last.
func (r *rates) give(account uint64) {
	r.common.left++
	if e := r.known[account]; e != nil {
		e.Value.(*bucket).left++
	}
}

// of returns what is left for an account.
func (r *rates) of(now time.Time, account uint64) *bucket {
	if e := r.known[account]; e != nil {
		r.order.MoveToBack(e)
		return e.Value.(*bucket)
	}
	if r.order.Len() >= r.limit {
		delete(r.known, r.order.Remove(r.order.Front()).(*bucket).account)
	}
	b := &bucket{account: account, left: r.each.burst, at: now}
	r.known[account] = r.order.PushBack(b)
	return b
}
