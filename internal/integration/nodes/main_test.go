// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/postgres"
)

func TestMain(m *testing.M) {
	crashtest.Main()
	flag.Parse()
	if _, err := postgres.Shared(); errors.Is(err, postgres.ErrMissing) && !postgres.Required() {
		_ = flag.Set("test.skip", "^Example$") // which can not skip itself
	}
	code := m.Run()
	postgres.StopShared()
	os.Exit(code)
}

// newSource returns what an empty database is opened by.
func newSource() (string, error) {
	s, err := postgres.Shared()
	if err != nil {
		return "", err
	}
	return s.NewSchema()
}

// openStore returns a store in PostgreSQL, with tables in it, and its database.
func openStore(ctx context.Context, source string) (*sql.DB, *sqlstore.Store, error) {
	return crashtest.Job{Dialect: sqlstore.PostgreSQL, Source: source}.OpenStore(ctx)
}
