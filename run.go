// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/cache"
)

// ErrOverran is the error of an effect that took longer than it may.
var ErrOverran = errors.New("untilack: took too long")

// ErrDetached is the error of an effect for a stream that Attach did not open.
var ErrDetached = errors.New("untilack: stream has no connection")

// again sets a new deadline, and sees to it that Run knows of it.
func (k *Keeper) again(now time.Time, ref cache.Ref, wait time.Duration) bool {
	defer k.wakeAt(now, wait)
	return k.cache.Again(now, ref, wait)
}

// put puts a packet, and sees to it that Run knows of its deadline.
func (k *Keeper) put(now time.Time, p cache.Packet, wait time.Duration) (cache.Ref, error) {
	defer k.wakeAt(now, wait)
	return k.cache.Put(now, p, wait)
}

// wakeAt wakes Run if it would sleep past a deadline.
func (k *Keeper) wakeAt(now time.Time, wait time.Duration) {
	if wait > 0 && now.Add(wait).UnixNano() < k.sleeping.Load() {
		k.ready.signal()
	}
}

// Run carries out what the Keeper decides: it reads the clock, and runs effects
// on bounded workers, in order for each recipient (see Effect), none of them for
// longer than its time limit. It returns the context's error when that ends, after its
// workers have. Run must not be called twice at the same time.
func (k *Keeper) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	var free [lanes]chan struct{}
	for l := range free {
		free[l] = make(chan struct{}, k.config.Workers)
	}
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for ctx.Err() == nil {
		k.sleeping.Store(math.MinInt64)
		k.Tick(time.Now())
		for l := range lanes {
			k.startWorkers(ctx, &workers, l, free[l])
		}
		next, ok := k.NextTick()
		if ok {
			alarm.Reset(max(0, time.Until(next)))
			k.sleeping.Store(next.UnixNano())
		} else {
			alarm.Stop()
			k.sleeping.Store(math.MaxInt64)
		}
		// A deadline may have come between NextTick and Store.
		if again, ok2 := k.NextTick(); ok2 && (!ok || again.Before(next)) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-alarm.C:
		case <-k.ready.wake:
		case <-k.timers.wake:
		}
	}
	return ctx.Err()
}

// startWorkers starts as many workers as there are recipients with work, and no
// more than the limit allows.
func (k *Keeper) startWorkers(ctx context.Context, workers *sync.WaitGroup, l lane, free chan struct{}) {
	for range k.ready.len(l) {
		select {
		case free <- struct{}{}:
		default:
			return // those at work look for more when they are done
		}
		workers.Go(func() {
			defer k.ready.signal() // what came while the last of us looked
			defer func() { <-free }()
			for ctx.Err() == nil {
				e, ok := k.next(l)
				if !ok {
					return
				}
				k.carryOut(ctx, e)
			}
		})
	}
}

// carryOut does what an effect asks for, and reports what came of it.
func (k *Keeper) carryOut(ctx context.Context, e *Effect) {
	if e.Stream != nil && e.Stream.session != nil && (e.Kind == WriteStanza || e.Kind == ProbeStream) {
		e.Stream.session.carryOut(ctx, e)
		return
	}
	if k.Begin(time.Now(), e) {
		k.Finish(time.Now(), e, k.callLimited(ctx, e))
	}
}

// callLimited calls what an effect asks for, unless too many such calls have not
// returned, or one for this recipient.
func (k *Keeper) callLimited(ctx context.Context, e *Effect) Result {
	c := callee{kind: e.Kind, recipient: e.Recipient}
	if e.Kind != EndStream && k.stuck.has(c, k.config.Workers) {
		return Result{Err: fmt.Errorf("%w: an earlier call has not returned", ErrOverran)}
	}
	call := func(ctx context.Context) Result { return k.call(ctx, e) }
	switch e.Kind {
	case StoreRows, DeleteRows, ListRows, CheckRows, ReadNews:
		return k.callStore(ctx, c, call)
	}
	r := k.limited(ctx, c, k.timeLimit(e), call)
	k.tookMail(ctx, r)
	return r
}

func (k *Keeper) timeLimit(e *Effect) time.Duration {
	if e.Stream != nil {
		return k.config.WriteTimeout
	}
	return k.config.ActionTimeout
}

// call calls the action, the store or the connection.
func (k *Keeper) call(ctx context.Context, e *Effect) (r Result) {
	switch e.Kind {
	case RunAction:
		r.Outcome, r.Err = e.Action.Act(ctx, e.Packet)
	case StoreRows:
		r.Errs = k.config.Store.Put(ctx, e.Rows...)
	case DeleteRows:
		r.Err = k.config.Store.Delete(ctx, e.Identities...)
	case ListRows:
		r.Rows, r.Err = k.config.Store.List(ctx, e.Recipient, e.After, e.Limit)
	case CheckRows:
		r.Stands, r.Err = k.config.Store.Stands(ctx, e.Identities...)
	case ReadNews:
		r.Rows, r.Mark, r.Err = k.config.Store.News(ctx, e.Recipients, e.Since, e.Limit)
	case EndStream:
		if e.Stream.session != nil {
			r.Err = e.Stream.session.conn.End(ctx, e.Reason)
		}
	default:
		r.Err = ErrDetached
	}
	return r
}

// limited calls f and waits for it no longer than limit, whether or not f heeds
// its context. A call that overran is left behind.
func (k *Keeper) limited(ctx context.Context, c callee, limit time.Duration, f func(context.Context) Result) Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	done := make(chan Result, 1)
	go func() {
		defer cancel()
		done <- f(ctx)
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	// Who heeds the context returns now, with an answer that is worth having.
	grace := time.NewTimer(limit/10 + time.Millisecond)
	defer grace.Stop()
	select {
	case r := <-done:
		return r
	case <-grace.C:
	}
	k.counts[Overran].Add(1)
	k.stuck.add(c, 1)
	go func() {
		<-done
		k.stuck.add(c, -1)
	}()
	return Result{Err: fmt.Errorf("%w: %v", ErrOverran, limit)}
}

// Drain hands all that waits in memory over to the store, for a server that
// stops: call it after Run has returned and the streams are closed. What Run has
// left undone is done first. It returns the packets that no store may keep or that
// this one did not take.
func (k *Keeper) Drain(ctx context.Context) (left []cache.Packet, err error) {
	for e, ok := k.Next(); ok && ctx.Err() == nil; e, ok = k.Next() {
		k.carryOut(ctx, e)
	}
	var batch []cache.Packet
	flush := func() {
		unsaved, putErr := k.save(ctx, batch)
		left = append(left, unsaved...)
		err = errors.Join(err, putErr)
		batch = batch[:0]
	}
	for p := range k.cache.All() {
		switch {
		case p.Marks.Has(cache.Stored):
		case !actions.MayKeep(p, k.lasting):
			left = append(left, p)
		default:
			batch = append(batch, p)
		}
		if len(batch) == maxRows {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	return left, errors.Join(err, ctx.Err())
}

// save puts packets into the store and returns those that it did not take.
func (k *Keeper) save(ctx context.Context, packets []cache.Packet) (unsaved []cache.Packet, err error) {
	rows := make([]actions.Row, len(packets))
	for i, p := range packets {
		rows[i] = row(p)
	}
	errs := k.config.Store.Put(ctx, rows...)
	for i, p := range packets {
		if failed := errorAt(errs, i); failed != nil {
			unsaved = append(unsaved, p)
			err = failed
			continue
		}
		k.cache.Mark(p.Ref(), cache.Stored, 0)
		k.counts[Persisted].Add(1)
	}
	return unsaved, err
}
