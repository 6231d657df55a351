// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actionstest

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestACaseThatHangsIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hanging := testCase[int]{run: func(*check, int) { <-release }}
		err := hanging.faults(0)
		close(release)
		if err == nil || !strings.Contains(err.Error(), "did not return") {
			t.Errorf("got error %v, want one that says it did not return", err)
		}
	})
}
