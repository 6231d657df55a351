// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

//go:build !race

package untilacktest

// detector reports whether the race detector is on, which makes everything slow.
const detector = false
