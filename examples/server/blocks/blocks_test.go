// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package blocks

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/untilack/untilack/examples/internal/stores"
)

const account = "juliet@localhost"

// open opens a list in a database of the test's own.
func open(t *testing.T) (*List, *stores.Store) {
	t.Helper()
	store, err := stores.Open(t.Context(), filepath.Join(t.TempDir(), "blocks.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	l, err := Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l, store
}

func TestList(t *testing.T) {
	l, store := open(t)
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

// TestRead checks that who is blocked stays so while the list is read anew, and if it can not
// be read.
func TestRead(t *testing.T) {
	l, _ := open(t)
	if err := l.Add(t.Context(), account, []string{"tybalt@localhost"}); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	done := make(chan struct{})
	reading.Go(func() {
		defer close(done)
		for range 100 {
			if _, err := l.Read(t.Context(), account); err != nil {
				t.Error(err)
			}
		}
	})
	for asked := true; asked; {
		select {
		case <-done:
			asked = false
		default:
		}
		if !l.Has(account, "tybalt@localhost") {
			t.Error("who is blocked gets through while the list is read")
			break
		}
	}
	reading.Wait()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := l.Read(over, account); err == nil {
		t.Errorf("got %q, want an error", got)
	}
	if !l.Has(account, "tybalt@localhost") {
		t.Error("nobody is blocked any more after a list that could not be read")
	}
}
