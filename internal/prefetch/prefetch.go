// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

//go:build amd64 || arm64

// Package prefetch asks the processor for memory before it is needed, so that it waits
// for several lines at once and not for one after the other. A lock is where it would
// wait for all that was read; it does not wait for what was asked for in this way.
package prefetch

import "unsafe"

// Line asks for the cache line so many bytes after p, which may be any address.
//
//go:noescape
func Line(p unsafe.Pointer, offset uintptr)

// Lines asks for four lines, the first of them so many bytes after p.
//
//go:noescape
func Lines(p unsafe.Pointer, offset uintptr)
