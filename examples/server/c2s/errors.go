// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package c2s

import (
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os"

	"github.com/untilack/untilack/examples/server/gate"
	"github.com/untilack/untilack/middleware"
	"mellium.im/xmpp/stream"
)

// errShutdown ends the sessions of a server that stops.
var errShutdown = errors.New("c2s: server stops")

// errTooMany ends connections for which there is no room.
var errTooMany = errors.New("c2s: too many connections")

// A violation is a breach of our policy.
type violation string

func (v violation) Error() string { return "c2s: " + string(v) }

// conditionOf returns the stream error for the client of a stream that ended by err (RFC
// 6120 §4.9.3), or "" if there is none to be told, or it was told already.
func conditionOf(err error) string {
	var syntax *xml.SyntaxError
	var condition stream.Error
	var network net.Error
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, middleware.ErrTooLarge):
		return ""
	case errors.Is(err, gate.ErrTooLarge), errors.Is(err, gate.ErrTooDeep), errors.As(err, new(violation)):
		return "policy-violation"
	case errors.Is(err, gate.ErrRestricted):
		return "restricted-xml"
	case errors.Is(err, gate.ErrText):
		return "bad-format"
	case errors.Is(err, errTooMany):
		return "resource-constraint"
	case errors.Is(err, errShutdown):
		return "system-shutdown"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "connection-timeout"
	case errors.As(err, &condition):
		return condition.Err
	case errors.As(err, &syntax):
		return "not-well-formed"
	case errors.As(err, &network): // nobody is there
		return ""
	}
	return "undefined-condition"
}

// streamError returns the element for a condition. In a frame of its own it declares its
// prefix itself.
func streamError(condition string, frame bool) string {
	declaration := ""
	if frame {
		declaration = " xmlns:stream='" + stream.NS + "'"
	}
	return "<stream:error" + declaration + "><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
}

// lang is the language of what we say ourselves, which streams have to tell (RFC 6120 §4.7.4).
const lang = "en"

// header returns what opens a stream to a client.
func header(domain string, frame bool) string {
	if frame {
		return "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' xml:lang='" + lang + "' from='" + domain + "' id='" + rand.Text() + "'/>"
	}
	return "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" + stream.NS +
		"' version='1.0' xml:lang='" + lang + "' from='" + domain + "' id='" + rand.Text() + "'>"
}
