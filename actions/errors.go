// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package actions

import "errors"

var (
	// ErrQuota is returned by a Store's Put for a row when its recipient has used
	// up what the store keeps for one recipient.
	// It is not a failure: Offline passes the packet on.
	ErrQuota = errors.New("actions: recipient's quota is used up")

	// ErrFull is returned by a Store's Put for a row when the store as a whole has
	// no room left. It is temporary.
	ErrFull = errors.New("actions: store is full")

	// ErrMark is returned by a Store's News for a mark that the store never gave.
	ErrMark = errors.New("actions: unknown mark")

	// errUnset is returned by actions that lack what they need. It is temporary
	// like any other error, because a mistake in the set-up must not cost mail.
	errUnset = errors.New("actions: a required field is not set")
)

// permanentError says that trying again is of no use.
type permanentError struct{ err error }

func (e permanentError) Error() string { return e.err.Error() }
func (e permanentError) Unwrap() error { return e.err }

// Permanent wraps err to say that trying again is of no use: a chain goes on
// to its next action. Permanent(nil) is nil.
// An error that was not wrapped by it is temporary.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent reports whether err, or an error that it wraps, was made by
// Permanent.
func IsPermanent(err error) bool {
	var permanent permanentError
	return errors.As(err, &permanent)
}
