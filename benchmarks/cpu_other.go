// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

//go:build !unix

package main

import "time"

// cpuTime returns 0: it is not known here.
func cpuTime() time.Duration { return 0 }
