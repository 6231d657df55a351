// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package actionstest checks implementations of actions.Store and
// actions.Action, and has fakes of both that fail when they are told to.
//
// Whoever writes a store calls [TestStore] from a test, [TestStoreQuota] if it
// has quotas, and [TestStoreLasts] if it outlives the process. Whoever writes
// an action calls [TestAction]. Each case is a subtest that tells the rule it
// checks when it fails. The functions that begin with Check do the same without
// a *testing.T and return one error that joins all faults.
//
// [Script] is an Action and [FaultyStore] a Store for tests of what stands
// above them.
package actionstest
