// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package integration holds tests of untilack against real databases. They need what the
// root module must not: drivers, and programs of the system.
package integration
