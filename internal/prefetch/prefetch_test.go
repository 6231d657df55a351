// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package prefetch_test

import (
	"testing"
	"unsafe"

	"github.com/untilack/untilack/internal/prefetch"
)

func TestAnyAddressWillDo(t *testing.T) {
	memory := [2]uint64{1, 2}
	prefetch.Line(unsafe.Pointer(&memory[0]), 8)
	prefetch.Line(unsafe.Pointer(&memory[0]), 1<<30)
	prefetch.Line(nil, 0)
	prefetch.Lines(unsafe.Pointer(&memory[0]), 8)
	prefetch.Lines(nil, 1<<30)
	if memory != [2]uint64{1, 2} {
		t.Error("memory has changed")
	}
}
