// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

#include "textflag.h"

// func Line(p unsafe.Pointer, offset uintptr)
TEXT ·Line(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD offset+8(FP), R1
	ADD  R1, R0
	PRFM (R0), PLDL1KEEP
	RET

// func Lines(p unsafe.Pointer, offset uintptr)
TEXT ·Lines(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD offset+8(FP), R1
	ADD  R1, R0
	PRFM (R0), PLDL1KEEP
	PRFM 64(R0), PLDL1KEEP
	PRFM 128(R0), PLDL1KEEP
	PRFM 192(R0), PLDL1KEEP
	RET
