// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"slices"
	"testing"

	"github.com/untilack/untilack/actions"
)

// TestStore checks that a store keeps the rules of actions.Store. Open returns
// a new and empty store with room for some thousand rows, and is called once
// for each case; what has to be closed is left to t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) actions.Store) {
	t.Helper()
	runAll(t, storeCases(), open)
}

// CheckStore does what TestStore does, and returns one error that joins all
// faults, or nil.
func CheckStore(open func() actions.Store) error {
	return checkAll(storeCases(), open)
}

func storeCases() []testCase[actions.Store] {
	return slices.Concat(rowCases, mailCases, listCases, deleteCases, newsCases, crowdCases)
}

// TestStoreQuota checks how a store behaves when a recipient's quota is used
// up. Open returns a new and empty store that keeps that many messages, at
// least two, for each recipient.
func TestStoreQuota(t *testing.T, messages int, open func(t *testing.T) actions.Store) {
	t.Helper()
	runAll(t, quotaCases(messages), open)
}

// CheckStoreQuota does what TestStoreQuota does, and returns one error that
// joins all faults, or nil.
func CheckStoreQuota(messages int, open func() actions.Store) error {
	return checkAll(quotaCases(messages), open)
}

// A Reopener is a store, and a way to open once more what it kept.
type Reopener struct {
	Store actions.Store

	// Reopen closes Store and opens what it kept, as a new process would.
	Reopen func() (actions.Store, error)
}

// TestStoreLasts checks that a store outlives the process. Open returns a new
// and empty one.
func TestStoreLasts(t *testing.T, open func(t *testing.T) Reopener) {
	t.Helper()
	runAll(t, lastingCases, open)
}

// CheckStoreLasts does what TestStoreLasts does, and returns one error that
// joins all faults, or nil.
func CheckStoreLasts(open func() Reopener) error {
	return checkAll(lastingCases, open)
}
