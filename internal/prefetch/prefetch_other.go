// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

//go:build !amd64 && !arm64

// Package prefetch does nothing on this processor.
package prefetch

import "unsafe"

// Line does nothing.
func Line(unsafe.Pointer, uintptr) {}

// Lines does nothing.
func Lines(unsafe.Pointer, uintptr) {}
