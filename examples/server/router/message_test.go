// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package router

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/untilack/untilack"
	"github.com/untilack/untilack/actions"
	"github.com/untilack/untilack/examples/internal/stores"
	"github.com/untilack/untilack/examples/server/nodes"
)

// TestRefusal checks that senders are told whether to try again.
func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		err  error
		want condition
	}{
		{fmt.Errorf("%w: no action took it", untilack.ErrRefused), serviceUnavailable},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, fmt.Errorf("sqlstore: %w", actions.ErrQuota)), serviceUnavailable},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, actions.ErrFull), internalError},
		{fmt.Errorf("%w: %w", untilack.ErrRefused, untilack.ErrStoreDown), internalError},
	} {
		if got := refusal(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}

// TestBounceFails checks that an error is not taken for delivered while nobody knows whether its
// session is at another node: the Keeper is to try again.
func TestBounceFails(t *testing.T) {
	store, err := stores.Open(t.Context(), filepath.Join(t.TempDir(), "nodes.db"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := nodes.Open(t.Context(), store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Domain: "localhost", Nodes: n, Log: slog.New(slog.DiscardHandler)})
	const to = "romeo@localhost/orchard"
	if err := r.Bounce(t.Context(), to, nil); err != nil {
		t.Errorf("to nobody: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Bounce(t.Context(), to, nil); err == nil {
		t.Error("without a database: no error")
	}
}
