// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

//go:build race

package client_test

// raced is set if the race detector is in use.
const raced = true
