// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"sync"
	"time"

	"github.com/untilack/untilack/examples/server/hosts"
	"golang.org/x/time/rate"
)

// How fast passwords may be guessed: so many failures at once, and then one a while. Only
// failures count: who knows his password may log in as often as he likes, unless somebody is
// guessing it at that time.
var (
	perAccount = allowance{burst: 20, every: 10 * time.Second}
	perAddress = allowance{burst: 100, every: time.Second}
)

// An allowance is how many failures there may be.
type allowance struct {
	burst int
	every time.Duration
}

// guesses are the failures of late, by account and by address. Accounts that do not exist
// count like others: nobody is told who exists.
type guesses struct {
	accounts, addresses failures
}

// mayGuess reports whether another password may be tried for an account.
func (l *login) mayGuess(name string) bool {
	now := time.Now()
	g := &l.server.guesses
	return g.accounts.leave(now, name) && g.addresses.leave(now, hosts.Of(l.remote))
}

// guessed takes note that a password was wrong.
func (l *login) guessed(name string) {
	now := time.Now()
	l.server.guesses.accounts.add(now, perAccount, name)
	l.server.guesses.addresses.add(now, perAddress, hosts.Of(l.remote))
}

// maxFailures is how many names are remembered: the last half of them at least.
const maxFailures = 8192

// failures are those of one kind of names, in two halves: when the newer one is full the older
// one is forgotten. To have one's failures forgotten takes thousands of others.
type failures struct {
	mutex        sync.Mutex
	newer, older map[string]*rate.Limiter
}

// leave reports whether there is leave to try once more.
func (f *failures) leave(now time.Time, name string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	limiter := f.find(name)
	return limiter == nil || limiter.TokensAt(now) >= 1
}

// add counts a failure. Those that many connections have at once, before any of them counts,
// have to be waited for afterwards.
func (f *failures) add(now time.Time, most allowance, name string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	limiter := f.find(name)
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(most.every), most.burst)
	}
	f.keep(name, limiter)
	limiter.ReserveN(now, 1)
}

func (f *failures) find(name string) *rate.Limiter {
	if limiter := f.newer[name]; limiter != nil {
		return limiter
	}
	return f.older[name]
}

func (f *failures) keep(name string, limiter *rate.Limiter) {
	if f.newer == nil || len(f.newer) >= maxFailures/2 {
		f.newer, f.older = make(map[string]*rate.Limiter), f.newer
	}
	f.newer[name] = limiter
}
