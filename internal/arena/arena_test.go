// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package arena_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/untilack/untilack/internal/arena"
)

func at(a *arena.Arena, r arena.Ref) []byte {
	return unsafe.Slice((*byte)(a.At(r)), a.Size(r))
}

// Each piece keeps what was written into it, all of it, until it is freed.
func TestPiecesAreApart(t *testing.T) {
	for seed := range uint64(8) {
		chance := rand.New(rand.NewPCG(seed, 1))
		var a arena.Arena
		want := map[arena.Ref]byte{}
		var refs []arena.Ref
		most := 1 << (4 + 2*seed%13) // bytes
		for i := range 5_000 {
			if growing := i/1000%2 == 0; len(refs) > 0 && chance.IntN(3) == 0 == growing {
				n := chance.IntN(len(refs))
				r := refs[n]
				refs[n] = refs[len(refs)-1]
				refs = refs[:len(refs)-1]
				if p := at(&a, r); bytes.Count(p, []byte{want[r]}) != len(p) {
					t.Fatalf("seed %d: piece %d was changed", seed, r)
				}
				delete(want, r)
				a.Free(r)
				continue
			}
			size := chance.IntN(most)
			r := a.Alloc(size)
			if _, twice := want[r]; twice || r == 0 || a.Size(r) < size || uintptr(a.At(r))%8 != 0 {
				t.Fatalf("seed %d: piece %d of %d bytes for %d, at %p, again: %v", seed, r, a.Size(r), size, a.At(r), twice)
			}
			want[r] = byte(chance.Uint32())
			p := at(&a, r)
			for j := range p {
				p[j] = want[r]
			}
			refs = append(refs, r)
		}
		for _, r := range refs {
			if p := at(&a, r); bytes.Count(p, []byte{want[r]}) != len(p) {
				t.Fatalf("seed %d: piece %d was changed", seed, r)
			}
			a.Free(r)
		}
		a.Trim()
		if a.Bytes() != 0 {
			t.Errorf("seed %d: %d bytes are left", seed, a.Bytes())
		}
	}
}

func TestLittleIsHeldInVain(t *testing.T) {
	for _, size := range []int{1, 31, 32, 33, 480, 1000, 1024, 1025, 3000, 20_000, 32_768, 32_769, 1 << 20} {
		var a arena.Arena
		const pieces = 1000
		asked := 0
		for range pieces {
			a.Alloc(size)
			asked += max(size, 32)
		}
		if most := asked + asked/3 + 4096 + min(size, 31)*pieces; a.Bytes() > most {
			t.Errorf("%d pieces of %d bytes hold %d", pieces, size, a.Bytes())
		}
	}
}

func TestOneEmptyChunkIsKept(t *testing.T) {
	var a arena.Arena
	r := a.Alloc(100)
	a.Free(r)
	held := a.Bytes()
	if n := testing.AllocsPerRun(100, func() { a.Free(a.Alloc(100)) }); n != 0 || a.Bytes() != held || held == 0 {
		t.Errorf("%v allocations, %d bytes held, %d before", n, a.Bytes(), held)
	}
	a.Trim()
	a.Trim()
	if a.Bytes() != 0 {
		t.Errorf("%d bytes are left", a.Bytes())
	}
}
