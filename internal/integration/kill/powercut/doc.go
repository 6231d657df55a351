// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package powercut takes the power away from an SQLite database, without taking it away.
//
// Record has SQLite write down all that it does to the files of a database: what it wrote,
// and what of that it has synced. Replay makes the files that a disk has after the machine
// lost its power: all that was synced, and of the rest whatever happened to reach the disk,
// by sectors. So a process that is killed with its page cache intact is as good a test as
// a machine that is switched off.
package powercut
