// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware

import (
	"errors"
	"fmt"
	"time"

	"github.com/untilack/untilack"

	"mellium.im/xmpp"
)

// Default values of Options.
const (
	DefaultWriteTimeout = 5 * time.Second
	DefaultQueueStanzas = 1024
	DefaultQueueBytes   = 1 << 20
	DefaultMaxStanza    = 1 << 20
)

// The errors of this package. A stanza that the queue has no room for gives an
// error that wraps untilack.ErrBusy.
var (
	// ErrClosed is returned by writes to a session that has ended. It wraps
	// xmpp.ErrOutputStreamClosed.
	ErrClosed = fmt.Errorf("middleware: session has ended: %w", xmpp.ErrOutputStreamClosed)
	// ErrTooLarge is returned when a stanza is larger than Options.MaxStanza, or
	// nested too deeply. Its client has been told so by a stream error.
	ErrTooLarge = errors.New("middleware: stanza is too large")
	// ErrSession is returned by Wrap for a session that can not be wrapped.
	ErrSession = errors.New("middleware: not a session that can be wrapped")
	// ErrStalled is the reason of the end when a write took longer than it may.
	ErrStalled = errors.New("middleware: client does not take what is written")
	// ErrIncomplete is returned by the Close of a TokenWriter in the middle of an
	// element, none of which was written.
	ErrIncomplete = errors.New("middleware: element has no end")
)

// Options configures a wrapped session. A nil pointer stands for the zero value,
// and the zero value for the defaults.
type Options struct {
	// WriteTimeout is how long one write may block, for each 16 KiB that it has
	// begun. After it the connection is closed: part of a stanza may be out.
	// Default: 5 s.
	WriteTimeout time.Duration

	// QueueStanzas and QueueBytes bound what waits to be written, what is being
	// written included. A stanza larger than QueueBytes goes alone.
	// Default: 1,024 stanzas and 1 MiB.
	QueueStanzas int
	QueueBytes   int

	// MaxStanza is the greatest size in bytes of a stanza that is taken from the
	// client (RFC 6120 §13.12: at least 10,000). It is checked from one token to
	// the next; see the package's comment. Default: 1 MiB.
	MaxStanza int

	// WebSocket says that each write to the connection is a message of its own
	// (RFC 7395): a stanza is one write, declares its namespace itself, and the
	// stream ends with <close/>. Default: a stream over TCP or TLS.
	WebSocket bool

	// Probe is the content of the IQ with which the Keeper asks whether the client
	// is alive: any element that a client may be asked with, for it has to answer
	// all (RFC 6120 §8.2.3), if only with an error. Default: a ping (XEP-0199).
	Probe string

	// Stream is passed to Keeper.Attach.
	// Default: an available resource with priority 0.
	Stream *untilack.StreamOptions
}

// orDefaults returns a copy of o with its defaults in place.
func (o *Options) orDefaults() Options {
	var options Options
	if o != nil {
		options = *o
	}
	if options.WriteTimeout <= 0 {
		options.WriteTimeout = DefaultWriteTimeout
	}
	if options.QueueStanzas <= 0 {
		options.QueueStanzas = DefaultQueueStanzas
	}
	if options.QueueBytes <= 0 {
		options.QueueBytes = DefaultQueueBytes
	}
	if options.MaxStanza <= 0 {
		options.MaxStanza = DefaultMaxStanza
	}
	return options
}
