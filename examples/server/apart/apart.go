// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package apart keeps the stacks small of goroutines that wait for days, of which a server has
// one for each client: a stack does not shrink before the garbage collector finds it nearly empty.
package apart

// Do calls f on a stack of its own, which goes when f returns, and waits for that. It is for what
// goes deep and is rare: a login, or a question to a database.
func Do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
