// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

#include "textflag.h"

// func Line(p unsafe.Pointer, offset uintptr)
TEXT ·Line(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ offset+8(FP), BX
	PREFETCHT0 (AX)(BX*1)
	RET

// func Lines(p unsafe.Pointer, offset uintptr)
TEXT ·Lines(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	ADDQ offset+8(FP), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)
	PREFETCHT0 128(AX)
	PREFETCHT0 192(AX)
	RET
