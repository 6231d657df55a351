// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

func TestFaultyStoreWithoutFaults(t *testing.T) {
	actionstest.TestStore(t, func(*testing.T) actions.Store {
		return actionstest.NewFaultyStore(new(actions.MemStore))
	})
}
