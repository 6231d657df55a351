// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package powercut

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Name is what the file system is called that Record makes, in the parameter vfs of a
// database's address.
const Name = "powercut"

// recorder is what SQLite's calls find, which have no other way to it.
var recorder struct {
	journal
	system uintptr // the file system that does the work

	mu      sync.Mutex
	files   map[uintptr]file    // by the address of SQLite's file
	methods map[uintptr]uintptr // ours, by those of the files that they stand for
}

// A file is one that SQLite has open.
type file struct {
	name    string
	methods *sqlite3.Tsqlite3_io_methods // of the file system that does the work
}

// Record makes a file system known to SQLite, by Name, which does what the usual one does,
// and writes it down to a new file log. It can be called once in a process.
//
// What a process shares with others through memory, the index of a write-ahead log, is not
// recorded: SQLite makes it anew after a crash.
func Record(log string) (err error) {
	r := &recorder
	if r.file != nil {
		return errors.New("powercut: there is a record already")
	}
	if r.file, err = os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	r.files, r.methods = make(map[uintptr]file), make(map[uintptr]uintptr)
	tls := libc.NewTLS()
	defer tls.Close()
	if r.system = sqlite3.Xsqlite3_vfs_find(tls, 0); r.system == 0 {
		return errors.New("powercut: SQLite has no file system")
	}
	name, err := libc.CString(Name)
	if err != nil {
		return err
	}
	own := allocate(tls, *at[sqlite3.Tsqlite3_vfs](r.system))
	vfs := at[sqlite3.Tsqlite3_vfs](own)
	vfs.FpNext, vfs.FzName = 0, name
	vfs.FxOpen, vfs.FxDelete = pointer(open), pointer(unlink)
	if code := sqlite3.Xsqlite3_vfs_register(tls, own, 0); code != sqlite3.SQLITE_OK {
		return fmt.Errorf("powercut: SQLite's error %d", code)
	}
	return nil
}

// at returns what is at an address of SQLite's memory.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// allocate copies a value to SQLite's memory, for ever.
func allocate[T any](tls *libc.TLS, value T) uintptr {
	address := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(value)))
	*at[T](address) = value
	return address
}

// pointer returns what SQLite calls a function by, and function the other way round.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func function[F any](pointer uintptr) F { return *(*F)(unsafe.Pointer(&pointer)) }

// The functions of a file system and of its files that are not left as they are.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, sync int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	writeFunc    = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

// lasting are the kinds of files that have to outlive a loss of power.
const lasting = sqlite3.SQLITE_OPEN_MAIN_DB | sqlite3.SQLITE_OPEN_MAIN_JOURNAL | sqlite3.SQLITE_OPEN_WAL

func open(tls *libc.TLS, _, name, sqliteFile uintptr, flags int32, outFlags uintptr) int32 {
	r := &recorder
	code := function[openFunc](at[sqlite3.Tsqlite3_vfs](r.system).FxOpen)(tls, r.system, name, sqliteFile, flags, outFlags)
	if code != sqlite3.SQLITE_OK || flags&lasting == 0 {
		return code
	}
	methods := &at[sqlite3.Tsqlite3_file](sqliteFile).FpMethods
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[sqliteFile] = file{filepath.Base(libc.GoString(name)), at[sqlite3.Tsqlite3_io_methods](*methods)}
	own, made := r.methods[*methods]
	if !made {
		own = allocate(tls, *at[sqlite3.Tsqlite3_io_methods](*methods))
		m := at[sqlite3.Tsqlite3_io_methods](own)
		m.FxClose, m.FxWrite, m.FxTruncate, m.FxSync = pointer(closeFile), pointer(writeFile), pointer(truncateFile), pointer(syncFile)
		r.methods[*methods] = own
	}
	*methods = own
	return code
}

func lookUp(sqliteFile uintptr) file {
	recorder.mu.Lock()
	defer recorder.mu.Unlock()
	return recorder.files[sqliteFile]
}

func closeFile(tls *libc.TLS, sqliteFile uintptr) int32 {
	f := lookUp(sqliteFile)
	recorder.mu.Lock()
	delete(recorder.files, sqliteFile)
	recorder.mu.Unlock()
	return function[closeFunc](f.methods.FxClose)(tls, sqliteFile)
}

func writeFile(tls *libc.TLS, sqliteFile, data uintptr, size int32, offset int64) int32 {
	f := lookUp(sqliteFile)
	code := function[writeFunc](f.methods.FxWrite)(tls, sqliteFile, data, size, offset)
	return note(code, sqlite3.SQLITE_IOERR_WRITE, record{
		Op: write, File: f.name, Offset: offset, Data: unsafe.Slice(at[byte](data), size),
	})
}

func truncateFile(tls *libc.TLS, sqliteFile uintptr, size int64) int32 {
	f := lookUp(sqliteFile)
	code := function[truncateFunc](f.methods.FxTruncate)(tls, sqliteFile, size)
	return note(code, sqlite3.SQLITE_IOERR_TRUNCATE, record{Op: truncate, File: f.name, Offset: size})
}

// syncFile notes that a file was synced after it was, and that this covers what was done
// before it began: another connection may write meanwhile.
func syncFile(tls *libc.TLS, sqliteFile uintptr, flags int32) int32 {
	f, before := lookUp(sqliteFile), recorder.next()
	code := function[syncFunc](f.methods.FxSync)(tls, sqliteFile, flags)
	return note(code, sqlite3.SQLITE_IOERR_FSYNC, record{Op: synced, File: f.name, Before: before})
}

func unlink(tls *libc.TLS, _, name uintptr, sync int32) int32 {
	r := &recorder
	code := function[deleteFunc](at[sqlite3.Tsqlite3_vfs](r.system).FxDelete)(tls, r.system, name, sync)
	return note(code, sqlite3.SQLITE_IOERR_DELETE, record{Op: remove, File: filepath.Base(libc.GoString(name))})
}

// note writes down what was done, if it was. What cannot be written down counts as failed.
func note(code, failure int32, r record) int32 {
	if code != sqlite3.SQLITE_OK {
		return code
	}
	if err := recorder.add(r); err != nil {
		return failure
	}
	return code
}
