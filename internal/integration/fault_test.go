// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"
)

// Faults stand between database/sql and a driver. Hook is called before and after whatever
// the driver is to do; an error of it is what the caller gets: before, nothing is done, and
// after it is done, and the answer lost.
type faults struct {
	hook atomic.Pointer[hook]
	base driver.Driver
	name string // the source
}

type hook func(ctx context.Context, c call) error

// A call is one that a driver has to do.
type call struct {
	done bool   // it was done
	text string // the statement, "begin" or "commit"
	args []driver.NamedValue
}

// newFaulty returns a new database with the tables, and the faults before its driver.
func (d *database) newFaulty(t testing.TB) (*sql.DB, *faults) {
	t.Helper()
	name, source := d.create(t)
	db, f := newFaults(t, open(t, name, source), source)
	d.migrate(t, db)
	return db, f
}

// newFaults returns the database of a source once more, with faults before the driver of
// plain.
func newFaults(t testing.TB, plain *sql.DB, source string) (*sql.DB, *faults) {
	f := &faults{base: plain.Driver(), name: source}
	db := sql.OpenDB(f)
	t.Cleanup(func() { db.Close() })
	return db, f
}

func (f *faults) set(h hook) {
	if h == nil {
		f.hook.Store(nil)
		return
	}
	f.hook.Store(&h)
}

// around does something unless the hook forbids it.
func (f *faults) around(ctx context.Context, c call, do func() error) error {
	h := f.hook.Load()
	if h == nil {
		return do()
	}
	if err := (*h)(ctx, c); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	c.done = true
	return (*h)(ctx, c)
}

func (f *faults) Driver() driver.Driver { return f.base }

func (f *faults) Connect(context.Context) (driver.Conn, error) {
	c, err := f.base.Open(f.name)
	if err != nil {
		return nil, err
	}
	return &faultyConn{c, f}, nil
}

type faultyConn struct {
	driver.Conn
	f *faults
}

func (c *faultyConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.f.around(ctx, call{text: text, args: args}, func() (err error) {
		result, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
		return err
	})
	return result, err
}

func (c *faultyConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.f.around(ctx, call{text: text, args: args}, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
		return err
	})
	if err != nil && rows != nil { // the answer is lost
		rows.Close()
		rows = nil
	}
	return rows, err
}

func (c *faultyConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &faultyStmt{s, c.f, text}, nil
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx
	err := c.f.around(ctx, call{text: "begin"}, func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	return &faultyTx{tx, c.f, ctx}, err
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *faultyConn) ResetSession(ctx context.Context) error {
	if resetter, ok := c.Conn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

type faultyStmt struct {
	driver.Stmt
	f    *faults
	text string
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	err = s.f.around(ctx, call{text: s.text, args: args}, func() (err error) {
		result, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return result, err
}

type faultyTx struct {
	driver.Tx
	f   *faults
	ctx context.Context
}

func (t *faultyTx) Commit() error {
	return t.f.around(t.ctx, call{text: "commit"}, t.Tx.Commit)
}
