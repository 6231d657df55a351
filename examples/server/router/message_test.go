// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"fmt"
	"testing"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
)

// TestRefusal checks that senders are told whether to try again.
func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		err  error
		want condition
	}{
		{fmt.Errorf("%w: no action took it", untilack.ErrRefused), serviceUnavailable},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, fmt.Errorf("sqlstore: %w", actions.ErrQuota)), serviceUnavailable},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, actions.ErrFull), internalError},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, untilack.ErrStoreDown), internalError},
	} {
		if got := refusal(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}
