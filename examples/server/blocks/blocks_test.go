// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package blocks

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/untilack/untilack/examples/internal/stores"
)

func TestList(t *testing.T) {
	store, err := stores.Open(t.Context(), filepath.Join(t.TempDir(), "blocks.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	const account = "juliet@localhost"
	if err := l.Add(t.Context(), account, []string{"tybalt@localhost", "paris@localhost/home", "verona.example"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Remove(t.Context(), account, []string{"tybalt@localhost", "nobody@localhost"}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"tybalt@localhost/street": false, "paris@localhost/home": true, "paris@localhost/away": false,
		"anybody@verona.example/x": true, "verona.example": true, "verona": false,
	} {
		if l.Has(account, address) != want || again.Has(account, address) != want {
			t.Errorf("%s: got %v, %v, want %v", address, l.Has(account, address), again.Has(account, address), want)
		}
	}
	if got, err := l.Read(t.Context(), account); err != nil || !slices.Equal(got, []string{"paris@localhost/home", "verona.example"}) {
		t.Errorf("got %q, %v", got, err)
	}
	var many []string
	for i := range MaxItems {
		many = append(many, fmt.Sprint(i))
	}
	if err := l.Add(t.Context(), account, many); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
}
