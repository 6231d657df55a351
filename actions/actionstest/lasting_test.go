// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/actions/actionstest"
)

// kept says that it outlives the process, which it does for a test's purpose:
// opening it once more gives the same one.
type kept struct{ *actions.MemStore }

func (kept) Volatile() bool { return false }

func TestLastingStore(t *testing.T) {
	actionstest.TestStoreLasts(t, func(*testing.T) actionstest.Reopener {
		s := kept{new(actions.MemStore)}
		return actionstest.Reopener{
			Store:  s,
			Reopen: func() (actions.Store, error) { return s, nil },
		}
	})
}

func TestCheckStoreLastsFindsWhatIsBroken(t *testing.T) {
	reopen := map[string]func() (actions.Store, error){
		"got []":           func() (actions.Store, error) { return new(actions.MemStore), nil },
		"unexpected error": func() (actions.Store, error) { return nil, errors.New("no such file") },
	}
	for found, reopen := range reopen {
		err := actionstest.CheckStoreLasts(func() actionstest.Reopener {
			return actionstest.Reopener{Store: new(actions.MemStore), Reopen: reopen}
		})
		for _, found := range []string{found, "Volatile: got true", "rows outlive the process"} {
			if err == nil || !strings.Contains(err.Error(), found) {
				t.Errorf("got error %v, want one with %q", err, found)
			}
		}
	}
}
